# One dynamic program against static compiles at random shapes (bench/shapes.py), for the small models;
# where Python is there.
find_program(PYTHON3 python3)
if(PYTHON3 AND TARGET onnxcc)
    add_test(NAME shapes COMMAND ${PYTHON3} ${CMAKE_SOURCE_DIR}/bench/shapes.py $<TARGET_FILE:onnxcc>
        ${CMAKE_SOURCE_DIR}/tests/models/tiny_transformer.onnx ${CMAKE_SOURCE_DIR}/demo/digits.onnx
        ${CMAKE_SOURCE_DIR}/tests/run/models/conv.onnx ${CMAKE_SOURCE_DIR}/tests/run/models/pair.onnx
        --shapes 10 --most 16)
endif()
