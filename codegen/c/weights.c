/* Constants as C: one struct whose members lie where the host functions look for them. Small
 * arrays of floats are written as hexadecimal floats, integers as integers, everything large as
 * 64-bit words. */
#include "codegen/c/host.h"

#include <inttypes.h>
#include <math.h>

enum { WORDS_FROM = 16384, PER_LINE = 8 }; /* bytes */

typedef struct Out {
    FILE *file;
    DType dtype;
    size_t element;   /* bytes of what is written at a time */
    bool words, bits; /* 64-bit words; floats by their bits */
    int64_t written;
    unsigned char rest[8]; /* of an element that is not complete yet */
    size_t n_rest;
} Out;

static bool as_words(const Weight *w) {
    return w->bytes > WORDS_FROM;
}

static const char *element_type(const Weight *w, bool bits) {
    DType t = w->tensor->dtype;
    if (as_words(w)) return "uint64_t";
    if (bits && dtype_is_float(t)) return dtype_bits(t) == 64 ? "uint64_t" : "uint32_t";
    return c_memory_type(t);
}

static void put_number(Out *o, const unsigned char *at) {
    uint64_t u = 0;
    float f;
    double d;
    memcpy(&u, at, o->element);
    memcpy(&f, at, sizeof f < o->element ? sizeof f : o->element);
    if (o->words || dtype_bits(o->dtype) == 16 || o->bits) {
        fprintf(o->file, o->element == 8 ? "0x%" PRIx64 "u" : "0x%" PRIx64, u);
    } else if (o->dtype == DT_F32) {
        fprintf(o->file, "%af", (double)f);
    } else if (o->dtype == DT_F64) {
        memcpy(&d, at, sizeof d);
        fprintf(o->file, "%a", d);
    } else if (dtype_is_signed(o->dtype)) {
        int unused = 64 - 8 * (int)o->element;
        int64_t v = (int64_t)(u << unused) >> unused;
        if (v == INT64_MIN) fputs("-9223372036854775807 - 1", o->file);
        else fprintf(o->file, "%" PRId64, v);
    } else {
        fprintf(o->file, "%" PRIu64 "u", u);
    }
}

static void put(Out *o, const unsigned char *at) {
    fputs(o->written % PER_LINE ? ", " : o->written ? ",\n     " : "\n     ", o->file);
    put_number(o, at);
    o->written++;
}

static void put_bytes(void *user, const void *data, size_t bytes) {
    Out *o = user;
    const unsigned char *at = data;
    while (bytes) {
        if (!o->n_rest && bytes >= o->element) {
            put(o, at);
            at += o->element, bytes -= o->element;
            continue;
        }
        o->rest[o->n_rest++] = *at++;
        bytes--;
        if (o->n_rest < o->element) continue;
        put(o, o->rest);
        o->n_rest = 0;
    }
}

static void put_values(Ctx *ctx, const Weight *w, bool bits, FILE *file) {
    DType t = w->tensor->dtype;
    Out o = {.file = file, .dtype = t, .words = as_words(w), .bits = bits};
    o.element = o.words ? 8 : dtype_bytes(t);
    pack_const(ctx, w->tensor, w->data, put_bytes, &o);
    memset(o.rest + o.n_rest, 0, sizeof o.rest - o.n_rest);
    if (o.n_rest) put(&o, o.rest);
}

/* Infinities and NaN have no literal. */
static void find_special(void *user, const void *data, size_t bytes) {
    bool *special = user;
    for (size_t i = 0; i + 4 <= bytes; i += 4) {
        uint32_t u;
        memcpy(&u, (const char *)data + i, 4);
        *special |= (u & 0x7f800000) == 0x7f800000 || (u & 0x7ff00000) == 0x7ff00000;
    }
}

static bool needs_bits(Ctx *ctx, const Weight *w) {
    bool special = false;
    DType t = w->tensor->dtype;
    if (!as_words(w) && (t == DT_F32 || t == DT_F64))
        pack_const(ctx, w->tensor, w->data, find_special, &special);
    return special;
}

typedef struct Member {
    const char *name;
    bool bits;
    uint64_t elements, pad; /* pad: bytes up to the next one */
} Member;

static Member member(const Weights *w, Map *taken, int i) {
    const Weight *item = &w->items.at[i];
    Member m = {.bits = needs_bits(w->ctx, item)};
    size_t each = as_words(item) ? 8 : dtype_bytes(item->tensor->dtype);
    m.name = link_ident(w->ctx->perm, taken, item->tensor->name);
    m.elements = (item->bytes + each - 1) / each;
    uint64_t next =
        i + 1 < w->items.n ? w->items.at[i + 1].offset : item->offset + m.elements * each;
    m.pad = next - item->offset - m.elements * each;
    return m;
}

void c_weights(const Weights *w, FILE *out, const char *name) {
    Member *m = NEW_ARRAY(w->ctx->perm, Member, w->items.n + 1);
    Map *taken = map_new(w->ctx->perm);
    bool words = false;
    for (int i = 0; i < w->items.n; i++) {
        m[i] = member(w, taken, i);
        words |= as_words(&w->items.at[i]);
    }
    if (words)
        fputs("\n#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n"
              "#error \"the constants below are for little-endian processors\"\n#endif",
              out);
    fprintf(out,
            "\n/* The constants, in the layouts that the kernels read. */\n"
            "#if defined(__GNUC__)\n__attribute__((aligned(64)))\n#endif\nstatic const struct {\n");
    for (int i = 0; i < w->items.n; i++) {
        const Weight *item = &w->items.at[i];
        fprintf(out, "    %s %s[%" PRIu64 "]; /* at %" PRIu64 " */\n",
                element_type(item, m[i].bits), m[i].name, m[i].elements, item->offset);
        if (m[i].pad) fprintf(out, "    char pad_%d_[%" PRIu64 "];\n", i, m[i].pad);
    }
    fprintf(out, "} %s = {\n", name);
    for (int i = 0; i < w->items.n; i++) {
        fputs("    {", out);
        put_values(w->ctx, &w->items.at[i], m[i].bits, out);
        fprintf(out, "},\n%s", m[i].pad ? "    {0},\n" : "");
    }
    fputs("};\n", out);
}
