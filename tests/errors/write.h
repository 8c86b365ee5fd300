/* A small writer of ONNX files for tests: messages are byte buffers, put together by hand, so that
 * broken ones can be written as well. Memory is never freed. */
#ifndef ONNXCC_TESTS_WRITE_H
#define ONNXCC_TESTS_WRITE_H

#include <stddef.h>
#include <stdint.h>

typedef struct Buf {
    unsigned char *at;
    size_t n, cap;
} Buf;

void put_raw(Buf *, const void *, size_t);
void put_varint(Buf *, uint64_t);
void put_int(Buf *, int field, int64_t);
void put_float(Buf *, int field, float);
void put_bytes(Buf *, int field, const void *, size_t);
void put_text(Buf *, int field, const char *);
void put_message(Buf *, int field, Buf);

/* Pieces of a model. Lists of names are separated by blanks. */
Buf node(const char *op, const char *inputs, const char *outputs);
Buf value(const char *name, int type, const char *dims); /* dims: "2 3 N" */
Buf tensor(const char *name, int type, const char *dims);
Buf attr_int(const char *name, int64_t);
Buf attr_ints(const char *name, const char *list);
Buf attr_string(const char *name, const char *);
Buf attr_graph(const char *name, Buf);

/* A graph from nodes, with input x : f32[2,3] and output y : f32 unless they are taken out. */
typedef struct Graph {
    Buf nodes, inputs, outputs, initializers, extra;
} Graph;
Buf graph_bytes(const Graph *);
Graph simple_graph(void);
/* The model around a graph: IR version 10, opset 20. */
Buf model(Buf graph, int ir, int opset);
Buf model_of(const Graph *);
void add_node(Graph *, Buf);

#endif
