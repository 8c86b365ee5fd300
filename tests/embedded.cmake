# The runtime's core stands alone: it asks for nothing beyond three functions of the C library.
find_program(LLVM_NM HINTS ${LLVM_TOOLS_BINARY_DIR} NAMES llvm-nm-19 llvm-nm)
foreach(file IN LISTS embedded_paths)
    if(file MATCHES "/([^/]+)/core.bc$")
        add_test(NAME freestanding_${CMAKE_MATCH_1} COMMAND ${CMAKE_COMMAND} -DNM=${LLVM_NM}
            -DFILE=${file} -DALLOWED=memcpy|memmove|memset
            -P ${CMAKE_SOURCE_DIR}/cmake/undefined_symbols.cmake)
    endif()
endforeach()
