# ONNX's own test runner with onnxcc as its backend: a sample, through tests/backend/.
file(GLOB backend_python ${CMAKE_BINARY_DIR}/venv/bin/python)
if(backend_python)
    add_test(NAME backend COMMAND ${backend_python} -B ${CMAKE_SOURCE_DIR}/tests/backend/sample.py
        $<TARGET_FILE:onnxcc>)
endif()
