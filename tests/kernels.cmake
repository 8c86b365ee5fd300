# tests/kernels/*.ir: passes of the kernel level, run by check.c.
file(GLOB kernel_pass_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/kernels/*.ir)
foreach(test IN LISTS kernel_pass_tests)
    cmake_path(GET test STEM stem)
    add_test(NAME kernels_${stem} COMMAND check $<TARGET_FILE:onnxcc-opt> ${test})
endforeach()
