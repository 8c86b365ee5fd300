/* Mutations that keep the wire format: the model as a tree of fields, in which numbers, names and
 * whole messages are changed, moved, doubled or dropped, so that the importer behind the loader is
 * reached. */
#include "onnx.pb-c.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef ProtobufCMessageDescriptor Message;
typedef struct Field {
    uint32_t id;
    int wire;
    uint64_t number; /* wire 0, 1, 5 */
    uint8_t *bytes;  /* wire 2 without children */
    size_t n;
    const Message *type; /* wire 2: a message, whose fields are kid[] */
    struct Field **kid;
    int n_kids;
} Field;

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static const char *const words[] = {
#define X(domain, name, since) #name,
#include "onnx_ops_table.inc"
#undef X
    "",      "x", "y",    "axis",        "axes",        "perm",
    "shape", "N", "body", "then_branch", "else_branch", "com.example"};
static const int64_t numbers[] = {0,
                                  1,
                                  2,
                                  3,
                                  -1,
                                  -2,
                                  7,
                                  8,
                                  13,
                                  18,
                                  64,
                                  127,
                                  255,
                                  4096,
                                  INT32_MAX,
                                  INT32_MIN,
                                  INT64_MAX,
                                  INT64_MIN,
                                  (int64_t)1 << 31,
                                  (int64_t)1 << 40,
                                  1000000};

static unsigned state;

static unsigned any(unsigned n) {
    state = state * 1664525 + 1013904223;
    return n ? (state >> 8) % n : 0;
}

/* ---- reading ---- */

static bool read_varint(const uint8_t *s, size_t n, size_t *at, uint64_t *v) {
    *v = 0;
    for (int shift = 0; *at < n && shift < 70; shift += 7) {
        uint8_t b = s[(*at)++];
        if (shift < 64) *v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return true;
    }
    return false;
}

static void add_kid(Field *f, Field *kid) {
    f->kid = realloc(f->kid, sizeof *f->kid * (size_t)(f->n_kids + 1));
    f->kid[f->n_kids++] = kid;
}

static void free_tree(Field *f) {
    for (int i = 0; i < f->n_kids; i++) free_tree(f->kid[i]);
    free(f->kid);
    free(f->bytes);
    free(f);
}

static bool read_message(Field *f, const uint8_t *s, size_t n, int depth);

static bool read_field(Field *f, const Message *in, const uint8_t *s, size_t n, size_t *at,
                       int depth) {
    uint64_t tag, len;
    if (!read_varint(s, n, at, &tag) || tag >> 32) return false;
    f->id = (uint32_t)(tag >> 3);
    f->wire = (int)(tag & 7);
    if (f->wire == 0) return read_varint(s, n, at, &f->number);
    if (f->wire == 1 || f->wire == 5) {
        size_t size = f->wire == 1 ? 8 : 4;
        if (n - *at < size) return false;
        memcpy(&f->number, s + *at, size);
        *at += size;
        return true;
    }
    if (f->wire != 2 || !read_varint(s, n, at, &len) || len > n - *at) return false;
    const ProtobufCFieldDescriptor *d = protobuf_c_message_descriptor_get_field(in, f->id);
    const uint8_t *from = s + *at;
    *at += (size_t)len;
    if (d && d->type == PROTOBUF_C_TYPE_MESSAGE) {
        f->type = d->descriptor;
        return read_message(f, from, (size_t)len, depth + 1);
    }
    f->bytes = malloc((size_t)len + 1);
    f->n = (size_t)len;
    memcpy(f->bytes, from, (size_t)len);
    return true;
}

static bool read_message(Field *f, const uint8_t *s, size_t n, int depth) {
    size_t at = 0;
    while (at < n) {
        Field *kid = calloc(1, sizeof *kid);
        add_kid(f, kid);
        if (depth > 60 || !read_field(kid, f->type, s, n, &at, depth)) return false;
    }
    return true;
}

/* ---- writing ---- */

typedef struct Out {
    uint8_t *at;
    size_t n, cap;
    bool full;
} Out;

static void put(Out *o, const void *data, size_t n) {
    if (n > o->cap - o->n) {
        o->full = true;
        return;
    }
    if (n) memcpy(o->at + o->n, data, n);
    o->n += n;
}

static void put_varint(Out *o, uint64_t v) {
    uint8_t b[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) b[n++] = (uint8_t)(v | 0x80);
    b[n++] = (uint8_t)v;
    put(o, b, n);
}

static void write_kids(Out *o, const Field *f);

static void write_field(Out *o, const Field *f) {
    put_varint(o, (uint64_t)f->id << 3 | (uint64_t)f->wire);
    if (f->wire == 0) put_varint(o, f->number);
    else if (f->wire == 1 || f->wire == 5) put(o, &f->number, f->wire == 1 ? 8 : 4);
    else if (!f->type) {
        put_varint(o, f->n);
        put(o, f->bytes, f->n);
    } else {
        Out inner = {.at = malloc(o->cap + 1), .cap = o->cap};
        write_kids(&inner, f);
        o->full = o->full || inner.full;
        put_varint(o, inner.n);
        put(o, inner.at, inner.n);
        free(inner.at);
    }
}

static void write_kids(Out *o, const Field *f) {
    for (int i = 0; i < f->n_kids; i++) write_field(o, f->kid[i]);
}

/* ---- changing ---- */

static Field *copy_tree(const Field *f) {
    Field *c = calloc(1, sizeof *c);
    *c = *f;
    c->kid = NULL;
    c->n_kids = 0;
    if (f->bytes) {
        c->bytes = malloc(f->n + 1);
        memcpy(c->bytes, f->bytes, f->n);
    }
    for (int i = 0; i < f->n_kids; i++) add_kid(c, copy_tree(f->kid[i]));
    return c;
}

static int count(const Field *f) {
    int n = 0;
    for (int i = 0; i < f->n_kids; i++) n += 1 + count(f->kid[i]);
    return n;
}

/* The k-th field below f, and which kid of which parent it is. */
static Field *pick(Field *f, int *k, Field **parent, int *index) {
    for (int i = 0; i < f->n_kids; i++) {
        if ((*k)-- == 0) return *parent = f, *index = i, f->kid[i];
        Field *found = pick(f->kid[i], k, parent, index);
        if (found) return found;
    }
    return NULL;
}

static Field *pick_any(Field *root, Field **parent, int *index) {
    int k = (int)any((unsigned)count(root));
    return pick(root, &k, parent, index);
}

static void set_bytes(Field *f, const void *data, size_t n) {
    uint8_t *fresh = malloc(n + 1);
    memcpy(fresh, data, n);
    free(f->bytes);
    f->bytes = fresh;
    f->n = n;
}

static void change_bytes(Field *root, Field *f) {
    Field *parent, *other = pick_any(root, &parent, &(int){0});
    unsigned how = any(4);
    if (how == 0 && other && other->bytes) set_bytes(f, other->bytes, other->n);
    else if (how == 1) {
        const char *w = words[any(sizeof words / sizeof *words)];
        set_bytes(f, w, strlen(w));
    } else {
        f->bytes = realloc(f->bytes, f->n + 32);
        f->n = LLVMFuzzerMutate(f->bytes, f->n, f->n + 16);
    }
}

static void change_message(Field *root, Field *f, Field *parent, int index) {
    Field *other_parent;
    int other_index;
    Field *other = pick_any(root, &other_parent, &other_index);
    switch (any(4)) {
    case 0: add_kid(parent, copy_tree(f)); break;
    case 1:
        free_tree(f);
        parent->kid[index] = parent->kid[--parent->n_kids];
        break;
    case 2: {
        int k = (int)any((unsigned)parent->n_kids);
        Field *t = parent->kid[k];
        parent->kid[k] = f;
        parent->kid[index] = t;
        break;
    }
    default:
        if (other && other != f && other->type && other->type == f->type) {
            Field *c = copy_tree(other);
            c->id = f->id;
            add_kid(parent, c);
        }
    }
}

static void change(Field *root) {
    Field *parent;
    int index;
    Field *f = pick_any(root, &parent, &index);
    if (!f) return;
    if (f->type) change_message(root, f, parent, index);
    else if (f->wire == 2) change_bytes(root, f);
    else if (any(2)) f->number = (uint64_t)numbers[any(sizeof numbers / sizeof *numbers)];
    else f->number += any(5) - 2;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    Field *root = calloc(1, sizeof *root);
    size_t result = 0;
    state = seed;
    root->type = &onnx__model_proto__descriptor;
    if (any(20) && read_message(root, data, size, 0)) {
        for (unsigned i = 0, n = 1 + any(4); i < n; i++) change(root);
        Out o = {.at = malloc(max_size + 1), .cap = max_size};
        write_kids(&o, root);
        if (!o.full) {
            memcpy(data, o.at, o.n);
            result = o.n;
        }
        free(o.at);
    }
    free_tree(root);
    return result ? result : LLVMFuzzerMutate(data, size, max_size);
}
