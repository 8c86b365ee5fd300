/* Sorting and TopK along an axis: tiles are sorted in shared memory, then runs of tiles are merged
 * in memory, two and two, no longer than the k elements that are wanted. Elements compare by key,
 * then by index: a total order, so the result is that of a stable sort, whatever the threads do.
 *
 * args of all: dtype, bytes of an element, n, inner, k, flip (all ones: largest first), lines,
 * tile. Line l begins at element l / inner * n * inner + l % inner, its elements lie `inner` apart.
 * `runs` has two halves of lines * tiles * min(k, tile) elements: merging goes to and fro. */
#ifndef ONNXCC_RUNTIME_DEVICE_SORT_H
#define ONNXCC_RUNTIME_DEVICE_SORT_H

struct SortItem {
    uint64_t key;
    int64_t index;
};
struct SortLines {
    int dtype;
    int64_t bytes, n, inner, k;
    uint64_t flip;
    int64_t lines, tile, tiles;
    int64_t most;  /* elements of a tile that are kept */
    int64_t slots; /* places for a line in `runs` */
};

OPS struct SortLines sort_lines_of(const int64_t *args) {
    struct SortLines s = {(int)args[0],      args[1], args[2], args[3], args[4],
                          (uint64_t)args[5], args[6], args[7]};
    s.tiles = (s.n + s.tile - 1) / s.tile;
    s.most = s.k < s.tile ? s.k : s.tile;
    s.slots = s.tiles * s.most;
    return s;
}

OPS int64_t sort_first(const struct SortLines *s, int64_t line) {
    return line / s->inner * s->n * s->inner + line % s->inner;
}

OPS void sort_put(const struct SortLines *s, int64_t line, int64_t rank, const void *x,
                  int64_t index, void *values, int64_t *indices) {
    int64_t to = (line / s->inner * s->k + rank) * s->inner + line % s->inner;
    move_element(values, to, x, sort_first(s, line) + index * s->inner, s->bytes);
    indices[to] = index;
}

/* ---- tiles: 2 elements a thread; small tiles share a block ---- */

/* Exchanges a pair of the bitonic network where it is in the wrong order. */
OPS void sort_pair(uint64_t *key, int32_t *place, int low, int high, bool up) {
    uint64_t a = key[low], b = key[high];
    int32_t i = place[low], j = place[high];
    if ((a > b || (a == b && i > j)) != up) return;
    key[low] = b, key[high] = a;
    place[low] = j, place[high] = i;
}

OPS void sort_network(uint64_t *key, int32_t *place, int tile) {
    int t = (int)threadIdx.x;
    for (int size = 2; size <= tile; size *= 2)
        for (int step = size / 2; step; step /= 2) {
            int low = 2 * t - (t & (step - 1));
            __syncthreads();
            sort_pair(key, place, low, low + step, (low & (tile - 1) & size) == 0);
        }
    __syncthreads();
}

/* Sorts the tiles of an item: keys and places in the tile. `shared`: 3 words for each thread. */
OPS int32_t *sort_item(const struct SortLines *s, int64_t first, const void *x, uint64_t *shared) {
    int threads = (int)blockDim.x, tile = (int)s->tile;
    int32_t *place = (int32_t *)(shared + 2 * threads);
    for (int i = (int)threadIdx.x; i < 2 * threads; i += threads) {
        int64_t at = first + i / tile, line = at / s->tiles;
        int64_t index = at % s->tiles * tile + i % tile;
        bool there = line < s->lines && index < s->n;
        int64_t from = there ? sort_first(s, line) + index * s->inner : 0;
        shared[i] = there ? sort_key(x, s->dtype, from) ^ s->flip : ~(uint64_t)0;
        place[i] = i % tile;
    }
    sort_network(shared, place, tile);
    return place;
}

/* Lines of one tile. */
OPS void sort_lines(int64_t item, const void *x, void *values, int64_t *indices, uint64_t *shared,
                    const int64_t *args) {
    struct SortLines s = sort_lines_of(args);
    int threads = (int)blockDim.x, tile = (int)s.tile;
    int64_t first = item * 2 * threads / tile;
    const int32_t *place = sort_item(&s, first, x, shared);
    for (int i = (int)threadIdx.x; i < 2 * threads; i += threads) {
        int64_t line = first + i / tile, rank = i % tile;
        if (line < s.lines && rank < s.k) sort_put(&s, line, rank, x, place[i], values, indices);
    }
    __syncthreads();
}

OPS void sort_tiles(int64_t item, const void *x, void *values, int64_t *indices, uint8_t *runs,
                    uint64_t *shared, const int64_t *args) {
    struct SortLines s = sort_lines_of(args);
    int threads = (int)blockDim.x, tile = (int)s.tile;
    int64_t first = item * 2 * threads / tile;
    const int32_t *place = sort_item(&s, first, x, shared);
    (void)values, (void)indices;
    for (int i = (int)threadIdx.x; i < 2 * threads; i += threads) {
        int64_t at = first + i / tile, rank = i % tile, begin = at % s.tiles * tile;
        struct SortItem *to = (struct SortItem *)runs + at * s.most + rank;
        if (at >= s.lines * s.tiles || rank >= s.most || begin + rank >= s.n) continue;
        to->key = shared[i];
        to->index = begin + place[i];
    }
    __syncthreads();
}

/* ---- merging ---- */

/* How many elements run number r of `width` tiles holds. */
OPS int64_t sort_length(const struct SortLines *s, int64_t r, int64_t width) {
    int64_t all = s->n - r * width * s->tile, most = width * s->tile;
    all = all < 0 ? 0 : all < most ? all : most;
    return all < s->k ? all : s->k;
}

/* How many elements of the run come before `item`. */
OPS int64_t sort_before(const struct SortItem *run, int64_t n, const struct SortItem *item) {
    int64_t lo = 0;
    while (lo < n) {
        int64_t half = lo + (n - lo) / 2;
        const struct SortItem *other = &run[half];
        bool before = other->key < item->key ||
                      (other->key == item->key && other->index < item->index);
        if (before) lo = half + 1;
        else n = half;
    }
    return lo;
}

/* Each thread finds the place of an element in its run and the next one together. Rounds begin with
 * runs of one tile in the first half. More args: the round. */
OPS void sort_merge(int64_t item, const void *x, void *values, int64_t *indices, uint8_t *runs,
                    const int64_t *args) {
    struct SortLines s = sort_lines_of(args);
    int64_t width = (int64_t)1 << args[8], half = args[8] % 2;
    int64_t all = s.lines * s.slots, room = width * s.most;
    int64_t e = item * (int64_t)blockDim.x + threadIdx.x, line = e / s.slots, at = e % s.slots;
    int64_t run = at / room, i = at % room, other = run ^ 1;
    (void)x, (void)values, (void)indices;
    if (e >= all || i >= sort_length(&s, run, width)) return;
    const struct SortItem *from = (const struct SortItem *)runs + half * all + line * s.slots;
    struct SortItem *to = (struct SortItem *)runs + (1 - half) * all + line * s.slots;
    struct SortItem own = from[at];
    int64_t rank = i + sort_before(from + other * room, sort_length(&s, other, width), &own);
    if (rank < s.k) to[run / 2 * 2 * room + rank] = own;
}

/* The first k elements of a line's only run, which lies where the last round has written. */
OPS void sort_write(int64_t item, const void *x, void *values, int64_t *indices, uint8_t *runs,
                    const int64_t *args) {
    struct SortLines s = sort_lines_of(args);
    int64_t e = item * (int64_t)blockDim.x + threadIdx.x, all = s.lines * s.slots;
    int64_t line = e / (s.k * s.inner) * s.inner + e % s.inner, rank = e / s.inner % s.k, half = 0;
    if (e >= s.lines * s.k) return;
    for (int64_t width = 1; width < s.tiles; width *= 2) half ^= 1;
    const struct SortItem *from = (const struct SortItem *)runs + half * all + line * s.slots;
    sort_put(&s, line, rank, x, from[rank].index, values, indices);
}

#endif
