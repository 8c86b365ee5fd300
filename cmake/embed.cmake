# Writes the C file that carries other files: the bytes by .incbin, and the table of
# codegen/embedded.h; run by cmake -P at build time. LIST holds lines NAME=PATH.
file(STRINGS ${LIST} lines)
set(blobs "")
set(rows "")
set(i 0)
foreach(line IN LISTS lines)
    string(REGEX MATCH "^([^=]*)=(.*)$" _ "${line}")
    set(name ${CMAKE_MATCH_1})
    set(path ${CMAKE_MATCH_2})
    file(SIZE ${path} size)
    string(APPEND blobs "extern const unsigned char onnxcc_embedded_${i}[];\n"
        "__asm__(\".pushsection .rodata\\n.balign 16\\n\"\n"
        "        \".hidden onnxcc_embedded_${i}\\n.globl onnxcc_embedded_${i}\\n\"\n"
        "        \"onnxcc_embedded_${i}:\\n.incbin \\\"${path}\\\"\\n.byte 0\\n.popsection\\n\");\n")
    string(APPEND rows "    {\"${name}\", onnxcc_embedded_${i}, ${size}},\n")
    math(EXPR i "${i} + 1")
endforeach()
file(WRITE ${OUT} "#include \"codegen/embedded.h\"\n\n${blobs}\n"
    "const struct EmbeddedFile embedded_files[] = {\n${rows}    {0, 0, 0},\n};\n")
