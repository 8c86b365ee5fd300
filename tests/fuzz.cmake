# A short run of the loader's fuzzer, seeded by the malformed models; a long one is tests/fuzz/build.sh
# and patience. Needs clang's sanitizer runtimes (libclang-rt-19-dev), which the compiler does not.
execute_process(COMMAND ${CLANG} -print-resource-dir
    OUTPUT_VARIABLE clang_resources OUTPUT_STRIP_TRAILING_WHITESPACE)
file(GLOB fuzzer_runtime ${clang_resources}/lib/*/libclang_rt.fuzzer*.a)
if(NOT fuzzer_runtime)
    message(STATUS "tests: no load_fuzz, clang's libFuzzer is not installed (libclang-rt-19-dev)")
elseif(TARGET errors)
    file(GLOB fuzz_sources CONFIGURE_DEPENDS ir/*.c ir/*.h ir/*.def frontend/*.c frontend/*.h
        frontend/ops/*.c tests/fuzz/*)
    set(load_fuzz ${CMAKE_BINARY_DIR}/load_fuzz)
    add_custom_command(OUTPUT ${load_fuzz}
        COMMAND ${CMAKE_SOURCE_DIR}/tests/fuzz/build.sh ${CMAKE_SOURCE_DIR} ${GENERATED} ${load_fuzz}
        DEPENDS ${fuzz_sources} onnxcc_lib VERBATIM)
    # Built when its test runs, not with the rest: the whole compiler once more, with sanitizers.
    add_custom_target(load_fuzz_program DEPENDS ${load_fuzz})
    add_test(NAME load_fuzz_build
        COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target load_fuzz_program)
    add_test(NAME load_fuzz COMMAND ${CMAKE_SOURCE_DIR}/tests/fuzz/short.sh
        $<TARGET_FILE:errors> ${load_fuzz} ${CMAKE_BINARY_DIR}/fuzz)
    set_tests_properties(load_fuzz_build PROPERTIES FIXTURES_SETUP load_fuzz_program)
    set_tests_properties(load_fuzz PROPERTIES FIXTURES_REQUIRED load_fuzz_program)
endif()

# Random graphs through compiled programs; which ones follows from the compiler's bytes. As many as
# there are operators begin with all of them.
set(fuzz_python ${CMAKE_BINARY_DIR}/venv/bin/python)
if(EXISTS ${fuzz_python} AND TARGET onnxcc)
    add_test(NAME graph_fuzz COMMAND ${fuzz_python} -B ${CMAKE_CURRENT_LIST_DIR}/fuzz/graphs.py
        $<TARGET_FILE:onnxcc> --graphs 96)
    add_test(NAME graph_fuzz_cuda COMMAND ${fuzz_python} -B ${CMAKE_CURRENT_LIST_DIR}/fuzz/graphs.py
        $<TARGET_FILE:onnxcc> --graphs 32 --levels=--device=cuda-emu)
    add_test(NAME graph_fuzz_operators COMMAND ${fuzz_python} -B
        ${CMAKE_CURRENT_LIST_DIR}/fuzz/graphs.py --generate --coverage)
endif()
