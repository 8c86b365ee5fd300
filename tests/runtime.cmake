# The runtime without a compiler, and the writers of objects, archives and headers.
add_subdirectory(${CMAKE_SOURCE_DIR}/tests/runtime ${CMAKE_BINARY_DIR}/tests/runtime)
