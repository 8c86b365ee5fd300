/* contract: letters become variables; a sum of products, then a map where something is added
 * or converted. */
#include "passes/kernel/lower.h"

typedef struct Einsum {
    Var *var[128]; /* by letter */
    const char *x, *w, *y;
    int nx, nw, ny;
} Einsum;

static void split_spec(Einsum *e, const char *spec) {
    e->x = spec;
    e->nx = (int)strcspn(spec, ",");
    e->w = spec + e->nx + 1;
    e->nw = (int)strcspn(e->w, "-");
    e->y = e->w + e->nw + 2;
    e->ny = (int)strlen(e->y);
}

/* The extent of a letter: what the output says, else an operand's that is not a broadcast 1. */
static Expr *letter_extent(Lower *l, const Einsum *e, char c) {
    const Node *n = l->node;
    Expr *extent = NULL;
    for (int i = 0; i < e->ny; i++)
        if (e->y[i] == c) return n->out[0]->type.dims[i];
    for (int i = 0; i < e->nx; i++)
        if (e->x[i] == c) extent = n->in[0]->type.dims[i];
    for (int i = 0; i < e->nw; i++)
        if (e->w[i] == c && (!extent || expr_is(extent, 1))) extent = n->in[1]->type.dims[i];
    return extent;
}

static Var *letter_var(Lower *l, Einsum *e, char c) {
    char name[2] = {c, 0};
    if (!e->var[(int)c]) e->var[(int)c] = lower_var(l, name, letter_extent(l, e, c));
    return e->var[(int)c];
}

static Expr *operand(Lower *l, Einsum *e, Value *v, const char *letters, int n) {
    Expr *index[MAX_RANK];
    for (int i = 0; i < n; i++) index[i] = letter_var(l, e, letters[i])->self;
    return lower_acc(l, lower_bcast(l, v, index, n));
}

static bool has_letter(const char *list, int n, char c) {
    return n > 0 && memchr(list, c, (size_t)n) != NULL;
}

/* Letters that the output lacks, in the order of the operands. */
static int summed_letters(Lower *l, Einsum *e, Var **red) {
    int n = 0;
    for (int i = 0; i < e->nx + e->nw; i++) {
        char c = i < e->nx ? e->x[i] : e->w[i - e->nx];
        bool seen = has_letter(e->y, e->ny, c) || has_letter(e->x, MIN(i, e->nx), c);
        if (i >= e->nx) seen |= has_letter(e->w, i - e->nx, c);
        if (!seen) red[n++] = letter_var(l, e, c);
    }
    return n;
}

bool lower_op_contract(Lower *l) {
    Node *n = l->node;
    Tensor *out = lower_out(l, 0);
    Einsum e = {0};
    Var *dom[MAX_RANK], *red[2 * MAX_RANK];
    split_spec(&e, node_str(n, "spec", ""));
    lower_kernel(l, "contract");
    for (int i = 0; i < e.ny; i++) dom[i] = letter_var(l, &e, e.y[i]);
    Expr *x = operand(l, &e, n->in[0], e.x, e.nx), *w = operand(l, &e, n->in[1], e.w, e.nw);
    int n_red = summed_letters(l, &e, red);
    Expr *value = expr_op2(l->ctx, SOP_mul, x, w);
    bool plain = n->n_in < 3 || !n->in[2];
    if (n_red && plain && value->type == out->dtype) {
        lower_reduce(l, RED_SUM, out, dom, e.ny, red, n_red, value);
        return true;
    }
    if (n_red) {
        Tensor *sum = lower_temp(l, "sum", value->type, dom, e.ny);
        lower_reduce(l, RED_SUM, sum, dom, e.ny, red, n_red, value);
        value = lower_at(l, sum, dom, e.ny);
    }
    if (!plain) {
        Expr *index[MAX_RANK];
        lower_indices(dom, e.ny, index);
        value =
            expr_op2(l->ctx, SOP_add, value, lower_acc(l, lower_bcast(l, n->in[2], index, e.ny)));
    }
    lower_map(l, out, dom, e.ny, value);
    return true;
}
