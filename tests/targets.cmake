# Compiled models on every kind of target: a script each (tests/targets), skipped where a program that it
# needs is not installed.
if(TARGET onnxcc)
    foreach(target aarch64 c cortexm cuda cuda_cache cuda_emu cuda_program cuda_library cuda_streams bench_gpu)
        add_test(NAME target_${target}
            COMMAND ${CMAKE_CURRENT_LIST_DIR}/targets/${target}.sh $<TARGET_FILE:onnxcc>
                ${CMAKE_BINARY_DIR}/tests/targets/${target})
        set_tests_properties(target_${target} PROPERTIES SKIP_RETURN_CODE 77)
    endforeach()
endif()
