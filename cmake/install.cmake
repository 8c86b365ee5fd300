# What `cmake --install` puts where: the programs, the header that generated ones share, the CMake
# package, the manual page.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/onnxcc)
install(TARGETS onnxcc onnxcc-opt EXPORT onnxccTargets)
install(EXPORT onnxccTargets NAMESPACE onnxcc:: DESTINATION ${package})
install(FILES ${CMAKE_SOURCE_DIR}/runtime/abi.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/onnxcc)
configure_package_config_file(cmake/onnxccConfig.cmake.in ${GENERATED}/onnxccConfig.cmake
    INSTALL_DESTINATION ${package})
write_basic_package_version_file(${GENERATED}/onnxccConfigVersion.cmake
    COMPATIBILITY SameMajorVersion)
install(FILES ${GENERATED}/onnxccConfig.cmake ${GENERATED}/onnxccConfigVersion.cmake
    DESTINATION ${package})

# docs/onnxcc.1 with the options as --help-all prints them
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/onnxcc.1
    COMMAND ${CMAKE_COMMAND} -DONNXCC=$<TARGET_FILE:onnxcc> -DVERSION=${PROJECT_VERSION}
        -DIN=${CMAKE_SOURCE_DIR}/docs/onnxcc.1 -DOUT=${CMAKE_BINARY_DIR}/onnxcc.1
        -P ${CMAKE_SOURCE_DIR}/cmake/man.cmake
    DEPENDS onnxcc ${CMAKE_SOURCE_DIR}/docs/onnxcc.1 ${CMAKE_SOURCE_DIR}/cmake/man.cmake VERBATIM)
add_custom_target(man ALL DEPENDS ${CMAKE_BINARY_DIR}/onnxcc.1)
install(FILES ${CMAKE_BINARY_DIR}/onnxcc.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
