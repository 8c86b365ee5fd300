/* CUDA: copies of boxes of tensors, by tensor maps. Boxes of the same size of the same tensor share
 * a map, which is a parameter of the kernel; what it says is told to the copy as well, for GPUs
 * that have none. */
#include "codegen/c/gen.h"
#include "runtime/cuda.h"

static Expr *number(const LStmt *l, int d, int i) {
    return l->iargs[BOX_DIMS + d * BOX_DIM + i];
}

static bool have_one_map(const LStmt *a, const LStmt *b) {
    bool same = a->args[0] == b->args[0] && a->iargs[0] == b->iargs[0] &&
                a->n_iargs == b->n_iargs && a->tensor->dtype == b->tensor->dtype;
    for (int d = 0; same && d < lbox_dims(a); d++)
        for (int i = BOX_EXTENT; i < BOX_DIM; i++) same &= number(a, d, i) == number(b, d, i);
    return same;
}

typedef struct Maps {
    const LStmt *at[ONNXCC_CUDA_MAPS];
    int n;
} Maps;

static int find(const Maps *m, const LStmt *l) {
    int i = 0;
    while (i < m->n && !have_one_map(m->at[i], l)) i++;
    return i;
}

static void add(void *user, LStmt *l) {
    Maps *m = user;
    if (l->kind != L_BOX || find(m, l) < m->n) return;
    CHECK(m->n < ONNXCC_CUDA_MAPS);
    m->at[m->n++] = l;
}

static Maps maps_of(const LFunc *f) {
    Maps m = {.n = 0};
    lbody_each(&f->body, add, &m);
    return m;
}

const LStmt *c_kernel_map(const LFunc *f, int i) {
    Maps m = maps_of(f);
    return i < m.n ? m.at[i] : NULL;
}

void c_box(Printer *p, const LStmt *l) {
    Maps m = maps_of(p->func);
    Str sizes = str_new(p->arena), dims = str_new(p->arena);
    for (int d = 0; d < lbox_dims(l); d++) {
        str_fmt(&sizes, ", %s", c_expr(p, number(l, d, BOX_SIZE), PREC_ANY));
        str_fmt(&dims, "%s{(int)(%s), ", d ? ", " : "", c_expr(p, number(l, d, BOX_AT), PREC_ANY));
        str_fmt(&dims, "%s, ", c_expr(p, number(l, d, BOX_EXTENT), PREC_ANY));
        str_fmt(&dims, "%s}", c_expr(p, number(l, d, BOX_STRIDE), PREC_ANY));
    }
    c_line(p, "box_copy<%d, %d, %d%s>(&%s, &map%d, &%s, {%s}, &bulk_barrier[%s]);",
           c_kernel_threads(p->func), (int)dtype_bytes(l->tensor->dtype), lbox_dims(l),
           str_c(&sizes), c_element(p, l->tensor, l->index), find(&m, l),
           c_element(p, l->args[0], l->iargs[0]), str_c(&dims),
           c_expr(p, l->iargs[1], PREC_ANY));
}
