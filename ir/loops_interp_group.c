/* Runs products of matrices by groups of four warps. They read their factors, and are added up,
 * when they are waited for: what is overwritten before shows. */
#include "ir/loops_interp.h"
#include "ir/mma.h"

enum { GROUP = 128, WARP = 32 };

struct ProductOperands {            /* of a thread */
    int64_t sum, factor[2][PRODUCTS_FACTOR]; /* subscripts; base and distances */
};

void linterp_products(Interp *it, const LStmt *l) {
    Products p = {l, NEW_ARRAY(it->arena, struct ProductOperands, it->team->threads)};
    for (int64_t k = 0; k < it->team->threads && !it->failed; k++) {
        linterp_choose(it, k);
        p.thread[k].sum = linterp_index(it, l->index);
        for (int f = 0; f < 2; f++)
            for (int i = 0; i < PRODUCTS_FACTOR; i++)
                p.thread[k].factor[f][i] = linterp_index(it, l->iargs[f * PRODUCTS_FACTOR + i]);
    }
    vec_push(it->arena, &it->products, p);
}

/* Element (i, k), i along the side, of the factor that the thread's group multiplies. */
static ScalarValue element(Interp *it, const Products *p, int64_t thread, int f, int64_t i,
                           int64_t k) {
    const int64_t *o = p->thread[thread].factor[f], row = o[5];
    DType type = f ? p->stmt->right : p->stmt->dtype;
    int64_t piece = MMA_PIECE / (int64_t)dtype_bytes(type);
    int64_t steps = linterp_index(it, p->stmt->iargs[PRODUCTS_SIZES + 2]);
    int64_t at = i % 8 * o[1] + k % piece * o[2] + i / 8 * o[3] + k / piece * o[4];
    if (row && o[1] == 1) at += i / o[2] * (steps - 1) * o[2]; /* columns of such rows */
    at += o[0];
    if (row) at = loops_box_element(at, row, dtype_bytes(type));
    const char *value = linterp_address(it, p->stmt->args[f], at);
    uint32_t bits;
    if (!value || type != DT_F32) return value ? scalar_load(type, value) : (ScalarValue){0};
    memcpy(&bits, value, sizeof bits);
    bits = mma_tf32_cut(bits);
    return scalar_load(type, &bits);
}

static void add_value(Interp *it, const Products *p, int64_t thread, int64_t row, int64_t column,
                      int64_t at) {
    DType type = mma_sum(p->stmt->dtype, p->stmt->right);
    char *sum = linterp_address(it, p->stmt->tensor, p->thread[thread].sum + at);
    int64_t steps = linterp_index(it, p->stmt->iargs[PRODUCTS_SIZES + 2]);
    if (!sum) return;
    ScalarValue v = scalar_load(type, sum);
    for (int64_t k = 0; k < steps && !it->failed; k++)
        linterp_add_product(type, &v, element(it, p, thread, 0, row, k),
                            element(it, p, thread, 1, column, k));
    scalar_store(type, sum, v);
}

static void add_up(Interp *it, const Products *p) {
    int64_t rows = linterp_index(it, p->stmt->iargs[PRODUCTS_SIZES]),
            columns = linterp_index(it, p->stmt->iargs[PRODUCTS_SIZES + 1]),
            row = linterp_index(it, p->stmt->iargs[PRODUCTS_SUMS]),
            column = linterp_index(it, p->stmt->iargs[PRODUCTS_SUMS + 1]);
    for (int64_t thread = 0; thread < it->team->threads && !it->failed; thread++) {
        int64_t lane = thread % WARP, first = thread % GROUP / WARP * 16 + lane / 4;
        linterp_choose(it, thread);
        for (int64_t r = 0; r < rows / 32; r++)
            for (int64_t c = 0; c < columns / 4; c++)
                add_value(it, p, thread, r / 2 * 64 + r % 2 * 8 + first,
                          c / 2 * 8 + lane % 4 * 2 + c % 2, r * row + c * column);
    }
}

void linterp_products_wait(Interp *it, const LStmt *l) {
    int64_t open = linterp_index(it, l->lo), ended = MAX(it->products.n - open, 0);
    for (int64_t i = 0; i < ended; i++) add_up(it, &it->products.at[i]);
    for (int64_t i = ended; i < it->products.n; i++)
        it->products.at[i - ended] = it->products.at[i];
    it->products.n -= (int)ended;
    it->generation++;
}
