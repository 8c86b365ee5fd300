/* The walk over the wire format: validation, limits and the compact copy (wire.h). The fields of
 * each message come from protobuf-c's descriptors, so the schema is written once. Two walks are
 * made: the first checks everything and counts, the second writes. */
#include "frontend/wire.h"

#include "onnx.pb-c.h"

enum { MAX_DEPTH = 512, MAX_BAD_NAMES = 10, LEN_BYTES = 5 };
static const uint64_t BASE_BUDGET = 256u << 20;

typedef ProtobufCMessageDescriptor Message;
typedef ProtobufCFieldDescriptor Field;

typedef struct Walk {
    Ctx *ctx;
    const uint8_t *at; /* the file */
    uint8_t *out;      /* NULL while counting */
    size_t n_out;
    uint64_t cost, budget; /* bytes that unpacking allocates */
    int depth, bad_names;
} Walk;

static bool fail(Walk *w, const Message *m, size_t at, const char *what) {
    return diag_error(w->ctx, NULL, "not an ONNX model: %s at byte %zu (in %s)", what, at,
                      m->short_name);
}

static void put(Walk *w, const void *bytes, size_t n) {
    if (w->out) memcpy(w->out + w->n_out, bytes, n);
    w->n_out += n;
}

/* A varint of exactly `width` bytes (0: as few as needed); padded forms are valid, too. */
static size_t encode(uint8_t *to, uint64_t v, size_t width) {
    size_t n = 0;
    do {
        to[n] = (uint8_t)(v & 0x7f);
        v >>= 7;
        if (v || n + 1 < width) to[n] |= 0x80;
        n++;
    } while (v || n < width);
    return n;
}

static void put_varint(Walk *w, uint64_t v) {
    uint8_t bytes[10];
    put(w, bytes, encode(bytes, v, 0));
}

static bool read_varint(Walk *w, size_t *at, size_t end, uint64_t *v) {
    uint64_t value = 0;
    for (int shift = 0; shift < 70 && *at < end; shift += 7) {
        uint8_t byte = w->at[(*at)++];
        if (shift < 64) value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return *v = value, true;
    }
    return false;
}

/* Length of the UTF-8 sequence at s, 0 where it is none or a control character. */
static size_t utf8_char(const uint8_t *s, size_t n) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (s[0] < 0x80) return s[0] < 0x20 || s[0] == 0x7f ? 0 : 1;
    size_t len = s[0] >= 0xf0 && s[0] < 0xf8   ? 4
                 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                                               : 0;
    if (!len || len > n) return 0;
    uint32_t code = s[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000;
    bool control = code >= 0x80 && code < 0xa0;
    return code < least[len] || code > 0x10ffff || surrogate || control ? 0 : len;
}

/* Names end up in messages, C headers and symbol tables: no control characters, no broken UTF-8. */
static void check_name(Walk *w, const Message *m, const Field *f, const uint8_t *s, size_t n) {
    size_t i = 0, step;
    while (i < n && (step = utf8_char(s + i, n - i))) i += step;
    if (i == n || w->out) return;
    if (w->bad_names++ >= MAX_BAD_NAMES) return;
    Str shown = str_new(w->ctx->perm);
    str_escape(&shown, (const char *)s, n, 80);
    diag_error(w->ctx, NULL, "name \"%s\" has control characters or is not UTF-8 (%s of %s)",
               str_c(&shown), f->name, m->short_name);
}

static bool is_name(const Field *f) {
    return f->type == PROTOBUF_C_TYPE_STRING;
}

static bool is_left_out(const Field *f) {
    return !strcmp(f->name, "doc_string") || !strcmp(f->name, "metadata_props") ||
           !strcmp(f->name, "denotation");
}

static int wire_type(const Field *f) {
    switch (f->type) {
    case PROTOBUF_C_TYPE_FLOAT: return 5;
    case PROTOBUF_C_TYPE_DOUBLE: return 1;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return 2;
    default: return 0;
    }
}

static bool is_packed(const Field *f, int wire) {
    return wire == 2 && f->label == PROTOBUF_C_LABEL_REPEATED && wire_type(f) != 2;
}

/* Checks the elements of a packed field and counts what they will take. */
static bool check_packed(Walk *w, const Message *m, const Field *f, size_t at, size_t end) {
    size_t unit = f->type == PROTOBUF_C_TYPE_FLOAT ? 4 : 8;
    if (wire_type(f) != 0) {
        if ((end - at) % unit) return fail(w, m, at, "packed numbers of a broken length");
        w->cost += end - at;
        return true;
    }
    int run = 0;
    for (size_t i = at; i < end; i++) {
        run = w->at[i] & 0x80 ? run + 1 : 0;
        if (run >= 10) return fail(w, m, i, "a number of more than ten bytes");
        if (!run) w->cost += f->type == PROTOBUF_C_TYPE_INT32 ? 4 : 8;
    }
    return run ? fail(w, m, end, "a number cut off") : true;
}

static bool walk_message(Walk *w, const Message *m, size_t at, size_t end);

/* A submessage: its length is known only afterwards, so the copy has five bytes for it. */
static bool walk_submessage(Walk *w, const Field *f, size_t at, size_t end) {
    size_t length_at = w->n_out;
    w->n_out += LEN_BYTES;
    if (!walk_message(w, f->descriptor, at, end)) return false;
    if (w->out) encode(w->out + length_at, w->n_out - length_at - LEN_BYTES, LEN_BYTES);
    return true;
}

/* A field with a length: string, bytes, submessage or packed numbers. */
static bool walk_bytes(Walk *w, const Message *m, const Field *f, size_t at, size_t end) {
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) return walk_submessage(w, f, at, end);
    if (m == &onnx__tensor_proto__descriptor && !strcmp(f->name, "raw_data")) {
        RawRef ref = {at, end - at};
        put_varint(w, sizeof ref);
        put(w, &ref, sizeof ref);
        w->cost += sizeof ref;
        return true;
    }
    if (is_packed(f, 2)) {
        if (!w->out && !check_packed(w, m, f, at, end)) return false;
    } else {
        if (is_name(f)) check_name(w, m, f, w->at + at, end - at);
        w->cost += end - at + 16;
    }
    put_varint(w, end - at);
    put(w, w->at + at, end - at);
    return true;
}

/* One field that stands at `at`; `at` moves behind it. `seen`: submessages that may occur once and
 * did. */
static bool walk_field(Walk *w, const Message *m, size_t *at, size_t end, uint64_t *seen) {
    size_t start = *at, from;
    uint64_t tag, v = 0;
    if (!read_varint(w, at, end, &tag) || tag >> 3 == 0 || tag >> 32)
        return fail(w, m, start, "a broken field number");
    int wire = (int)(tag & 7);
    from = *at;
    if (wire == 0 || wire == 2) {
        if (!read_varint(w, at, end, &v)) return fail(w, m, from, "a broken number");
    } else if (wire != 1 && wire != 5) {
        return fail(w, m, start, "a field of an unknown kind");
    }
    uint64_t skip = wire == 1 ? 8 : wire == 5 ? 4 : wire == 2 ? v : 0;
    if (skip > end - *at)
        return fail(w, m, start, "a field longer than what is left (is the file cut off?)");
    size_t body = *at;
    *at += (size_t)skip;
    const Field *f = protobuf_c_message_descriptor_get_field(m, (unsigned)(tag >> 3));
    if (!f || is_left_out(f)) return true;
    if (wire != wire_type(f) && !is_packed(f, wire))
        return fail(w, m, start, "a field of the wrong kind");
    if (f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED) {
        uint64_t bit = (uint64_t)1 << (f - m->fields);
        if (*seen & bit) return fail(w, m, start, "a single field given twice");
        *seen |= bit;
    }
    w->cost += 48; /* the scanner's note and the slot in an array */
    put_varint(w, tag);
    if (wire == 2) return walk_bytes(w, m, f, body, *at);
    put(w, w->at + from, *at - from);
    return true;
}

static bool walk_message(Walk *w, const Message *m, size_t at, size_t end) {
    if (++w->depth > MAX_DEPTH)
        return diag_error(w->ctx, NULL,
                          "model nested deeper than %d messages (sub-graphs inside sub-graphs)",
                          MAX_DEPTH);
    CHECK(m->n_fields <= 64);
    w->cost += m->sizeof_message;
    uint64_t seen = 0;
    while (at < end) {
        if (!walk_field(w, m, &at, end, &seen)) return false;
        if (w->cost > w->budget)
            return diag_error(w->ctx, NULL, "model structure takes more than %llu MB of memory",
                              (unsigned long long)(w->budget >> 20));
    }
    w->depth--;
    return true;
}

/* A hint for the usual mix-ups; NULL where there is none. */
static const char *foreign(const uint8_t *data, size_t size) {
    if (size == 0) return "the file is empty";
    if (size >= 4 && !memcmp(data, "PK\3\4", 4))
        return "this is a zip archive (a PyTorch checkpoint?)";
    if (size >= 8 && !memcmp(data + 4, "TFL3", 4)) return "this is a TensorFlow Lite model";
    if (size >= 4 && !memcmp(data,
                             "\x7f"
                             "ELF",
                             4))
        return "this is an ELF file";
    if (size >= 8 && !memcmp(data, "\x89HDF", 4)) return "this is an HDF5 file (a Keras model?)";
    if (size >= 2 && data[0] == 0x1f && data[1] == 0x8b) return "this is a gzip file";
    if (size >= 7 && !memcmp(data, "version https://git-lfs", 7))
        return "this is a Git LFS pointer, not the file itself";
    return NULL;
}

bool wire_compact(Ctx *ctx, Arena *arena, const uint8_t *data, size_t size, WireImage *out) {
    const char *hint = foreign(data, size);
    if (hint) return diag_error(ctx, NULL, "not an ONNX model: %s", hint);
    Walk w = {.ctx = ctx, .at = data, .budget = BASE_BUDGET + 8 * (uint64_t)size};
    if (!walk_message(&w, &onnx__model_proto__descriptor, 0, size)) return false;
    if (w.bad_names > MAX_BAD_NAMES)
        diag_note(ctx, NULL, "%d more names like that", w.bad_names - MAX_BAD_NAMES);
    if (w.bad_names) return false;
    if (w.n_out > INT32_MAX)
        return diag_error(ctx, NULL, "model structure (without tensor data) is larger than 2 GB");
    out->size = w.n_out;
    out->data = arena_alloc(arena, w.n_out + 1);
    w.out = out->data;
    w.n_out = 0;
    w.cost = 0;
    w.depth = 0;
    return walk_message(&w, &onnx__model_proto__descriptor, 0, size);
}
