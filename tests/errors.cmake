# Malformed models through the command line.
if(TARGET onnxcc)
    file(GLOB error_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/errors/*.c)
    add_executable(errors ${error_sources})
    add_test(NAME errors COMMAND errors $<TARGET_FILE:onnxcc>)
endif()
# One allocation after the other fails; not under a sanitizer, which has its own functions for them.
if(NOT ONNXCC_SANITIZE)
    add_test(NAME errors_alloc COMMAND sh ${CMAKE_SOURCE_DIR}/tests/errors/alloc.sh
        $<TARGET_FILE:onnxcc> ${CMAKE_SOURCE_DIR}/demo/digits.onnx ${CMAKE_BINARY_DIR}/tests/alloc)
endif()
