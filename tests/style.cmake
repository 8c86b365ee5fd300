# What the house rules say about files.
add_test(NAME style COMMAND ${CMAKE_SOURCE_DIR}/tests/style.sh ${CMAKE_SOURCE_DIR})
