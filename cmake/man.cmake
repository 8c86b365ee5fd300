# The manual page: docs/onnxcc.1 with what `onnxcc --help-all` says of each option in the place of
# @OPTIONS@; run by cmake -P at build time.
execute_process(COMMAND ${ONNXCC} --help-all OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE ";" "," text "${text}") # CMake's lists
string(REPLACE "\n" ";" lines "${text}")
set(OPTIONS "")
foreach(line IN LISTS lines)
    if(line MATCHES "^  (-[^ ]+( [A-Z]+)?) +(.*)$")
        set(name "${CMAKE_MATCH_1}")
        set(what "${CMAKE_MATCH_3}")
        string(REPLACE "-" "\\-" name "${name}")
        string(REPLACE "-" "\\-" what "${what}")
        string(APPEND OPTIONS ".TP\n.B ${name}\n${what}\n")
    elseif(line MATCHES "^   +(.*)$") # goes on
        string(APPEND OPTIONS "${CMAKE_MATCH_1}\n")
    endif()
endforeach()
configure_file(${IN} ${OUT} @ONLY)
