/* Files that are no ONNX model, or a broken one. */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

static Buf good(void) {
    Graph g = simple_graph();
    add_node(&g, node("Relu", "x", "y"));
    return model_of(&g);
}

static Buf bytes(const char *s, size_t n) {
    Buf b = {0};
    put_raw(&b, s, n);
    return b;
}

static Buf empty(void) {
    return (Buf){0};
}

static Buf zip(void) {
    return bytes("PK\3\4 this is a checkpoint", 26);
}

static Buf text(void) {
    return bytes("ir_version: 10\ngraph { node { op_type: \"Relu\" } }\n", 50);
}

static Buf noise(void) {
    Buf b = {0};
    uint32_t v = 12345;
    for (int i = 0; i < 4096; i++) {
        v = v * 1664525 + 1013904223;
        put_raw(&b, (unsigned char *)&v + 3, 1);
    }
    return b;
}

static Buf zeros(void) {
    static const char z[4096];
    return bytes(z, sizeof z);
}

static Buf truncated(void) {
    Buf b = good();
    b.n -= 9;
    return b;
}

static Buf cut_early(void) {
    Buf b = good();
    b.n = 5;
    return b;
}

static Buf long_field(void) {
    Buf b = {0};
    put_int(&b, 1, 10);
    put_varint(&b, 7 << 3 | 2);
    put_varint(&b, UINT64_MAX);
    put_text(&b, 2, "x");
    return b;
}

static Buf wrong_kind(void) {
    Buf b = {0};
    put_int(&b, 1, 10);
    put_int(&b, 7, 1);
    return b;
}

static Buf two_graphs(void) {
    Graph g = simple_graph();
    add_node(&g, node("Relu", "x", "y"));
    Buf b = model_of(&g);
    put_message(&b, 7, graph_bytes(&g));
    return b;
}

static Buf no_graph(void) {
    Buf b = {0};
    put_int(&b, 1, 10);
    return b;
}

static Buf no_ir(void) {
    Graph g = simple_graph();
    Buf b = {0};
    put_message(&b, 7, graph_bytes(&g));
    return b;
}

/* Empty nodes take two bytes in the file and two hundred in memory. */
static Buf many_messages(void) {
    Buf g = {0};
    for (int i = 0; i < 4000000; i++) put_raw(&g, "\x0a", 2);
    return model(g, 10, 20);
}

static Buf control_in_node(void) {
    Graph g = simple_graph();
    Buf n = node("Relu", "x", "y");
    put_text(&n, 3, "a\033[31mb\n");
    add_node(&g, n);
    return model_of(&g);
}

static Buf control_in_value(void) {
    Graph g = simple_graph();
    add_node(&g, node("Relu", "x", "h\r\b"));
    add_node(&g, node("Relu", "h\r\b", "y"));
    return model_of(&g);
}

static Buf zero_in_name(void) {
    Graph g = simple_graph();
    Buf n = node("Relu", "x", "y");
    put_bytes(&n, 3, "a\0b", 3);
    add_node(&g, n);
    return model_of(&g);
}

static Buf broken_utf8(void) {
    Graph g = simple_graph();
    Buf n = node("Relu", "x", "y");
    put_text(&n, 3, "caf\xe9");
    add_node(&g, n);
    return model_of(&g);
}

const Case file_cases[] = {
    {"empty", empty, "not an ONNX model: the file is empty", NULL},
    {"zip", zip, "not an ONNX model|zip archive", NULL},
    {"text", text, "not an ONNX model", NULL},
    {"noise", noise, "not an ONNX model", NULL},
    {"zeros", zeros, "not an ONNX model", NULL},
    {"truncated", truncated, "not an ONNX model|cut off", NULL},
    {"cut_early", cut_early, "not an ONNX model", NULL},
    {"long_field", long_field, "not an ONNX model|longer than what is left", NULL},
    {"wrong_kind", wrong_kind, "not an ONNX model|wrong kind", NULL},
    {"two_graphs", two_graphs, "not an ONNX model|given twice", NULL},
    {"no_graph", no_graph, "not an ONNX model: there is no graph", NULL},
    {"no_ir", no_ir, "not an ONNX model: it has no ir_version", NULL},
    {"many_messages", many_messages, "model structure takes more than", NULL},
    {"control_in_node", control_in_node, "control characters|a\\x1b[31mb\\n", NULL},
    {"control_in_value", control_in_value, "control characters|output of NodeProto", NULL},
    {"zero_in_name", zero_in_name, "control characters", NULL},
    {"broken_utf8", broken_utf8, "not UTF-8|caf\\xe9", NULL},
    {NULL, NULL, NULL, NULL},
};
