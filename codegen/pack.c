/* Constants in their stored layout. Layouts are strided copies: coordinate c of physical
 * dimension k adds c * div to one logical index, and so a fixed stride to the row-major source.
 * Where the source runs along another dimension than the innermost of the result, the two are
 * transposed by tiles of 16 x 16 elements, so that every cache line is touched once on each
 * side. */
#include "codegen/weights.h"

enum { TILE = 16, PIECE = 1 << 20 };
typedef struct Dim {
    int logical;
    /* step: of the logical index; stride: of the source, in elements */
    int64_t extent, step, stride;
} Dim;
typedef struct Pack {
    const char *from;
    size_t elem;
    /* fast: the physical dimension along which the source is contiguous; -1: none */
    int n, rank, fast;
    Dim dim[MAX_RANK];
    int64_t dims[MAX_RANK];  /* logical */
    int64_t index[MAX_RANK]; /* logical index of the position so far */
    char *out;
    size_t used, cap;
    PackSink sink;
    void *user;
} Pack;

bool pack_is_plain(const Tensor *t) {
    return !t->layout || layout_equal(t->layout, NULL, t->rank);
}

static void flush(Pack *p) {
    if (p->used) p->sink(p->user, p->out, p->used);
    p->used = 0;
}

static char *room(Pack *p, size_t bytes) {
    if (p->used + bytes > p->cap) flush(p);
    char *at = p->out + p->used;
    p->used += bytes;
    return at;
}

/* How many coordinates of this dimension, from the present position on, lie inside the tensor. */
static int64_t valid(const Pack *p, const Dim *d) {
    int64_t rest = p->dims[d->logical] - p->index[d->logical];
    int64_t n = rest <= 0 ? 0 : (rest + d->step - 1) / d->step;
    return MIN(n, d->extent);
}

static bool inside(const Pack *p) {
    for (int i = 0; i < p->rank; i++)
        if (p->index[i] >= p->dims[i]) return false;
    return true;
}

/* ---- one element, a row, a tile ---- */
static void copy_strided(char *to, const char *from, int64_t n, int64_t stride, size_t elem) {
#define CASE(T)                                                                                    \
    case sizeof(T): {                                                                              \
        T *a = (T *)(void *)to;                                                                    \
        const char *b = from;                                                                      \
        for (int64_t i = 0; i < n; i++, b += (size_t)stride * sizeof(T))                           \
            memcpy(&a[i], b, sizeof(T));                                                           \
        break;                                                                                     \
    }
    switch (elem) {
        CASE(uint8_t)
        CASE(uint16_t)
        CASE(uint32_t)
        CASE(uint64_t)
    default:
        for (int64_t i = 0; i < n; i++)
            memcpy(to + (size_t)i * elem, from + (size_t)(i * stride) * elem, elem);
    }
#undef CASE
}

static void row(Pack *p, const char *from) {
    const Dim *d = &p->dim[p->n - 1];
    int64_t n = inside(p) ? valid(p, d) : 0;
    size_t bytes = (size_t)d->extent * p->elem;
    char *to = room(p, bytes);
    if (d->stride == 1) memcpy(to, from, (size_t)n * p->elem);
    else copy_strided(to, from, n, d->stride, p->elem);
    memset(to + (size_t)n * p->elem, 0, bytes - (size_t)n * p->elem);
}

/* A whole tile: sizes that the compiler knows. */
#define WHOLE_TILE(T)                                                                              \
    static void whole_tile_##T(char *to, int64_t pitch, const char *from, int64_t stride) {        \
        T tile[TILE][TILE], row[TILE];                                                             \
        for (int i = 0; i < TILE; i++)                                                             \
            memcpy(tile[i], from + (size_t)(i * stride) * sizeof(T), sizeof tile[i]);              \
        for (int q = 0; q < TILE; q++) {                                                           \
            for (int i = 0; i < TILE; i++) row[i] = tile[i][q];                                    \
            memcpy(to + (size_t)(q * pitch) * sizeof(T), row, sizeof row);                         \
        }                                                                                          \
    }
WHOLE_TILE(uint8_t)
WHOLE_TILE(uint16_t)
WHOLE_TILE(uint32_t)
WHOLE_TILE(uint64_t)

/* to[q * pitch + i] = from[i * stride + q] for a tile of at most TILE each */
static void transpose_tile(char *to, int64_t pitch, const char *from, int64_t stride, int64_t nq,
                           int64_t ni, size_t elem) {
    char tile[TILE * TILE * 16];
    if (nq == TILE && ni == TILE) {
        switch (elem) {
        case 1:
            whole_tile_uint8_t(to, pitch, from, stride);
            return;
        case 2:
            whole_tile_uint16_t(to, pitch, from, stride);
            return;
        case 4:
            whole_tile_uint32_t(to, pitch, from, stride);
            return;
        case 8:
            whole_tile_uint64_t(to, pitch, from, stride);
            return;
        }
    }
    for (int64_t i = 0; i < ni; i++) {
        const char *src = from + (size_t)(i * stride) * elem;
        copy_strided(tile + (size_t)i * TILE * elem, src, nq, 1, elem);
    }
    for (int64_t q = 0; q < nq; q++)
        copy_strided(to + (size_t)(q * pitch) * elem, tile + (size_t)q * elem, ni, TILE, elem);
}

/* All dimensions inside `fast`, for nq coordinates of it; the output holds nq rows of `pitch`
 * elements. */
static void block(Pack *p, int k, const char *from, char *to, int64_t pitch, int64_t nq) {
    const Dim *d = &p->dim[k];
    if (k < p->n - 1) {
        int64_t inner = 1, keep = p->index[d->logical];
        for (int i = k + 1; i < p->n; i++) inner *= p->dim[i].extent;
        for (int64_t c = 0; c < d->extent; c++) {
            if (inside(p))
                block(p, k + 1, from + (size_t)(c * d->stride) * p->elem,
                      to + (size_t)(c * inner) * p->elem, pitch, nq);
            p->index[d->logical] += d->step;
        }
        p->index[d->logical] = keep;
        return;
    }
    int64_t n = inside(p) ? valid(p, d) : 0;
    for (int64_t i = 0; i < n; i += TILE)
        for (int64_t q = 0; q < nq; q += TILE)
            transpose_tile(to + (size_t)(i + q * pitch) * p->elem, pitch,
                           from + (size_t)(i * d->stride + q) * p->elem, d->stride,
                           MIN(TILE, nq - q), MIN(TILE, n - i), p->elem);
}

static void walk(Pack *p, int k, const char *from);

/* Coordinates of `fast` at a time: enough that few pages are visited again, and their rows stay
 * in the second cache. */
static int64_t rows_at_once(const Pack *p, int64_t pitch) {
    int64_t rows = (int64_t)(PIECE / 2 / p->elem) / MAX(pitch, 1) / TILE * TILE;
    return MIN(MAX(rows, TILE), 16 * TILE);
}

/* The dimension along which the source runs: many of its coordinates at a time. */
static void walk_fast(Pack *p, const char *from) {
    const Dim *d = &p->dim[p->fast];
    int64_t pitch = 1, keep = p->index[d->logical];
    for (int i = p->fast + 1; i < p->n; i++) pitch *= p->dim[i].extent;
    int64_t step = rows_at_once(p, pitch);
    for (int64_t c = 0; c < d->extent; c += step) {
        int64_t rows = MIN(step, d->extent - c), nq = inside(p) ? MIN(rows, valid(p, d)) : 0;
        size_t bytes = (size_t)(rows * pitch) * p->elem;
        char *to = room(p, bytes);
        memset(to, 0, bytes);
        if (nq) block(p, p->fast + 1, from + (size_t)c * p->elem, to, pitch, nq);
        p->index[d->logical] += step * d->step;
    }
    p->index[d->logical] = keep;
}

static void walk(Pack *p, int k, const char *from) {
    if (k == p->fast) {
        walk_fast(p, from);
        return;
    }
    if (k == p->n - 1) {
        row(p, from);
        return;
    }
    const Dim *d = &p->dim[k];
    int64_t keep = p->index[d->logical];
    for (int64_t c = 0; c < d->extent; c++) {
        walk(p, k + 1, from + (size_t)(c * d->stride) * p->elem);
        p->index[d->logical] += d->step;
    }
    p->index[d->logical] = keep;
}

/* ---- set-up ---- */
static void set_dims(Ctx *ctx, Pack *p, const Tensor *t) {
    int64_t stride[MAX_RANK], s = 1;
    p->rank = t->rank;
    for (int i = t->rank - 1; i >= 0; i--) {
        CHECK(expr_is_int(t->dims[i], &p->dims[i]));
        stride[i] = s;
        s *= p->dims[i];
    }
    for (int k = 0; k < t->layout->n; k++) {
        const LayoutDim *d = &t->layout->at[k];
        Dim *last = p->n ? &p->dim[p->n - 1] : NULL;
        int64_t extent;
        CHECK(expr_is_int(tensor_extent(ctx, t, k), &extent));
        /* neighbours again */
        if (last && last->logical == d->dim && last->step == extent * d->div) {
            *last = (Dim){d->dim, last->extent * extent, d->div, d->div * stride[d->dim]};
            continue;
        }
        p->dim[p->n++] = (Dim){d->dim, extent, d->div, d->div * stride[d->dim]};
    }
}

/* Transposing pays where the innermost dimension strides and another one does not. What is valid
 * there must not depend on what comes further in. */
static int find_fast(const Pack *p) {
    if (p->dim[p->n - 1].stride == 1) return -1;
    for (int k = p->n - 2; k >= 0; k--) {
        bool alone = true;
        for (int i = k + 1; i < p->n; i++) alone &= p->dim[i].logical != p->dim[k].logical;
        if (p->dim[k].stride == 1 && alone && p->dim[k].extent > 1) return k;
    }
    return -1;
}

static void pack_splat(const Tensor *t, const Const *c, PackSink sink, void *user) {
    char piece[4096];
    size_t elem = dtype_bytes(t->dtype), fit = sizeof piece / elem;
    for (size_t i = 0; i < fit; i++) memcpy(piece + i * elem, c->splat, elem);
    for (int64_t left = c->elements; left > 0; left -= (int64_t)fit)
        sink(user, piece, (size_t)MIN(left, (int64_t)fit) * elem);
}

/* Bytes of one element each become bytes of several, low bits first. */
typedef struct Bits {
    PackSink sink;
    void *user;
    int bits, fill; /* of an element; of `last` */
    unsigned last;
} Bits;

static void pack_bits(void *user, const void *data, size_t n) {
    Bits *b = user;
    const unsigned char *from = data;
    unsigned char piece[4096];
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        b->last |= (from[i] & ((1u << b->bits) - 1)) << b->fill;
        b->fill += b->bits;
        if (b->fill < 8) continue;
        piece[used++] = (unsigned char)b->last;
        b->last = 0, b->fill = 0;
        if (used == sizeof piece) b->sink(b->user, piece, used), used = 0;
    }
    if (used) b->sink(b->user, piece, used);
}

static void pack_elements(Ctx *, const Tensor *, const Const *, PackSink, void *user);

void pack_const(Ctx *ctx, const Tensor *t, const Const *c, PackSink sink, void *user) {
    if (!t->packed) {
        pack_elements(ctx, t, c, sink, user);
        return;
    }
    Bits b = {.sink = sink, .user = user, .bits = t->packed};
    pack_elements(ctx, t, c, pack_bits, &b);
    unsigned char last = (unsigned char)b.last;
    if (b.fill) sink(user, &last, 1);
}

static void pack_elements(Ctx *ctx, const Tensor *t, const Const *c, PackSink sink, void *user) {
    if (pack_is_plain(t) && !c->data && !c->random) {
        pack_splat(t, c, sink, user);
        return;
    }
    Pack *p = NEW(ctx->perm, Pack);
    *p = (Pack){
        .from = const_bytes(ctx, c), .elem = dtype_bytes(t->dtype), .sink = sink, .user = user};
    if (pack_is_plain(t)) {
        sink(user, p->from, (size_t)c->elements * p->elem);
        return;
    }
    set_dims(ctx, p, t);
    p->fast = find_fast(p);
    int64_t most = p->dim[p->n - 1].extent, pitch = 1;
    for (int k = p->fast + 1; p->fast >= 0 && k < p->n; k++) pitch *= p->dim[k].extent;
    if (p->fast >= 0) most = rows_at_once(p, pitch) * pitch;
    for (int k = 0; k < p->n; k++)
        if (p->dim[k].extent == 0) return;
    p->cap = MAX((size_t)PIECE, (size_t)most * p->elem);
    Arena *arena = arena_new();
    p->out = arena_alloc(arena, p->cap);
    walk(p, 0, p->from);
    flush(p);
    arena_free(arena);
}
