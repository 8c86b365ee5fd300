/* Places of buffers whose sizes are known: the rule that programs use at bind (largest first, each
 * as low as it fits) is within a few per cent of the largest live set nearly always. Where it is
 * not, other orders are tried: a buffer, most often one at the very top, goes to a random earlier
 * turn, and the change stays unless the arena grows. The sequence of random numbers is fixed. */
#include "passes/passes.h"

enum { MAX_ROUNDS = 4000, MAX_WORK = 1 << 26 }; /* work: pairs of buffers that are compared */

typedef struct Search {
    const struct onnxcc_live *live;
    int n;
    int64_t *order, *offset, *placed;
    uint64_t random;
} Search;

static int random_below(Search *s, int n) {
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return (int)((s->random >> 33) % (uint64_t)n);
}

static int64_t place(Search *s) {
    return onnxcc_place_ordered(s->live, s->n, 0, s->order, s->offset, s->placed);
}

static void move(Search *s, int from, int to) {
    int64_t b = s->order[from];
    for (int i = from; i > to; i--) s->order[i] = s->order[i - 1];
    for (int i = from; i < to; i++) s->order[i] = s->order[i + 1];
    s->order[to] = b;
}

/* The turn of a buffer that ends at the top. */
static int turn_of_top(const Search *s, int64_t top) {
    for (int i = 0; i < s->n; i++)
        if (s->offset[s->order[i]] + s->live[s->order[i]].bytes == top) return i;
    BUG("no buffer ends at the top of the arena");
}

int64_t place_search(Ctx *ctx, const struct onnxcc_live *live, int n, int64_t least,
                     int64_t *offset) {
    int64_t *work = NEW_ARRAY(ctx->perm, int64_t, 2 * n + 1);
    int64_t best = onnxcc_place(live, n, 0, offset, work), pairs = (int64_t)n * n + 1;
    Search s = {live, n, work, offset, work + n, 1};
    for (int64_t k = 0; best > least && k < MIN(MAX_ROUNDS, MAX_WORK / pairs); k++) {
        int from = k % 4 ? turn_of_top(&s, best) : random_below(&s, n);
        int to = random_below(&s, from + 1);
        move(&s, from, to);
        int64_t top = place(&s);
        if (top <= best) {
            best = top;
            continue;
        }
        move(&s, to, from);
        CHECK(place(&s) == best);
    }
    return best;
}
