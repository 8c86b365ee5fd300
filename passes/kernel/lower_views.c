/* Views: maps that only move elements. */
#include "passes/kernel/lower.h"

typedef struct View {
    Tensor *out;
    Var *var[MAX_RANK];
    Expr *at[MAX_RANK];    /* variables of the output */
    Expr *index[MAX_RANK]; /* of the input */
} View;

static void view_open(Lower *l, View *v, const char *hint) {
    v->out = lower_out(l, 0);
    lower_kernel(l, hint);
    lower_vars(l, v->out->dims, v->out->rank, v->var);
    lower_indices(v->var, v->out->rank, v->at);
}

static bool view_close(Lower *l, View *v) {
    lower_map(l, v->out, v->var, v->out->rank, lower_load(l, l->node->in[0], v->index));
    return true;
}

bool lower_op_transpose(Lower *l) {
    View v;
    view_open(l, &v, "transpose");
    for (int i = 0; i < v.out->rank; i++) v.index[lower_item(l->node, "perm", i, i)] = v.at[i];
    return view_close(l, &v);
}

bool lower_op_expand(Lower *l) {
    View v;
    view_open(l, &v, "expand");
    lower_map(l, v.out, v.var, v.out->rank, lower_bcast(l, l->node->in[0], v.at, v.out->rank));
    return true;
}

bool lower_op_slice(Lower *l) {
    View v;
    Expr *starts[MAX_RANK];
    view_open(l, &v, "slice");
    lower_exprs(l, "starts", starts);
    for (int i = 0; i < v.out->rank; i++)
        v.index[i] = expr_add(l->ctx, starts[i],
                              expr_muli(l->ctx, v.at[i], lower_item(l->node, "steps", i, 1)));
    return view_close(l, &v);
}

/* ---- pad ---- */

/* i - lo mirrored into 0..size-1 without repeating the edge, as often as it takes. */
static Expr *mirrored(Lower *l, Expr *e, Expr *size) {
    Ctx *c = l->ctx;
    Expr *last = expr_addi(c, size, -1), *twice = expr_muli(c, last, 2), *zero = expr_int(c, 0);
    Expr *up = expr_max(c, e, expr_sub(c, zero, e));
    int64_t lo, hi, n;
    bool once = expr_is_int(size, &n) && expr_range(c, e, &lo, &hi) && lo > -n && hi < 2 * n - 1;
    if (!once) up = expr_mod(c, e, expr_max(c, twice, expr_int(c, 1)));
    return expr_min(c, up, expr_sub(c, twice, up));
}

bool lower_op_pad(Lower *l) {
    Ctx *c = l->ctx;
    View v;
    Expr *lo[MAX_RANK], *inside = expr_const_int(c, DT_BOOL, 1);
    const char *mode = node_str(l->node, "mode", "constant");
    view_open(l, &v, "pad");
    lower_exprs(l, "lo", lo);
    for (int i = 0; i < v.out->rank; i++) {
        Expr *size = l->node->in[0]->type.dims[i], *e = expr_sub(c, v.at[i], lo[i]);
        if (expr_prove_eq(c, size, v.out->dims[i]) && expr_is(lo[i], 0)) e = v.at[i];
        else if (!strcmp(mode, "reflect")) e = mirrored(l, e, size);
        else if (!strcmp(mode, "edge"))
            e = expr_max(c, expr_int(c, 0), expr_min(c, e, expr_addi(c, size, -1)));
        else if (!strcmp(mode, "wrap")) e = expr_mod(c, e, size);
        else inside = expr_and(c, inside, expr_in_range(c, e, size));
        v.index[i] = e;
    }
    Expr *load = lower_load(l, l->node->in[0], v.index);
    Expr *value = lower_number(l, load->type, node_flt(l->node, "value", 0));
    lower_map(l, v.out, v.var, v.out->rank, expr_guard(c, inside, load, value));
    return true;
}

/* ---- concat: every input has a kernel that writes its part ---- */

bool lower_op_concat(Lower *l) {
    Ctx *c = l->ctx;
    Tensor *out = lower_out(l, 0);
    int64_t axis = node_int(l->node, "axis", 0);
    Expr *shift = expr_int(c, 0);
    for (int i = 0; i < l->node->n_in; i++) {
        Value *x = l->node->in[i];
        Var *vars[MAX_RANK];
        Expr *index[MAX_RANK];
        if (expr_is(x->type.dims[axis], 0)) continue;
        lower_kernel(l, "concat");
        lower_vars(l, x->type.dims, out->rank, vars);
        lower_indices(vars, out->rank, index);
        Stmt *s = lower_map(l, out, vars, out->rank, lower_load(l, x, index));
        index[axis] = expr_add(c, index[axis], shift);
        stmt_set_index(c, s, index);
        shift = expr_add(c, shift, x->type.dims[axis]);
    }
    return true;
}
