# Tests through the public command line: tests/run/*.sh, each a script (lib.sh says how it is run).
if(TARGET onnxcc AND TARGET onnxcc-opt)
    add_executable(run_helper ${CMAKE_SOURCE_DIR}/tests/run/helper.c)
    target_compile_options(run_helper PRIVATE -Wall -Wextra)
    file(GLOB run_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/run/*.sh)
    list(REMOVE_ITEM run_tests ${CMAKE_SOURCE_DIR}/tests/run/lib.sh)
    foreach(test IN LISTS run_tests)
        cmake_path(GET test STEM stem)
        add_test(NAME run_${stem} COMMAND sh ${test} $<TARGET_FILE:onnxcc> $<TARGET_FILE:onnxcc-opt>
            ${CMAKE_SOURCE_DIR} $<TARGET_FILE:run_helper>)
    endforeach()
endif()
