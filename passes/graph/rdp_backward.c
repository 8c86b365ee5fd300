/* What each operation demands of its operands' dimensions. */
#include "passes/graph/rdp.h"

static void must_equal(Rdp *r, Node *n, Expr *a, Expr *b) {
    r->demand(r, n, a, b, FIT_EQUAL);
}

/* `to` is the size broadcast to. */
static void broadcasts_to(Rdp *r, Node *n, const Value *v, const Type *to) {
    if (!v) return;
    int skip = to->rank - v->type.rank;
    for (int i = 0; i < v->type.rank; i++)
        r->demand(r, n, v->type.dims[i], to->dims[skip + i], FIT_FIRST_ONE);
}

/* The same walk over the operands as that of type inference. */
static void pointwise(Rdp *r, Node *n) {
    Type out = {0};
    for (int k = 0; k < n->n_in; k++) {
        const Type *t = &n->in[k]->type;
        int old = out.rank, rank = MAX(old, t->rank);
        for (int i = rank - 1; i >= 0; i--) {
            int from = i - (rank - old), at = i - (rank - t->rank);
            Expr *have = from >= 0 ? out.dims[from] : expr_int(r->g->ctx, 1);
            Expr *more = at >= 0 ? t->dims[at] : expr_int(r->g->ctx, 1);
            r->demand(r, n, have, more, FIT_ONE);
            if (!broadcast_dims(r->g->ctx, have, more, &out.dims[i])) return;
        }
        out.rank = rank;
    }
}

static void contract(Rdp *r, Node *n) {
    Spec s;
    if (!contract_spec(node_str(n, "spec", ""), &s)) return;
    for (int i = 0; i < s.na; i++) {
        const char *at = strchr(s.b, s.a[i]);
        if (at) must_equal(r, n, n->in[0]->type.dims[i], n->in[1]->type.dims[at - s.b]);
    }
    if (n->n_in > 2) broadcasts_to(r, n, n->in[2], &n->out[0]->type);
}

static void conv(Rdp *r, Node *n) {
    const Type *x = &n->in[0]->type, *w = &n->in[1]->type;
    if (n->op == OP_conv)
        must_equal(r, n, x->dims[1], expr_muli(r->g->ctx, w->dims[1], node_int(n, "group", 1)));
    else must_equal(r, n, x->dims[1], w->dims[0]);
    if (n->n_in > 2 && n->in[2]) must_equal(r, n, n->in[2]->type.dims[0], n->out[0]->type.dims[1]);
}

static void concat(Rdp *r, Node *n) {
    int64_t axis = node_int(n, "axis", 0);
    for (int k = 1; k < n->n_in; k++)
        for (int i = 0; i < n->out[0]->type.rank; i++)
            if (i != axis) must_equal(r, n, n->in[0]->type.dims[i], n->in[k]->type.dims[i]);
}

static int64_t gcd(int64_t a, int64_t b) {
    return b ? gcd(b, a % b) : a;
}

/* The product without its integers, which go to *number. */
static Expr *split_number(Ctx *ctx, Expr *const *dims, int n, int64_t *number) {
    Expr *rest = expr_int(ctx, 1);
    *number = 1;
    for (int i = 0; i < n; i++) {
        int64_t v;
        if (!expr_is_int(dims[i], &v)) rest = expr_mul(ctx, rest, dims[i]);
        else if (v < 1 || __builtin_mul_overflow(*number, v, number)) return NULL;
    }
    return rest;
}

static void equal_products(Rdp *r, Node *n, Expr *const *a, int n_a, Expr *const *b,
                           int n_b) {
    int64_t x, y;
    Ctx *ctx = r->g->ctx;
    Expr *left = split_number(ctx, a, n_a, &x), *right = split_number(ctx, b, n_b, &y);
    if (!left || !right) return;
    int64_t common = gcd(x, y);
    must_equal(r, n, expr_muli(ctx, left, x / common), expr_muli(ctx, right, y / common));
}

/* Equal products, after the factors that both sides have are gone: those that cannot be zero. */
static void reshape(Rdp *r, Node *n) {
    Ctx *ctx = r->g->ctx;
    Expr *left[MAX_RANK], *right[MAX_RANK];
    int n_left = 0, n_right = n->out[0]->type.rank;
    memcpy(right, n->out[0]->type.dims, sizeof right);
    for (int i = 0; i < n->in[0]->type.rank; i++) {
        Expr *e = n->in[0]->type.dims[i];
        int k = 0;
        while (k < n_right && right[k] != e) k++;
        bool cancels = k < n_right && expr_prove_ge0(ctx, expr_addi(ctx, e, -1));
        if (cancels) right[k] = right[--n_right];
        else left[n_left++] = e;
    }
    equal_products(r, n, left, n_left, right, n_right);
}

static void attention(Rdp *r, Node *n) {
    const Type *q = &n->in[0]->type, *k = &n->in[1]->type, *v = &n->in[2]->type;
    must_equal(r, n, q->dims[0], k->dims[0]);
    must_equal(r, n, q->dims[0], v->dims[0]);
    must_equal(r, n, k->dims[1], v->dims[1]);
    must_equal(r, n, k->dims[2], v->dims[2]);
    must_equal(r, n, q->dims[3], k->dims[3]);
    Type scores =
        type_make(q->dtype, (Expr *[]){q->dims[0], q->dims[1], q->dims[2], k->dims[2]}, 4);
    if (n->n_in > 3) broadcasts_to(r, n, n->in[3], &scores);
}

static void scan(Rdp *r, Node *n) {
    int first = (int)node_int(n, "n_carried", 0);
    const int64_t *axes = NULL;
    int count = node_ints(n, "axes", &axes);
    Expr *length = n->in[first]->type.dims[count ? axes[0] : 0];
    for (int k = first + 1; k < n->n_in; k++) {
        int64_t axis = k - first < count ? axes[k - first] : 0;
        must_equal(r, n, length, n->in[k]->type.dims[axis]);
    }
}

/* Of indices and updates, that no axis but the one of the scatter is longer than the data's. */
static void scatter(Rdp *r, Node *n) {
    const Type *x = &n->in[0]->type, *at = &n->in[1]->type, *y = &n->in[2]->type;
    if (strcmp(node_str(n, "mode", ""), "elements")) return;
    for (int i = 0; i < at->rank; i++) {
        must_equal(r, n, at->dims[i], y->dims[i]);
        if (i != node_int(n, "axis", 0))
            r->demand(r, n, at->dims[i], x->dims[i], FIT_AT_MOST);
    }
}

void rdp_backward(Rdp *r, Node *n) {
    if (op_is_scalar(n->op)) {
        pointwise(r, n);
        return;
    }
    switch (n->op) {
    case OP_contract: contract(r, n); break;
    case OP_conv:
    case OP_conv_transpose: conv(r, n); break;
    case OP_concat: concat(r, n); break;
    case OP_reshape: reshape(r, n); break;
    case OP_expand: broadcasts_to(r, n, n->in[0], &n->out[0]->type); break;
    case OP_norm:
        for (int k = 1; k < n->n_in; k++) broadcasts_to(r, n, n->in[k], &n->out[0]->type);
        break;
    case OP_attention: attention(r, n); break;
    case OP_scan: scan(r, n); break;
    case OP_scatter: scatter(r, n); break;
    default: break;
    }
}
