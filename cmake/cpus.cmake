# Writes the table of processors that LLVM knows, by the beginning of the triple: rows
# X("aarch64", "cortex-a72"); run by cmake -P at build time. LLC: llc; OUT: the file.
set(out "")
foreach(architecture aarch64 arm riscv32 riscv64 wasm32)
    execute_process(COMMAND ${LLC} -mtriple=${architecture} -mcpu=help INPUT_FILE /dev/null
        OUTPUT_VARIABLE text ERROR_VARIABLE text)
    string(REGEX REPLACE "Available features for this target.*" "" text "${text}")
    string(REGEX MATCHALL "\n +[A-Za-z0-9._-]+ +- Select the [^\n]* processor" lines "${text}")
    if(NOT lines)
        message(FATAL_ERROR "${LLC} lists no processors of ${architecture}: ${text}")
    endif()
    foreach(line IN LISTS lines)
        string(REGEX MATCH "[A-Za-z0-9._-]+" name "${line}")
        string(APPEND out "X(\"${architecture}\", \"${name}\")\n")
    endforeach()
endforeach()
file(WRITE ${OUT} "${out}")
