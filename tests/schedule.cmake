# tests/schedule/*.ir: graphs whose schedules are compared with their meaning; so are the programs of
# the tests of kernel passes.
file(GLOB schedule_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/schedule/*.ir
    ${CMAKE_SOURCE_DIR}/tests/kernels/*.ir)
foreach(test IN LISTS schedule_tests)
    cmake_path(GET test STEM stem)
    add_test(NAME schedule_${stem} COMMAND unit_schedule ${test})
endforeach()
