# A second build with AddressSanitizer and UBSan, and a part of the tests in it (tests/sanitize.sh).
# Everything in it is docs/testing.md's affair: a build of one's own, and all of ctest there.
if(NOT ONNXCC_SANITIZE)
    add_test(NAME sanitize COMMAND sh ${CMAKE_SOURCE_DIR}/tests/sanitize.sh ${CMAKE_COMMAND}
        ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    set_tests_properties(sanitize PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1500)
endif()
