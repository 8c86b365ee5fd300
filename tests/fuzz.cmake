# A short run of the loader's fuzzer, seeded by the malformed models; a long one is tests/fuzz/build.sh and patience.
find_program(CLANG_FUZZ NAMES clang-19)
if(CLANG_FUZZ AND TARGET errors)
    file(GLOB fuzz_sources CONFIGURE_DEPENDS ir/*.c ir/*.h ir/*.def frontend/*.c frontend/*.h frontend/ops/*.c tests/fuzz/*)
    set(load_fuzz ${CMAKE_BINARY_DIR}/load_fuzz)
    add_custom_command(OUTPUT ${load_fuzz}
        COMMAND ${CMAKE_SOURCE_DIR}/tests/fuzz/build.sh ${CMAKE_SOURCE_DIR} ${GENERATED} ${load_fuzz}
        DEPENDS ${fuzz_sources} onnxcc_lib VERBATIM)
    add_custom_target(load_fuzz_program ALL DEPENDS ${load_fuzz})
    add_test(NAME load_fuzz COMMAND ${CMAKE_SOURCE_DIR}/tests/fuzz/short.sh $<TARGET_FILE:errors> ${load_fuzz} ${CMAKE_BINARY_DIR}/fuzz)
endif()
