/* Shape classes of tiles on GPUs (SoD2): where the number of rows or of columns is a symbol, the
 * best tile depends on it. Large ones move fewer bytes, small ones make blocks for all processors.
 * Each class has a version of the schedule, and the run takes the first that fits:
 *
 *   how "cuda" when N <= 32 { ... }
 *   how "cuda" when N <= 128 { ... }
 *   how "cuda" { ... }
 *
 * All of them add up in the same order, and read constants as the general one has them stored. */
#include "passes/kernel/schedule_gpu_tile.h"

enum { ASSUMED = 4096, ASSUMED_OTHER = 512 };
static const int64_t classes[] = {32, 128, 1024};

int64_t gpu_tile_extent(const GpuTile *t, const Side *side) {
    int64_t lo, hi, assumed = t->s->most_rows ? t->s->most_rows : ASSUMED;
    if (expr_is_int(side->extent, &lo)) return lo;
    if (side->extent != t->s->rows) assumed = ASSUMED_OTHER;
    if (!expr_range(t->s->ctx, side->extent, &lo, &hi)) return assumed;
    return MAX(lo, MIN(hi, assumed));
}

static bool is_possible(const Sched *s, int64_t most) {
    int64_t lo, hi;
    return !expr_range(s->ctx, s->rows, &lo, &hi) || (lo <= most && most < hi);
}

void schedule_gpu_tile_classes(Sched *s) {
    Sched v = *s;
    if (s->kernel->stmts.at[0]->recipe.lanes > 1) return; /* slices, as many as it says */
    v.tile = NULL;
    for (int i = 0; i < LEN(classes); i++) {
        const struct TileShape *last = v.tile;
        if (!is_possible(s, classes[i])) continue;
        v.most_rows = classes[i];
        v.how = schedule_new_how(s->ctx, s->machine);
        CHECK(schedule_gpu_tile(&v));
        if (v.tile == s->tile) return;
        if (v.tile == last) s->kernel->hows.n--; /* this class has the one before it */
        v.how->when = expr_op2(s->ctx, SOP_le, s->rows, expr_int(s->ctx, classes[i]));
        vec_push(s->ctx->perm, &s->kernel->hows, v.how);
    }
}
