/* Sizes that estimates of costs on a GPU take. */
#include "passes/kernel/gpu_cost.h"

enum { ASSUMED = 512 /* a symbol */ };

static int64_t assumed(void *user, const Sym *s) {
    (void)user;
    return MAX(s->lo, MIN(s->hi, ASSUMED));
}

int64_t gpu_typical(const Expr *extent) {
    int64_t n;
    ExprEnv env = {.sym = assumed};
    return expr_eval_index(extent, &env, &n) ? n : ASSUMED;
}

int64_t gpu_ceil_div(int64_t n, int64_t by) {
    return (n + by - 1) / by;
}
