/* The writer of ONNX files (write.h). */
#include "write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void put_raw(Buf *b, const void *data, size_t n) {
    if (b->n + n > b->cap) {
        b->cap = 2 * (b->n + n) + 64;
        b->at = realloc(b->at, b->cap);
        if (!b->at) abort();
    }
    if (n) memcpy(b->at + b->n, data, n);
    b->n += n;
}

void put_varint(Buf *b, uint64_t v) {
    unsigned char byte;
    for (; v >= 0x80; v >>= 7) {
        byte = (unsigned char)(v | 0x80);
        put_raw(b, &byte, 1);
    }
    byte = (unsigned char)v;
    put_raw(b, &byte, 1);
}

void put_int(Buf *b, int field, int64_t v) {
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, (uint64_t)v);
}

void put_float(Buf *b, int field, float v) {
    put_varint(b, (uint64_t)field << 3 | 5);
    put_raw(b, &v, sizeof v);
}

void put_bytes(Buf *b, int field, const void *data, size_t n) {
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    put_raw(b, data, n);
}

void put_text(Buf *b, int field, const char *s) {
    put_bytes(b, field, s, strlen(s));
}

void put_message(Buf *b, int field, Buf m) {
    put_bytes(b, field, m.at, m.n);
}

/* Calls put_text or put_int for every word. */
static void put_words(Buf *b, int field, const char *words, int as_ints) {
    while (*words) {
        size_t n = strcspn(words, " ");
        if (as_ints) put_int(b, field, strtoll(words, NULL, 10));
        else if (n == 1 && *words == '-') put_text(b, field, "");
        else put_bytes(b, field, words, n);
        words += n + (words[n] == ' ');
    }
}

Buf node(const char *op, const char *inputs, const char *outputs) {
    Buf b = {0};
    put_words(&b, 1, inputs, 0);
    put_words(&b, 2, outputs, 0);
    put_text(&b, 4, op);
    return b;
}

Buf value(const char *name, int type, const char *dims) {
    Buf shape = {0}, tensor_type = {0}, t = {0}, b = {0};
    while (*dims) {
        size_t n = strcspn(dims, " ");
        Buf dim = {0};
        if (*dims == '-' || (*dims >= '0' && *dims <= '9'))
            put_int(&dim, 1, strtoll(dims, NULL, 10));
        else put_bytes(&dim, 2, dims, n);
        put_message(&shape, 1, dim);
        dims += n + (dims[n] == ' ');
    }
    put_int(&tensor_type, 1, type);
    put_message(&tensor_type, 2, shape);
    put_message(&t, 1, tensor_type);
    put_text(&b, 1, name);
    put_message(&b, 2, t);
    return b;
}

Buf tensor(const char *name, int type, const char *dims) {
    Buf b = {0};
    put_words(&b, 1, dims, 1);
    put_int(&b, 2, type);
    put_text(&b, 8, name);
    return b;
}

Buf attr_int(const char *name, int64_t v) {
    Buf b = {0};
    put_text(&b, 1, name);
    put_int(&b, 3, v);
    put_int(&b, 20, 2);
    return b;
}

Buf attr_ints(const char *name, const char *list) {
    Buf b = {0};
    put_text(&b, 1, name);
    put_words(&b, 8, list, 1);
    put_int(&b, 20, 7);
    return b;
}

Buf attr_string(const char *name, const char *s) {
    Buf b = {0};
    put_text(&b, 1, name);
    put_text(&b, 4, s);
    put_int(&b, 20, 3);
    return b;
}

Buf attr_graph(const char *name, Buf g) {
    Buf b = {0};
    put_text(&b, 1, name);
    put_message(&b, 6, g);
    put_int(&b, 20, 5);
    return b;
}

void add_node(Graph *g, Buf n) {
    put_message(&g->nodes, 1, n);
}

Graph simple_graph(void) {
    Graph g = {0};
    put_message(&g.inputs, 11, value("x", 1, "2 3"));
    put_message(&g.outputs, 12, value("y", 1, "2 3"));
    return g;
}

Buf graph_bytes(const Graph *g) {
    Buf b = {0};
    put_raw(&b, g->nodes.at, g->nodes.n);
    put_text(&b, 2, "g");
    put_raw(&b, g->initializers.at, g->initializers.n);
    put_raw(&b, g->inputs.at, g->inputs.n);
    put_raw(&b, g->outputs.at, g->outputs.n);
    put_raw(&b, g->extra.at, g->extra.n);
    return b;
}

Buf model(Buf graph, int ir, int opset) {
    Buf b = {0}, import = {0};
    put_int(&import, 2, opset);
    put_int(&b, 1, ir);
    put_message(&b, 7, graph);
    put_message(&b, 8, import);
    return b;
}

Buf model_of(const Graph *g) {
    return model(graph_bytes(g), 10, 20);
}
