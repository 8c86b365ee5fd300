/* ONNX's TensorProto on the wire: our own reader and writer of the few fields a tensor has. */
#include "host.h"

#include <stdlib.h>
#include <inttypes.h>
#include <string.h>

/* field numbers of TensorProto */
enum {
    DIMS = 1,
    DATA_TYPE = 2,
    FLOATS = 4,
    INTS = 5,
    STRINGS = 6,
    LONGS = 7,
    NAME = 8,
    RAW = 9,
    DOUBLES = 10,
    ULONGS = 11,
    EXTERNAL = 13,
    LOCATION = 14
};
enum { STR = 8 };

struct reader {
    const unsigned char *at, *end;
    const char *path;
};

static void cut_off(const struct reader *r) {
    host_refuse("%s: not a TensorProto file, or damaged", host_quote(r->path));
}

static uint64_t varint(struct reader *r) {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end) break;
        v |= (uint64_t)(*r->at & 127) << shift;
        if (!(*r->at++ & 128)) return v;
    }
    cut_off(r);
    return 0;
}

/* One field: its number, wire type, and the value (type 0) or the bytes (others). */
struct field {
    int number, wire;
    uint64_t value;
    struct reader bytes;
};

static bool next_field(struct reader *r, struct field *f) {
    if (r->at == r->end) return false;
    uint64_t key = varint(r);
    if (key >> 3 == 0 || key >> 3 > 1 << 20) cut_off(r);
    f->number = (int)(key >> 3);
    f->wire = (int)(key & 7);
    f->bytes = *r;
    uint64_t n = 0;
    if (f->wire == 0) f->value = varint(r);
    else if (f->wire == 2) n = varint(r);
    else if (f->wire == 1 || f->wire == 5) n = f->wire == 1 ? 8 : 4;
    else cut_off(r);
    if (n > (uint64_t)(r->end - r->at)) cut_off(r);
    if (f->wire) {
        f->bytes.at = r->at;
        f->bytes.end = r->at += n;
    }
    return true;
}

/* Appends to the tensor's data; the room was measured before. */
struct sink {
    struct host_tensor *t;
    int64_t n, want; /* elements; bytes where a byte holds several */
};

static void put_int(const struct reader *r, struct sink *s, uint64_t v) {
    if (s->n >= s->want)
        host_refuse("%s: more values than the shape %s has", host_quote(r->path),
                    host_type_text(s->t->dtype, s->t->rank, s->t->dims));
    if (host_is_float(s->t->dtype) && host_dtype_bits(s->t->dtype) > 16) cut_off(r);
    if (host_dtype_bits(s->t->dtype) < 8) ((uint8_t *)s->t->data)[s->n++] = (uint8_t)v;
    else host_set_int(s->t->data, s->t->dtype, s->n++, (int64_t)v); /* small floats: their bits */
}

static void put_ints(struct field *f, struct sink *s) {
    if (f->wire == 0) put_int(&f->bytes, s, f->value);
    else
        for (struct reader r = f->bytes; r.at < r.end;) put_int(&r, s, varint(&r));
}

/* Floats and doubles (also pairs, for complex types): the bytes as they are. */
static void put_fixed(const struct field *f, struct sink *s, int each) {
    struct host_tensor *t = s->t;
    bool fits = each == 4 ? t->dtype == 1 || t->dtype == 14 : t->dtype == 11 || t->dtype == 15;
    int64_t at = s->n * each, n = f->bytes.end - f->bytes.at;
    if (!fits || n % each || at + n > t->bytes) cut_off(&f->bytes);
    memcpy((char *)t->data + at, f->bytes.at, (size_t)n);
    s->n += n / each;
}

static void put_string(const struct field *f, struct sink *s) {
    if (s->t->dtype != STR || s->n >= s->want) cut_off(&f->bytes);
    struct onnxcc_string *to = (struct onnxcc_string *)s->t->data + s->n++;
    to->size = (size_t)(f->bytes.end - f->bytes.at);
    to->data = host_alloc(to->size + 1);
    memcpy((char *)(uintptr_t)to->data, f->bytes.at, to->size);
}

static void put_raw(const struct field *f, struct sink *s) {
    int64_t n = f->bytes.end - f->bytes.at;
    if (n != s->t->bytes || s->t->dtype == STR)
        host_refuse("%s: %" PRId64 " bytes of raw data, but %s needs %" PRId64,
                    host_quote(f->bytes.path), n,
                    host_type_text(s->t->dtype, s->t->rank, s->t->dims), s->t->bytes);
    memcpy(s->t->data, f->bytes.at, (size_t)n);
    s->n = s->want;
}

static void put_dims(struct field *f, struct host_tensor *t) {
    struct reader r = f->bytes;
    do {
        if (t->rank == HOST_MAX_RANK || (f->wire && r.at == r.end)) break;
        t->dims[t->rank++] = (int64_t)(f->wire ? varint(&r) : f->value);
    } while (f->wire && r.at < r.end);
}

/* First pass: type, shape, name. */
static void read_type(struct reader r, struct host_tensor *t) {
    for (struct field f; next_field(&r, &f);) {
        if (f.number == DIMS) put_dims(&f, t);
        else if (f.number == DATA_TYPE && f.wire == 0) t->dtype = (int)f.value;
        else if ((f.number == LOCATION && f.wire == 0 && f.value) || f.number == EXTERNAL)
            host_refuse("%s: its data lie in another file, which is not supported here",
                        host_quote(r.path));
        else if (f.number == NAME && f.wire == 2) {
            size_t n = (size_t)(f.bytes.end - f.bytes.at);
            char *name = host_alloc(n + 1);
            memcpy(name, f.bytes.at, n);
            t->name = name;
        }
    }
}

static struct host_tensor parse_tensor(struct reader r) {
    const char *path = r.path;
    size_t size = (size_t)(r.end - r.at);
    struct host_tensor t = {.dtype = 0};
    read_type(r, &t);
    if (!host_dtype_bits(t.dtype))
        host_refuse("%s: not a TensorProto, or of an element type (%d) that is not supported",
                    host_quote(path), t.dtype);
    int64_t elements = host_elements(&t);
    t.bytes = host_bytes(t.dtype, elements);
    if (t.bytes < 0 || t.bytes / 64 > (int64_t)size) /* a value takes a bit at least */
        host_refuse("%s: the shape %s does not fit the file", host_quote(path),
                    host_type_text(t.dtype, t.rank, t.dims));
    t.data = host_alloc((size_t)t.bytes);
    bool packed = host_dtype_bits(t.dtype) < 8;
    struct sink s = {&t, 0, packed ? t.bytes : elements};
    for (struct field f; next_field(&r, &f);) {
        if (f.number == RAW && f.wire == 2) put_raw(&f, &s);
        else if (f.number == FLOATS) put_fixed(&f, &s, 4);
        else if (f.number == DOUBLES) put_fixed(&f, &s, 8);
        else if (f.number == STRINGS && f.wire == 2) put_string(&f, &s);
        else if (f.number == INTS || f.number == LONGS || f.number == ULONGS) put_ints(&f, &s);
    }
    bool pairs = t.dtype == 14 || t.dtype == 15;
    if (s.n != s.want && !(pairs && s.n == 2 * elements))
        host_refuse("%s: %" PRId64 " values, but the shape %s has %" PRId64, host_quote(path), s.n,
                    host_type_text(t.dtype, t.rank, t.dims), elements);
    return t;
}

/* ---- sequences ---- */

/* fields of SequenceProto and of OptionalProto */
enum { KIND = 2, TENSOR = 3, SEQUENCE = 5 };

static void put_item(struct reader r, struct onnxcc_item *to) {
    struct host_tensor t = parse_tensor(r);
    int64_t *shape = host_alloc((size_t)t.rank * sizeof *shape);
    memcpy(shape, t.dims, (size_t)t.rank * sizeof *shape);
    *to = (struct onnxcc_item){t.data, shape, t.dtype, t.rank};
    free((void *)(uintptr_t)t.name);
}

static void parse_items(struct reader r, struct onnxcc_sequence *s) {
    size_t room = 0;
    for (struct reader scan = r; scan.at < scan.end;) {
        struct field f;
        next_field(&scan, &f);
        room += f.number == TENSOR && f.wire == 2;
        if (f.number == SEQUENCE && f.wire == 2) { /* of an optional */
            parse_items(f.bytes, s);
            return;
        }
        if (f.number == KIND && f.wire == 0 && f.value && !s->items)
            s->items = host_alloc(sizeof *s->items); /* an empty sequence is not nothing */
    }
    if (!room) return;
    struct onnxcc_item *items = host_alloc(room * sizeof *items);
    free((void *)(uintptr_t)s->items);
    s->items = items;
    for (struct field f; next_field(&r, &f);)
        if (f.number == TENSOR && f.wire == 2) put_item(f.bytes, &items[s->count++]);
    s->capacity = s->count;
}

struct host_tensor pb_parse(const char *path, const char *file, size_t size, int dtype) {
    struct reader r = {(const unsigned char *)file, (const unsigned char *)file + size, path};
    if (dtype != ONNXCC_SEQUENCE) return parse_tensor(r);
    struct host_tensor t = {.dtype = ONNXCC_SEQUENCE, .bytes = sizeof(struct onnxcc_sequence)};
    t.data = host_alloc(sizeof(struct onnxcc_sequence));
    parse_items(r, t.data);
    return t;
}

static void write_varint(FILE *f, uint64_t v) {
    for (; v > 127; v >>= 7) fputc((int)(v & 127) | 128, f);
    fputc((int)v, f);
}

static void write_bytes(FILE *f, int field, const void *data, size_t n) {
    write_varint(f, (uint64_t)field << 3 | 2);
    write_varint(f, n);
    fwrite(data, 1, n, f);
}

static void write_tensor(FILE *f, const struct host_tensor *t) {
    for (int i = 0; i < t->rank; i++) {
        write_varint(f, DIMS << 3);
        write_varint(f, (uint64_t)t->dims[i]);
    }
    write_varint(f, DATA_TYPE << 3);
    write_varint(f, (uint64_t)t->dtype);
    if (t->name) write_bytes(f, NAME, t->name, strlen(t->name));
    const struct onnxcc_string *s = t->data;
    for (int64_t i = 0; t->dtype == STR && i < host_elements(t); i++)
        write_bytes(f, STRINGS, s[i].data, s[i].size);
    if (t->dtype != STR) write_bytes(f, RAW, t->data, (size_t)t->bytes);
}

/* Reads as a SequenceProto, and as an OptionalProto of a tensor. */
static void write_items(FILE *f, const struct onnxcc_sequence *s) {
    write_varint(f, KIND << 3);
    write_varint(f, s->items ? 1 : 0);
    for (size_t i = 0; i < s->count; i++) {
        struct host_tensor t = host_item(&s->items[i]);
        char *text = NULL;
        size_t bytes = 0;
        FILE *inner = open_memstream(&text, &bytes);
        if (!inner) host_refuse("out of memory");
        write_tensor(inner, &t);
        if (fclose(inner)) host_refuse("out of memory");
        write_bytes(f, TENSOR, text, bytes);
        free(text);
    }
}

void pb_write(FILE *f, const struct host_tensor *t) {
    if (t->dtype == ONNXCC_SEQUENCE) write_items(f, t->data);
    else write_tensor(f, t);
}
