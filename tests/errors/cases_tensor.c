/* Initializers whose sizes do not fit, and external data where none may be. */
#define _DEFAULT_SOURCE 1
#include "cases.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static Buf with_tensor(Buf t) {
    Graph g = simple_graph();
    put_message(&g.initializers, 5, t);
    add_node(&g, node("Add", "x w", "y"));
    return model_of(&g);
}

static Buf sized(const char *dims, int type, size_t bytes) {
    static const char zeros[256];
    Buf t = tensor("w", type, dims);
    put_bytes(&t, 9, zeros, bytes);
    return with_tensor(t);
}

static Buf raw_short(void) {
    return sized("2 3", 1, 20);
}

static Buf raw_long(void) {
    return sized("2 3", 1, 28);
}

static Buf overflow(void) {
    return sized("4294967296 4294967296 16", 1, 16);
}

static Buf overflow_bytes(void) {
    return sized("4611686018427387904", 1, 16);
}

static Buf negative(void) {
    return sized("-2 3", 1, 24);
}

static Buf tensor_type(void) {
    return sized("2 3", 77, 24);
}

static Buf tensor_rank(void) {
    return sized("1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", 1, 4);
}

static Buf typed_short(void) {
    Buf t = tensor("w", 1, "2 3");
    put_float(&t, 4, 1.5f);
    return with_tensor(t);
}

/* Two elements in a byte; the last byte may hold one. */
static Buf packed_short(void) {
    return sized("3 3", 22, 4);
}

static Buf packed_typed(void) {
    Buf t = tensor("w", 25, "2 3");
    put_int(&t, 5, 27);
    return with_tensor(t);
}

static Buf raw_strings(void) {
    return sized("1", 8, 16);
}

static Buf sparse(int64_t index) {
    Buf s = {0}, values = tensor("w", 1, "1"), indices = tensor("", 7, "1");
    put_float(&values, 4, 1);
    put_int(&indices, 7, index);
    put_message(&s, 1, values);
    put_message(&s, 2, indices);
    put_int(&s, 3, 2);
    put_int(&s, 3, 3);
    Graph g = simple_graph();
    put_message(&g.extra, 15, s);
    add_node(&g, node("Add", "x w", "y"));
    return model_of(&g);
}

static Buf sparse_index(void) {
    return sparse(6);
}

static Buf sparse_huge(void) {
    Buf s = {0}, values = tensor("w", 1, "1"), indices = tensor("", 7, "1");
    put_float(&values, 4, 1);
    put_int(&indices, 7, 0);
    put_message(&s, 1, values);
    put_message(&s, 2, indices);
    put_int(&s, 3, (int64_t)1 << 40);
    Graph g = simple_graph();
    put_message(&g.extra, 15, s);
    add_node(&g, node("Add", "x w", "y"));
    return model_of(&g);
}

/* ---- external data ---- */

static void put_entry(Buf *t, const char *key, const char *v) {
    Buf e = {0};
    put_text(&e, 1, key);
    put_text(&e, 2, v);
    put_message(t, 13, e);
}

static Buf external(const char *location, const char *offset, const char *length) {
    Buf t = tensor("w", 1, "2 3");
    if (location) put_entry(&t, "location", location);
    if (offset) put_entry(&t, "offset", offset);
    if (length) put_entry(&t, "length", length);
    put_int(&t, 14, 1);
    return with_tensor(t);
}

static void data_file(void) {
    FILE *f = fopen("w.bin", "wb");
    char zeros[30] = {0};
    if (f) fwrite(zeros, 1, sizeof zeros, f), fclose(f);
}

static void link_outside(void) {
    if (symlink("/etc/passwd", "link.bin")) perror("symlink");
}

static void link_folder(void) {
    if (symlink("/etc", "folder")) perror("symlink");
}

static Buf absolute(void) {
    return external("/etc/passwd", NULL, NULL);
}

static Buf parent(void) {
    return external("../w.bin", NULL, NULL);
}

static Buf hidden_parent(void) {
    return external("a/../../w.bin", NULL, NULL);
}

static Buf symbolic(void) {
    return external("link.bin", "0", "24");
}

static Buf symbolic_folder(void) {
    return external("folder/passwd", "0", "24");
}

static Buf missing_file(void) {
    return external("nothing.bin", NULL, NULL);
}

static Buf no_location(void) {
    return external(NULL, "0", NULL);
}

static Buf is_folder(void) {
    return external(".", NULL, NULL);
}

static Buf offset_beyond(void) {
    return external("w.bin", "31", NULL);
}

static Buf length_beyond(void) {
    return external("w.bin", "8", "24");
}

static Buf length_wrong(void) {
    return external("w.bin", "0", "20");
}

static Buf length_huge(void) {
    return external("w.bin", "8", "18446744073709551612");
}

static Buf offset_word(void) {
    return external("w.bin", "-8", "24");
}

const Case tensor_cases[] = {
    {"raw_short", raw_short, "tensor \"w\" needs 24 bytes for its shape and has 20", NULL},
    {"raw_long", raw_long, "tensor \"w\" needs 24 bytes for its shape and has 28", NULL},
    {"overflow", overflow, "tensor \"w\" is too large: its size overflows", NULL},
    {"overflow_bytes", overflow_bytes, "tensor \"w\" is too large: its size overflows", NULL},
    {"negative", negative, "tensor \"w\" has a dimension of -2", NULL},
    {"tensor_type", tensor_type, "element type 77 of tensor \"w\" is unknown", NULL},
    {"tensor_rank", tensor_rank, "tensor \"w\" has rank 17, more than 16", NULL},
    {"typed_short", typed_short, "tensor \"w\" needs 6 elements for its shape and has 1", NULL},
    {"packed_short", packed_short, "tensor \"w\" needs 5 bytes for its shape and has 4", NULL},
    {"packed_typed", packed_typed, "tensor \"w\" needs 2 packed bytes for its shape and has 1",
     NULL},
    {"raw_strings", raw_strings, "tensor \"w\" holds strings as raw data", NULL},
    {"sparse_index", sparse_index, "sparse tensor \"w\": index 0 is out of range", NULL},
    {"sparse_huge", sparse_huge, "sparse tensor \"w\" is larger than", NULL},
    {"absolute", absolute, "external data \"/etc/passwd\"|refused: the path is absolute", NULL},
    {"parent", parent, "refused: the path contains \"..\"", NULL},
    {"hidden_parent", hidden_parent, "refused: the path contains \"..\"", NULL},
    {"symbolic", symbolic, "refused: it lies outside the model's folder", link_outside},
    {"symbolic_folder", symbolic_folder, "refused: it lies outside the model's folder",
     link_folder},
    {"missing_file", missing_file, "\"nothing.bin\"|refused: No such file", NULL},
    {"no_location", no_location, "external data of tensor \"w\" has no location", NULL},
    {"is_folder", is_folder, "external data \".\"", NULL},
    {"offset_beyond", offset_beyond, "lies beyond the end of \"w.bin\"", data_file},
    {"length_beyond", length_beyond, "lies beyond the end of \"w.bin\"", data_file},
    {"length_wrong", length_wrong, "needs 24 bytes for its shape and has 20", data_file},
    {"length_huge", length_huge, "has length \"18446744073709551612\", which is no size",
     data_file},
    {"offset_word", offset_word, "has offset \"-8\", which is no size", data_file},
    {NULL, NULL, NULL, NULL},
};
