# ONNX's own test data through importer, graph passes and interpreter; where the Python package with the data is there.
add_executable(interp_check tests/onnx/interp_check.c tests/onnx/files.c)
target_link_libraries(interp_check PRIVATE onnxcc_lib)
file(GLOB onnx_data LIST_DIRECTORIES true ${CMAKE_BINARY_DIR}/venv/lib/python3*/site-packages/onnx/backend/test/data)
if(onnx_data)
    foreach(level O0 O2)
        add_test(NAME onnx_interp_${level} COMMAND interp_check -${level} -q --bake --least 1899
            --tolerance ${CMAKE_SOURCE_DIR}/tests/onnx/tolerance.txt
            ${onnx_data}/node ${onnx_data}/simple ${onnx_data}/pytorch-converted ${onnx_data}/pytorch-operator)
    endforeach()
    add_test(NAME onnx_element_types COMMAND ${CMAKE_BINARY_DIR}/venv/bin/python ${CMAKE_SOURCE_DIR}/tests/onnx/element_types.py
        $<TARGET_FILE:onnxcc>)
    add_test(NAME onnx_images COMMAND ${CMAKE_BINARY_DIR}/venv/bin/python -B ${CMAKE_SOURCE_DIR}/tests/onnx/images.py
        $<TARGET_FILE:onnxcc>)
endif()

# Operators and corners of them that this data leaves out.
file(GLOB operator_models CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/operators/models/*)
list(LENGTH operator_models n_operator_models)
foreach(level O0 O2)
    add_test(NAME operators_${level} COMMAND interp_check -${level} -q --least ${n_operator_models}
        ${CMAKE_SOURCE_DIR}/tests/operators/models)
endforeach()
# The list that the page of operators is made from is the package's.
if(onnx_data)
    add_test(NAME onnx_operator_list COMMAND ${CMAKE_BINARY_DIR}/venv/bin/python ${CMAKE_SOURCE_DIR}/tests/onnx/operator_list.py)
endif()
add_test(NAME operators_page COMMAND sh ${CMAKE_SOURCE_DIR}/tests/onnx/operators.sh)
