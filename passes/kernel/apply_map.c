/* Copies of a factor that is a box of a tensor in memory (stage ... box): the threads of the block
 * send it together, by a tensor map where the GPU has such.
 *
 *   stage factor 0 of %s over i.1 k.1 -> %s.a : f16[128,32] shared ahead 2 behind 1 box
 *
 *   box %s.a[(k.0 % 4)*4096] = %x[0; k.0*32 of K by 1 box 32, t*128 of M by K box 128]
 *     at k.0 % 4 of 4
 *
 * The region's last variable runs along neighbours in memory. A row of the copy has 128 bytes of
 * these at most; if there are more, the copy is made of several boxes, one behind the other. */
#include "passes/kernel/apply.h"

enum { ROW_BYTES = 128, LEAST_ROW = 32, PIECE_BYTES = 16, MOST_SIDE = 256, ROWS = 8 };

/* ---- which box of which tensor ---- */
static bool is_whole(Ctx *c, Expr *elements, int64_t bytes) {
    return expr_is(expr_mod(c, elements, expr_int(c, PIECE_BYTES / bytes)), 0);
}

/* The root of which the region's variable is the inner part; NULL: of none. */
static Var *root_of(Apply *a, const Var *part) {
    for (int i = 0; i < a->how->splits.n; i++) {
        const Split *s = &a->how->splits.at[i];
        if (s->inner == part && apply_root(a, s->var) == s->var) return s->var;
    }
    return NULL;
}

/* Takes the root's part out of the offset. */
static bool take_dim(Apply *a, ApplyMap *m, Expr **offset, Var *root, int64_t size) {
    Ctx *c = a->ctx;
    Expr *stride, *rest;
    int64_t bytes = (int64_t)dtype_bytes(m->tensor->dtype);
    if (m->n == BOX_MOST_DIMS || !expr_linear_in(c, *offset, root, &stride, &rest)) return false;
    if (m->n ? !is_whole(c, stride, bytes) : !expr_is(stride, 1)) return false;
    m->dim[m->n++] = (ApplyMapDim){root, stride, size};
    *offset = rest;
    return true;
}

static void find_var(void *user, const Expr *e) {
    Var **found = user;
    if (e->kind == E_VAR) *found = e->var;
    if (e->kind == E_LOAD) *found = NULL;
}

/* Those that the copy does not iterate: one value of each. */
static bool take_others(Apply *a, ApplyMap *m, Expr **offset) {
    while (!expr_has_load(*offset)) {
        Var *v = NULL;
        expr_visit(*offset, find_var, &v);
        if (!v) return true;
        if (!take_dim(a, m, offset, v, 1)) return false;
    }
    return false;
}

static bool take_region(Apply *a, const Stage *g, ApplyMap *m, Expr **offset) {
    int64_t side, row, bytes = (int64_t)dtype_bytes(m->tensor->dtype);
    Var *rows = root_of(a, g->region[0]), *along = root_of(a, g->region[1]);
    if (!rows || !along || !expr_is_int(g->region[0]->extent, &side) ||
        !expr_is_int(g->region[1]->extent, &row))
        return false;
    int64_t most = ROW_BYTES / bytes;
    m->boxes = row > most ? (int)(row / most) : 1;
    m->row = MIN(row, most);
    bool sizes = side % ROWS == 0 && side <= MOST_SIDE && row % m->row == 0 &&
                 m->row * bytes >= LEAST_ROW && (m->row & (m->row - 1)) == 0;
    return sizes && take_dim(a, m, offset, along, m->row) && take_dim(a, m, offset, rows, side);
}

bool apply_find_map(Apply *a, const Stage *g, DType type, ApplyMap *m) {
    Ctx *c = a->ctx;
    Expr *load = expr_unconverted(g->stmt->value->arg[g->factor]);
    *m = (ApplyMap){0};
    if (g->n_region != 2 || load->kind != E_LOAD || load->tensor->space >= SP_TEMP ||
        load->tensor->packed || load->type != type)
        return false;
    Stmt part = apply_stage_part(a, g, type);
    Subst roots = apply_to_roots(a, &part);
    Expr *offset = expr_subst(c, tensor_offset(c, load->tensor, load->arg), &roots);
    m->tensor = load->tensor;
    if (!take_region(a, g, m, &offset) || !take_others(a, m, &offset)) return false;
    m->begin = offset;
    return is_whole(c, offset, (int64_t)dtype_bytes(m->tensor->dtype));
}

/* ---- sending it ---- */
static void send(Apply *a, const StageBox *box, const ApplyMap *m, Expr *round, LBody *body) {
    Ctx *c = a->ctx;
    LStmt *l = lstmt_new(c, L_BOX);
    lleaf_operands(c, l);
    l->n_iargs = BOX_DIMS + m->n * BOX_DIM;
    l->iargs = NEW_ARRAY(c->perm, Expr *, l->n_iargs);
    l->tensor = box->buffer, l->index = apply_stage_offset(a, box);
    l->args[0] = m->tensor, l->iargs[0] = m->begin;
    apply_bulk_number(a, box, round, l);
    l->hi = expr_int(c, 1);
    for (int d = 0; d < m->n; d++) {
        Expr **n = l->iargs + BOX_DIMS + d * BOX_DIM;
        n[BOX_AT] = apply_value(a, m->dim[d].root);
        n[BOX_EXTENT] = m->dim[d].root->extent;
        n[BOX_STRIDE] = m->dim[d].stride;
        n[BOX_SIZE] = expr_int(c, m->dim[d].size);
        l->hi = expr_mul(c, l->hi, n[BOX_SIZE]);
    }
    lbody_add(c, body, l);
}

void apply_map(Apply *a, const StageBox *box, Expr *round, LBody *body) {
    const Stage *g = box->stage;
    ApplyMap m;
    if (!apply_find_map(a, g, g->copy->dtype, &m))
        BUG("kernel %s: factor %d of %%%s is no box of a tensor", a->kernel->name, g->factor,
            stmt_target(g->stmt)->name);
    int n = a->bound.n;
    apply_bind(a, box->loop->var, round);
    apply_bind(a, g->region[0], expr_int(a->ctx, 0));
    for (int i = 0; i < m.boxes; i++) {
        apply_bind(a, g->region[1], expr_int(a->ctx, i * m.row));
        send(a, box, &m, round, body);
    }
    a->bound.n = n;
}
