# The runtime, compiled to LLVM bitcode for every target and carried inside onnxcc_lib.
#
# Each target gives one file per part, named TRIPLE/core.bc and TRIPLE/host.bc in the table of
# codegen/embedded.h, for outputs that hide all but NAME_*. Hosted targets have the same as objects,
# TRIPLE/core.o and TRIPLE/host.o: executables hide nothing, and link those; and the part `image`,
# which only programs that decode images get. The texts that portable C and CUDA need (runtime/*.h,
# core/, emu/) are carried under their paths. To add a target, add a line at the end.

file(GLOB core_sources CONFIGURE_DEPENDS runtime/core/*.c)
file(GLOB host_sources CONFIGURE_DEPENDS runtime/host/*.c)
file(GLOB image_sources CONFIGURE_DEPENDS runtime/image/*.c)
set(embedded "") # NAME=PATH
set(embedded_paths "")

# One part of one target: compile each file, link them into one module.
function(onnxcc_bitcode triple part)
    if(NOT ${part}_sources)
        return()
    endif()
    set(flags --target=${triple} -std=c11 -O2 -emit-llvm -c -Wall -Wextra -Qn -fvisibility=hidden
        -ffunction-sections -fdata-sections -ffp-contract=off -fno-math-errno -fno-stack-protector
        -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/= -I${CMAKE_SOURCE_DIR} ${ARGN})
    if(part STREQUAL "core")
        list(APPEND flags -ffreestanding)
    else()
        list(APPEND flags -D_GNU_SOURCE)
    endif()
    set(dir ${CMAKE_BINARY_DIR}/runtime/${triple})
    file(MAKE_DIRECTORY ${dir}/${part})
    set(modules "")
    foreach(source IN LISTS ${part}_sources)
        cmake_path(GET source STEM name)
        set(module ${dir}/${part}/${name}.bc)
        add_custom_command(OUTPUT ${module}
            COMMAND ${CLANG} ${flags} -MD -MT ${module} -MF ${module}.d ${source} -o ${module}
            DEPENDS ${source} DEPFILE ${module}.d VERBATIM
            COMMENT "Compiling runtime/${part}/${name}.c for ${triple}")
        list(APPEND modules ${module})
    endforeach()
    add_custom_command(OUTPUT ${dir}/${part}.bc COMMAND ${LLVM_LINK} -o ${dir}/${part}.bc ${modules}
        DEPENDS ${modules} VERBATIM)
    list(APPEND embedded ${triple}/${part}.bc=${dir}/${part}.bc)
    list(APPEND embedded_paths ${dir}/${part}.bc)
    set(embedded ${embedded} PARENT_SCOPE)
    set(embedded_paths ${embedded_paths} PARENT_SCOPE)
endfunction()

# The same part as an object.
function(onnxcc_runtime_object triple part)
    set(file ${CMAKE_BINARY_DIR}/runtime/${triple}/${part})
    add_custom_command(OUTPUT ${file}.o
        COMMAND ${CLANG} --target=${triple} -O2 -fPIC -ffunction-sections -fdata-sections
            -Wno-override-module -c ${file}.bc -o ${file}.o
        DEPENDS ${file}.bc VERBATIM)
    set(embedded ${embedded} ${triple}/${part}.o=${file}.o PARENT_SCOPE)
    set(embedded_paths ${embedded_paths} ${file}.o PARENT_SCOPE)
endfunction()

# `hosted` where the C library's headers of that architecture are installed: natively or as a cross
# package.
function(onnxcc_has_libc architecture out)
    if(CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL architecture
            OR EXISTS /usr/${architecture}-linux-gnu/include)
        set(${out} ON PARENT_SCOPE)
    else()
        set(${out} OFF PARENT_SCOPE)
    endif()
endfunction()

foreach(target x86_64:x86_64-pc-linux-gnu aarch64:aarch64-linux-gnu)
    string(REPLACE ":" ";" target ${target})
    list(GET target 0 architecture)
    list(GET target 1 triple)
    set(flags -fPIC)
    if(architecture STREQUAL aarch64) # else atomics are calls of libgcc
        list(APPEND flags -mno-outline-atomics)
    endif()
    onnxcc_bitcode(${triple} core ${flags})
    onnxcc_has_libc(${architecture} hosted)
    if(hosted)
        onnxcc_bitcode(${triple} host ${flags})
        onnxcc_bitcode(${triple} image ${flags})
        foreach(part core host image)
            onnxcc_runtime_object(${triple} ${part})
        endforeach()
    endif()
endforeach()
onnxcc_bitcode(thumbv7em-none-unknown-eabihf core)

# ---- texts ----
file(GLOB texts CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
    runtime/*.h runtime/core/*.c runtime/core/*.h runtime/device/*.h
    runtime/emu/*.h)
foreach(text IN LISTS texts)
    list(APPEND embedded ${text}=${CMAKE_SOURCE_DIR}/${text})
    list(APPEND embedded_paths ${CMAKE_SOURCE_DIR}/${text})
endforeach()

# ---- the table ----
list(JOIN embedded "\n" lines)
file(CONFIGURE OUTPUT ${GENERATED}/embedded.txt CONTENT "${lines}\n" @ONLY)
add_custom_command(OUTPUT ${GENERATED}/embedded_table.c
    COMMAND ${CMAKE_COMMAND} -DLIST=${GENERATED}/embedded.txt -DOUT=${GENERATED}/embedded_table.c
        -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${embedded_paths} ${GENERATED}/embedded.txt ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    VERBATIM)
target_sources(onnxcc_lib PRIVATE ${GENERATED}/embedded_table.c)
set_source_files_properties(${GENERATED}/embedded_table.c
    PROPERTIES OBJECT_DEPENDS "${embedded_paths}")
