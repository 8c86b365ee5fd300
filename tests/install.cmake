# `cmake --install`, and a project that uses what it has put there.
add_test(NAME install COMMAND sh ${CMAKE_SOURCE_DIR}/tests/install/test.sh ${CMAKE_COMMAND}
    ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
