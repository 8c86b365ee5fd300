# The official ONNX suite through compiled programs (tests/conformance/run.py): all of it at -O2, and
# a quarter, chosen by the sources, at -O0, with symbolic sizes, and as kernels for GPUs that run on
# this machine (--device=cuda-emu).
file(GLOB conformance_python ${CMAKE_BINARY_DIR}/venv/bin/python)
if(conformance_python)
    set(run ${conformance_python} -B ${CMAKE_SOURCE_DIR}/tests/conformance/run.py
        $<TARGET_FILE:onnxcc> -j 1)
    foreach(k RANGE 3)
        add_test(NAME conformance_O2_${k} COMMAND ${run} --level O2 --part ${k}/4)
    endforeach()
    add_test(NAME conformance_O0 COMMAND ${run} --level O0 --part hash/4)
    add_test(NAME conformance_symbolic COMMAND ${run} --level symbolic --part hash/4)
    find_program(CXX_OF_KERNELS NAMES clang++-19 g++ clang++ c++)
    if(CXX_OF_KERNELS)
        add_test(NAME conformance_cuda COMMAND ${run} --level cuda --part hash/4)
    endif()
endif()
