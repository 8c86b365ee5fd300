/* Collects the constants of all entries: equal ones are stored once, in the order of first use. */
#include "codegen/weights.h"

static Tensor *storage_of(const Tensor *t) {
    while (t->alias) t = t->alias;
    return (Tensor *)(uintptr_t)t;
}

static uint64_t layout_hash(uint64_t h, const Tensor *t) {
    if (t->packed) h = hash_mix(h, (uint64_t)t->packed);
    if (pack_is_plain(t)) return h;
    for (int i = 0; i < t->rank; i++) {
        int64_t n = 0;
        expr_is_int(t->dims[i], &n);
        h = hash_mix(h, (uint64_t)n);
    }
    for (int i = 0; i < t->layout->n; i++) {
        const LayoutDim *d = &t->layout->at[i];
        h = hash_mix(hash_mix(hash_mix(h, (uint64_t)d->dim), (uint64_t)d->div), (uint64_t)d->mod);
    }
    return h;
}

static bool same_stored(const Weight *w, const Tensor *t) {
    if (!const_same(w->data, t->data) || w->tensor->packed != t->packed) return false;
    if (pack_is_plain(w->tensor) || pack_is_plain(t))
        return pack_is_plain(w->tensor) == pack_is_plain(t);
    if (w->tensor->rank != t->rank || !layout_equal(w->tensor->layout, t->layout, t->rank))
        return false;
    for (int i = 0; i < t->rank; i++)
        if (w->tensor->dims[i] != t->dims[i]) return false;
    return true;
}

static bool place(Weights *w, Tensor *t) {
    t = storage_of(t);
    uint64_t key = (uint64_t)(uintptr_t)t;
    int64_t elements;
    if (t->space != SP_CONST || map_get_int(w->offsets, key)) return true;
    if (!t->data || t->data->missing)
        return diag_error(w->ctx, NULL, "the elements of constant \"%s\" are missing",
                          diag_name(w->ctx, t->name));
    if (t->dtype == DT_STR)
        return diag_error(w->ctx, NULL, "constant \"%s\" holds strings, which cannot be stored yet",
                          diag_name(w->ctx, t->name));
    CHECK(expr_is_int(tensor_elements(w->ctx, t), &elements));
    uint64_t hash = layout_hash(const_hash(t->data), t);
    uintptr_t known = (uintptr_t)map_get_int(w->by_hash, hash);
    uint64_t offset = (w->bytes + WEIGHTS_ALIGN - 1) / WEIGHTS_ALIGN * WEIGHTS_ALIGN;
    if (known && same_stored(&w->items.at[known - 1], t)) {
        offset = w->items.at[known - 1].offset;
    } else {
        uint64_t bytes = t->packed ? ((uint64_t)elements * (uint64_t)t->packed + 7) / 8
                                   : (uint64_t)elements * dtype_bytes(t->dtype);
        bool packed = t->packed || !pack_is_plain(t);
        vec_push(w->ctx->perm, &w->items, ((Weight){t, t->data, offset, bytes, packed}));
        map_set_int(w->by_hash, hash, (void *)(uintptr_t)w->items.n);
        w->bytes = offset + bytes;
    }
    map_set_int(w->offsets, key, (void *)(uintptr_t)(offset + 1));
    return true;
}

bool weights_place(Ctx *ctx, const Entry *entries, int n, Weights *w) {
    *w = (Weights){.ctx = ctx, .offsets = map_new(ctx->perm), .by_hash = map_new(ctx->perm)};
    bool ok = true;
    for (int e = 0; e < n; e++)
        for (int v = 0; v < entries[e].n_versions; v++) {
            LUses uses = {0};
            if (entries[e].versions[v]->bind) lfunc_uses(ctx, entries[e].versions[v]->bind, &uses);
            lfunc_uses(ctx, entries[e].versions[v]->run, &uses);
            for (int i = 0; i < uses.tensors.n; i++) ok = place(w, uses.tensors.at[i]) && ok;
        }
    return ok;
}

bool weights_are_large(const Weights *w, const char *triple) {
    return w->bytes >= (uint64_t)1 << 31 && !strncmp(triple, "x86_64", 6);
}

int64_t weights_offset(const Weights *w, const Tensor *t) {
    uintptr_t at = (uintptr_t)map_get_int(w->offsets, (uint64_t)(uintptr_t)storage_of(t));
    if (!at) BUG("constant %s has no place", t->name);
    return (int64_t)at - 1;
}

/* ---- parts ---- */
static void add_part(Weights *w, LinkPart part) {
    if (part.bytes) vec_push(w->ctx->perm, &w->parts, part);
}

typedef struct Sink {
    LinkFile *file;
    uint64_t written;
} Sink;

static void write_piece(void *user, const void *data, size_t bytes) {
    Sink *s = user;
    link_file_write(s->file, data, bytes);
    s->written += bytes;
}

static bool is_zero(const Const *c) {
    static const uint8_t zeros[16];
    return !c->data && !c->random && !memcmp(c->splat, zeros, sizeof zeros);
}

/* Splats are written out, too: few are large. */
static void add_weight(Weights *w, const Weight *item, Sink *sink, const char *file) {
    uint64_t from = sink->written;
    if (is_zero(item->data)) {
        add_part(w, (LinkPart){.bytes = item->bytes});
    } else if (!item->packed && item->data->data) {
        add_part(w, (LinkPart){.mem = item->data->data, .bytes = item->bytes});
    } else {
        pack_const(w->ctx, item->tensor, item->data, write_piece, sink);
        CHECK(sink->written - from == item->bytes);
        add_part(w, (LinkPart){.file = file, .offset = from, .bytes = item->bytes});
    }
}

bool weights_pack(Weights *w, const char *file) {
    Sink sink = {link_file_open(w->ctx, file, 0600), 0};
    uint64_t at = 0;
    if (!sink.file) return false;
    for (int i = 0; i < w->items.n; i++) {
        const Weight *item = &w->items.at[i];
        add_part(w, (LinkPart){.bytes = item->offset - at});
        add_weight(w, item, &sink, file);
        at = item->offset + item->bytes;
    }
    if (!link_file_done(sink.file)) return false;
    return link_parts_hash(w->ctx, (LinkParts){w->parts.at, w->parts.n}, &w->hash);
}
