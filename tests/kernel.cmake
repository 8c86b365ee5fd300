# tests/kernel/*.ir: text of kernels, messages of their verifier, graphs lowered and interpreted.
add_executable(kernel_files ${CMAKE_SOURCE_DIR}/tests/kernel/kernel_files.c)
target_link_libraries(kernel_files PRIVATE onnxcc_lib)
file(GLOB kernel_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/kernel/*.ir)
foreach(test IN LISTS kernel_tests)
    cmake_path(GET test STEM stem)
    add_test(NAME kernel_${stem} COMMAND kernel_files ${test})
endforeach()
