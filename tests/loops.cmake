# tests/loops/: text and verifier of loops (*.ir), and kernels through LLVM against the interpreter.
add_executable(loops_test ${CMAKE_SOURCE_DIR}/tests/loops/loops_test.c)
target_link_libraries(loops_test PRIVATE onnxcc_lib)
file(GLOB loops_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/loops/*.ir)
foreach(test IN LISTS loops_tests)
    cmake_path(GET test STEM stem)
    add_test(NAME loops_${stem} COMMAND loops_test ${test})
endforeach()

add_executable(llvm_test ${CMAKE_SOURCE_DIR}/tests/loops/llvm_test.c)
target_include_directories(llvm_test SYSTEM PRIVATE ${LLVM_INCLUDE_DIRS})
target_link_libraries(llvm_test PRIVATE onnxcc_lib)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/llvm_kernels)
if(CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL "x86_64")
    add_test(NAME llvm_kernels COMMAND llvm_test ${CMAKE_SOURCE_DIR}/tests/loops/kernels.ir
        ${CMAKE_BINARY_DIR}/llvm_kernels)
endif()
