# Malformed models through the command line.
if(TARGET onnxcc)
    file(GLOB error_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/errors/*.c)
    add_executable(errors ${error_sources})
    add_test(NAME errors COMMAND errors $<TARGET_FILE:onnxcc>)
endif()
