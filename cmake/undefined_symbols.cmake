# Fails where FILE leaves a symbol undefined that does not match ALLOWED; run by cmake -P in tests.
execute_process(COMMAND ${NM} --undefined-only --format=just-symbols ${FILE}
    OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" symbols "${symbols}")
foreach(symbol IN LISTS symbols)
    if(symbol AND NOT symbol MATCHES "^(${ALLOWED})$")
        message(SEND_ERROR "${FILE} needs ${symbol}")
    endif()
endforeach()
