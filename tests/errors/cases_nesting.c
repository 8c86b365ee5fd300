/* Models that nest, or that grow while functions are inlined. */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>

/* If inside If inside If, all with a condition that nobody computes. */
static Buf nested(int depth) {
    Buf leaf = {0};
    put_message(&leaf, 1, node("Relu", "x", "y"));
    put_message(&leaf, 12, value("y", 1, "2 3"));
    Buf g = leaf;
    for (int i = 0; i < depth; i++) {
        Buf n = node("If", "c", "y"), outer = {0};
        put_message(&n, 5, attr_graph("then_branch", g));
        put_message(&n, 5, attr_graph("else_branch", leaf));
        put_message(&outer, 1, n);
        put_message(&outer, 12, value("y", 1, "2 3"));
        g = outer;
    }
    return g;
}

/* Built from the inside out, every level copies what is below: the lengths are written back to
 * front instead. */
static Buf deep(int depth) {
    unsigned char *bytes = malloc((size_t)depth * 64);
    size_t at = (size_t)depth * 64, end = at;
    for (int i = 0; i < depth; i++) {
        static const int tags[] = {6 << 3 | 2, 5 << 3 | 2,
                                   1 << 3 | 2}; /* attribute.g, node.attribute, graph.node */
        for (int k = 0; k < 3; k++) {
            Buf head = {0};
            put_varint(&head, (uint64_t)tags[k]);
            put_varint(&head, end - at);
            at -= head.n;
            for (size_t j = 0; j < head.n; j++) bytes[at + j] = head.at[j];
        }
    }
    Buf g = {0};
    put_raw(&g, bytes + at, end - at);
    return model(g, 10, 20);
}

static Buf nested_5000(void) {
    return deep(5000);
}

static Buf nested_100(void) {
    Buf g = nested(100);
    put_message(&g, 11, value("x", 1, "2 3"));
    return model(g, 10, 20);
}

static Buf function(const char *name, Buf nodes) {
    Buf f = {0}, import = {0};
    put_int(&import, 2, 20);
    put_text(&f, 1, name);
    put_text(&f, 4, "a");
    put_text(&f, 5, "b");
    put_raw(&f, nodes.at, nodes.n);
    put_message(&f, 9, import);
    put_text(&f, 10, "f");
    return f;
}

static Buf call(const char *name, const char *in, const char *out) {
    Buf n = node(name, in, out);
    put_text(&n, 7, "f");
    return n;
}

static Buf calls_itself(void) {
    Graph g = simple_graph();
    Buf body = {0};
    add_node(&g, call("F", "x", "y"));
    put_message(&body, 7, call("F", "a", "b"));
    Buf m = model_of(&g);
    put_message(&m, 25, function("F", body));
    return m;
}

/* Each function calls the next one ten times: 10^8 nodes. */
static Buf laughs(void) {
    Graph g = simple_graph();
    add_node(&g, call("F0", "x", "y"));
    Buf m = model_of(&g);
    for (int i = 0; i < 8; i++) {
        Buf body = {0};
        char next[16], in[16], out[16];
        snprintf(next, sizeof next, "F%d", i + 1);
        for (int k = 0; k < 10; k++) {
            snprintf(in, sizeof in, k ? "t%d" : "a", k);
            snprintf(out, sizeof out, k < 9 ? "t%d" : "b", k + 1);
            put_message(&body, 7, i < 7 ? call(next, in, out) : node("Relu", in, out));
        }
        snprintf(next, sizeof next, "F%d", i);
        put_message(&m, 25, function(next, body));
    }
    return m;
}

static Buf too_many_arguments(void) {
    Graph g = simple_graph();
    Buf body = {0};
    add_node(&g, call("F", "x x", "y"));
    put_message(&body, 7, node("Relu", "a", "b"));
    Buf m = model_of(&g);
    put_message(&m, 25, function("F", body));
    return m;
}

const Case nesting_cases[] = {
    {"nested_5000", nested_5000, "nested deeper than 512 messages", NULL},
    {"nested_100", nested_100, "input 0, \"c\", is computed by no node", NULL},
    {"calls_itself", calls_itself, "function \"F\" calls itself", NULL},
    {"laughs", laughs, "more than 500000 nodes after inlining", NULL},
    {"too_many_arguments", too_many_arguments,
     "function \"F\" has 1 inputs and 1 outputs, the call 2 and 1", NULL},
    {NULL, NULL, NULL, NULL},
};
