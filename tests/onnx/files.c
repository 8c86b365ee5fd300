/* Files of ONNX's test data (files.h). */
#include "tests/onnx/files.h"

static VEC(Model *) opened;

void files_close(void) {
    for (int i = 0; i < opened.n; i++) model_close(opened.at[i]);
    opened.n = 0;
}

static size_t put_varint(uint8_t *to, uint64_t v) {
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) to[n++] = (uint8_t)(v | 0x80);
    to[n++] = (uint8_t)v;
    return n;
}

/* Wraps the tensor into a model (field 7: graph, 5: initializer), so that the compiler's reader
 * serves here, too. */
static Model *wrap_tensor(Ctx *ctx, const uint8_t *data, size_t size) {
    uint8_t *bytes = arena_alloc(ctx->perm, size + 32), inner[16];
    size_t n_inner = 1, n = 0;
    inner[0] = 5 << 3 | 2;
    n_inner += put_varint(inner + 1, size);
    bytes[n++] = 7 << 3 | 2;
    n += put_varint(bytes + n, n_inner + size);
    memcpy(bytes + n, inner, n_inner);
    n += n_inner;
    memcpy(bytes + n, data, size);
    Model *m = model_from_memory(ctx, bytes, n + size);
    if (m) vec_push(ctx->perm, &opened, m);
    return m && m->proto->graph->n_initializer == 1 ? m : NULL;
}

Model *open_tensor(Ctx *ctx, const char *path) {
    MappedFile f;
    return map_file(ctx, NULL, ctx->perm, path, &f) ? wrap_tensor(ctx, f.data, f.size) : NULL;
}

bool read_tensor(Ctx *ctx, const char *path, Const **data, Type *type) {
    Model *m = open_tensor(ctx, path);
    return m && tensor_read(m, NULL, m->proto->graph->initializer[0], data, type);
}

/* ---- sequences: field 2 is the kind of what follows, 3 a tensor, 5 a sequence ---- */

typedef struct Bytes {
    const uint8_t *at, *end;
} Bytes;

static uint64_t varint(Bytes *b) {
    uint64_t v = 0;
    for (int shift = 0; b->at < b->end && shift < 64; shift += 7) {
        v |= (uint64_t)(*b->at & 127) << shift;
        if (!(*b->at++ & 128)) break;
    }
    return v;
}

/* One field of kind 0 (a number) or 2 (bytes). */
static bool field(Bytes *b, uint64_t *key, uint64_t *value, Bytes *inner) {
    if (b->at >= b->end) return false;
    *key = varint(b);
    *value = varint(b);
    if ((*key & 7) != 2) return (*key & 7) == 0;
    if (*value > (uint64_t)(b->end - b->at)) return false;
    *inner = (Bytes){b->at, b->at + *value};
    b->at = inner->end;
    return true;
}

static bool items_of(Ctx *ctx, Bytes b, ItemFile *out) {
    Bytes inner;
    uint64_t key, value;
    int64_t room = 0;
    for (Bytes r = b; field(&r, &key, &value, &inner);) room += key >> 3 == 3;
    out->at = arena_alloc(ctx->perm, sizeof *out->at * (size_t)(room + 1));
    while (field(&b, &key, &value, &inner)) {
        if (key >> 3 == 2 && value) out->nothing = false;
        if (key >> 3 == 5) return items_of(ctx, inner, out);
        if (key >> 3 != 3) continue;
        Model *m = wrap_tensor(ctx, inner.at, (size_t)(inner.end - inner.at));
        if (!m || !tensor_read(m, NULL, m->proto->graph->initializer[0], &out->at[out->count].data,
                               &out->at[out->count].type))
            return false;
        out->count++;
    }
    return true;
}

bool read_items(Ctx *ctx, const char *path, ItemFile *out) {
    MappedFile f;
    *out = (ItemFile){.nothing = true};
    return map_file(ctx, NULL, ctx->perm, path, &f) &&
           items_of(ctx, (Bytes){f.data, f.data + f.size}, out);
}

struct onnxcc_sequence *items_in_memory(Ctx *ctx, const ItemFile *f) {
    struct onnxcc_sequence *s = NEW(ctx->perm, struct onnxcc_sequence);
    struct onnxcc_item *items = NEW_ARRAY(ctx->perm, struct onnxcc_item, f->count + 1);
    for (int64_t i = 0; i < f->count; i++) {
        const Type *t = &f->at[i].type;
        int64_t *shape = NEW_ARRAY(ctx->perm, int64_t, t->rank + 1);
        for (int d = 0; d < t->rank; d++) expr_is_int(t->dims[d], &shape[d]);
        items[i] = (struct onnxcc_item){const_bytes(ctx, f->at[i].data), shape,
                                        dtype_onnx(t->dtype), t->rank};
    }
    *s = (struct onnxcc_sequence){f->nothing ? NULL : items, (size_t)f->count, (size_t)f->count};
    return s;
}
