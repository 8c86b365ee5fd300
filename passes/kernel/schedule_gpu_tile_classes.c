/* Shape classes of tiles on GPUs (SoD2): where the number of rows or of columns is a symbol, the
 * best tile depends on it. Large ones move fewer bytes, small ones make blocks for all processors;
 * of very few rows none is worth a tile (schedule_gpu_few.c). Each class has a version of the
 * schedule, and the run takes the first that fits:
 *
 *   how "cuda" when N <= 4 { ... }
 *   how "cuda" when N <= 32 { ... }
 *   how "cuda" when N <= 128 { ... }
 *   how "cuda" { ... }
 *
 * They read constants as the general one has them stored. Where threads share the reduction, a
 * version has a recipe of its own. */
#include "passes/kernel/schedule_gpu_tile.h"

enum { ASSUMED = 4096, ASSUMED_OTHER = 512, ONE = 1, FEW = 4, MANY = 4 };
static const int64_t classes[] = {32, 128, 1024};

int64_t gpu_tile_extent(const GpuTile *t, const Side *side) {
    int64_t lo, hi, assumed = t->s->most_rows ? t->s->most_rows : ASSUMED;
    if (expr_is_int(side->extent, &lo)) return lo;
    if (side->extent != t->s->rows) assumed = ASSUMED_OTHER;
    if (!expr_range(t->s->ctx, side->extent, &lo, &hi)) return assumed;
    return MAX(lo, MIN(hi, assumed));
}

static int64_t no_var(void *user, const Var *v) {
    (void)user;
    BUG("%s has no value here", v->name);
}

static int64_t least_of(void *user, const Sym *s) {
    (void)user;
    return MAX(s->lo, 1);
}

/* Where nothing is empty: a batch of images has all pixels of one. */
static int64_t least_rows(const Sched *s) {
    ExprEnv env = {no_var, least_of, NULL};
    int64_t least;
    return expr_eval_index(s->rows, &env, &least) ? least : 1;
}

static bool is_possible(const Sched *s, int64_t most) {
    int64_t lo, hi;
    bool all = expr_range(s->ctx, s->rows, &lo, &hi) && hi <= most;
    return !all && least_rows(s) <= most;
}

/* The bounds of the classes. One image is a class where the next one has many of them. */
static int choose_bounds(const Sched *s, int64_t *bounds) {
    int64_t least = least_rows(s);
    int n = 0;
    for (int i = 0; i < LEN(classes); i++) {
        if (!is_possible(s, classes[i])) continue;
        bool many = n == 0 && least > classes[0] && MANY * least <= classes[i];
        if (many && is_possible(s, least)) bounds[n++] = least;
        bounds[n++] = classes[i];
    }
    return n;
}

static void add_version(Sched *v, int64_t most) {
    v->how->when = expr_op2(v->ctx, SOP_le, v->rows, expr_int(v->ctx, most));
    vec_push(v->ctx->perm, &v->kernel->hows, v->how);
}

/* Tiles of matrices waste little on a few rows; but even one row is a matrix. */
static void add_few(Sched *s) {
    Sched v = *s;
    v.most_rows = s->matrices ? ONE : FEW;
    v.how = schedule_new_how(s->ctx, s->machine);
    if (!s->strict && is_possible(s, v.most_rows) && schedule_gpu_few(&v))
        add_version(&v, v.most_rows);
}

void schedule_gpu_tile_classes(Sched *s) {
    Sched v = *s;
    int64_t bounds[LEN(classes) + 1];
    int n = choose_bounds(s, bounds);
    add_few(s);
    v.tile = NULL;
    for (int i = 0; i < n; i++) {
        const struct TileShape *last = v.tile;
        v.most_rows = bounds[i];
        v.how = schedule_new_how(s->ctx, s->machine);
        CHECK(schedule_gpu_tile(&v));
        if (v.tile == s->tile && v.slices == s->slices) return;
        if (v.tile == last) /* this class has the one before it, with its slices */
            v.how = s->kernel->hows.at[--s->kernel->hows.n];
        add_version(&v, bounds[i]);
    }
}
