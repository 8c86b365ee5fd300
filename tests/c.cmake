# The C printer: operations against the reference, kernels of loops texts against the interpreter.
add_executable(c_ops_test ${CMAKE_CURRENT_LIST_DIR}/c/ops_test.c)
target_link_libraries(c_ops_test PRIVATE onnxcc_lib)
add_test(NAME c_ops COMMAND c_ops_test)

set(loops_texts ${CMAKE_CURRENT_LIST_DIR}/loops/kernels.ir ${CMAKE_CURRENT_LIST_DIR}/c/kernels.ir)
set(c_only ${CMAKE_CURRENT_LIST_DIR}/c/strings.ir)
set(cuda_only ${CMAKE_CURRENT_LIST_DIR}/cuda/blocks.ir ${CMAKE_CURRENT_LIST_DIR}/cuda/combine.ir
    ${CMAKE_CURRENT_LIST_DIR}/cuda/leaves.ir ${CMAKE_CURRENT_LIST_DIR}/cuda/groups.ir)
foreach(kind c cuda)
    add_executable(${kind}_kernels_test ${CMAKE_CURRENT_LIST_DIR}/${kind}/kernels_test.c)
    target_link_libraries(${kind}_kernels_test PRIVATE onnxcc_lib ${CMAKE_DL_LIBS})
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/tests/${kind})
    add_test(NAME ${kind}_kernels
        COMMAND ${kind}_kernels_test ${CMAKE_BINARY_DIR}/tests/${kind} ${loops_texts} ${${kind}_only})
endforeach()

# Products of groups as warps compute them, on GPUs before sm_90a.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/tests/cuda_warps)
add_test(NAME cuda_groups_by_warps
    COMMAND cuda_kernels_test ${CMAKE_BINARY_DIR}/tests/cuda_warps ${CMAKE_CURRENT_LIST_DIR}/cuda/groups.ir)
set_tests_properties(cuda_groups_by_warps PROPERTIES
    ENVIRONMENT "ONNXCC_EMU_CXXFLAGS=-DONNXCC_EMU_WARPS")

# The emulation header by itself.
find_program(CXX_FOR_EMU NAMES g++ clang++ clang++-19)
if(CXX_FOR_EMU)
    add_test(NAME cuda_emu_header COMMAND sh -c "\
'${CXX_FOR_EMU}' -std=gnu++17 -O1 -Wall -Werror -include '${CMAKE_SOURCE_DIR}/runtime/emu/cuda_emu.h' -x c++ \
'${CMAKE_CURRENT_LIST_DIR}/cuda/emu_test.cu' -o '${CMAKE_BINARY_DIR}/tests/cuda/emu_test' -pthread && \
'${CMAKE_BINARY_DIR}/tests/cuda/emu_test'")
    add_test(NAME cuda_emu_checks COMMAND ${CMAKE_CURRENT_LIST_DIR}/cuda/checks.sh
        ${CMAKE_BINARY_DIR}/tests/cuda/checks)
    set_tests_properties(cuda_emu_checks PROPERTIES SKIP_RETURN_CODE 77)
endif()

# Tiles of GPUs, models through the emulation and its checks.
find_program(CLANG_FOR_EMU NAMES clang++-19)
file(GLOB tiles_python ${CMAKE_BINARY_DIR}/venv/bin/python)
if(CLANG_FOR_EMU AND tiles_python AND TARGET onnxcc)
    add_test(NAME cuda_tiles COMMAND ${tiles_python} -B ${CMAKE_CURRENT_LIST_DIR}/cuda/tiles.py
        $<TARGET_FILE:onnxcc> ${CMAKE_BINARY_DIR}/tests/cuda/tiles)
    set_tests_properties(cuda_tiles PROPERTIES ENVIRONMENT "CXX=${CLANG_FOR_EMU}")
endif()
