# Generated sources of onnxcc_lib: the protobuf reader, and the tables collected from declarations.

# frontend/onnx.proto to onnx.pb-c.{c,h}
if(EXISTS ${CMAKE_SOURCE_DIR}/frontend/onnx.proto)
    set(pb ${GENERATED}/onnx.pb-c)
    add_custom_command(OUTPUT ${pb}.c ${pb}.h
        COMMAND ${PROTOC_C} --c_out=${GENERATED} -I${CMAKE_SOURCE_DIR}/frontend onnx.proto
        DEPENDS ${CMAKE_SOURCE_DIR}/frontend/onnx.proto VERBATIM)
    target_sources(onnxcc_lib PRIVATE ${pb}.c)
    set_source_files_properties(${pb}.c PROPERTIES COMPILE_OPTIONS -w)
endif()

# the processors that this LLVM knows
add_custom_command(OUTPUT ${GENERATED}/cpus.inc
    COMMAND ${CMAKE_COMMAND} -DLLC=${LLC} -DOUT=${GENERATED}/cpus.inc
        -P ${CMAKE_SOURCE_DIR}/cmake/cpus.cmake
    DEPENDS ${CMAKE_SOURCE_DIR}/cmake/cpus.cmake VERBATIM)
set_source_files_properties(${CMAKE_SOURCE_DIR}/frontend/processors.c
    PROPERTIES OBJECT_DEPENDS ${GENERATED}/cpus.inc)

# Lines ONNX_OP(Name, since...) and PASS(name, LEVEL, "text") to sorted tables of X(...) rows. The
# tables are rewritten only when their text changes: the stamps carry the dependency.
function(onnxcc_collect kind folder table)
    file(GLOB_RECURSE files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.c)
    add_custom_command(OUTPUT ${GENERATED}/${table}.stamp BYPRODUCTS ${GENERATED}/${table}
        COMMAND ${CMAKE_COMMAND} -DKIND=${kind} -DFOLDER=${CMAKE_SOURCE_DIR}/${folder}
            -DOUT=${GENERATED}/${table} -P ${CMAKE_SOURCE_DIR}/cmake/collect.cmake
        COMMAND ${CMAKE_COMMAND} -E touch ${GENERATED}/${table}.stamp
        DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/collect.cmake VERBATIM)
    add_custom_target(collect_${kind} DEPENDS ${GENERATED}/${table}.stamp)
    add_dependencies(onnxcc_lib collect_${kind})
endfunction()
onnxcc_collect(ops frontend/ops onnx_ops_table.inc)
onnxcc_collect(passes passes passes_table.inc)
