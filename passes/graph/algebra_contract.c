/* Rules that turn views around a contract into letters of its spec. */
#include "passes/graph/algebra.h"

static const char *spec_text(Graph *g, const Spec *s) {
    return arena_printf(g->ctx->perm, "%s,%s->%s", s->a, s->b, s->y);
}

static Value *rebuilt(Graph *g, Node *n, Value *a, Value *b, Value *bias, const Spec *s) {
    (void)n;
    return build_contract(g, a, b, bias, spec_text(g, s));
}

static void permute_letters(char *letters, const int64_t *perm, int rank) {
    char old[MAX_RANK + 1];
    memcpy(old, letters, sizeof old);
    for (int i = 0; i < rank; i++) letters[perm[i]] = old[i];
}

/* An axis that only exists by an expand, and that the other operand has: the contract needs no
 * letter for it here. */
static Value *drop_expanded(Graph *g, Node *e, char *letters, int *count, const char *other) {
    const Type *x = &e->in[0]->type, *y = &e->out[0]->type;
    Expr *shape[MAX_RANK];
    char kept[MAX_RANK + 1] = "";
    int n = 0, skip = y->rank - x->rank;
    for (int i = 0; i < y->rank; i++) {
        bool fresh = i < skip || (expr_is(x->dims[i - skip], 1) && !expr_is(y->dims[i], 1));
        if (fresh && !strchr(other, letters[i])) return NULL;
        if (fresh) continue;
        /* where only the run decides whether the axis is expanded, the expand stays */
        if (!expr_prove_eq(g->ctx, x->dims[i - skip], y->dims[i])) return NULL;
        kept[n] = letters[i];
        shape[n++] = x->dims[i - skip];
    }
    memcpy(letters, kept, sizeof kept);
    *count = n;
    return build_reshape(g, e->in[0], shape, n);
}

Value *rule_contract_transpose(Graph *g, Node *n) {
    Spec s;
    if (n->op != OP_contract || !contract_spec(node_str(n, "spec", ""), &s)) return NULL;
    Value *in[] = {n->in[0], n->in[1]};
    for (int k = 0; k < 2; k++) {
        const int64_t *perm = NULL;
        Node *t = def_of(in[k], OP_transpose), *e = def_of(in[k], OP_expand);
        char *letters = k ? s.b : s.a;
        int *count = k ? &s.nb : &s.na;
        if (t) {
            permute_letters(letters, perm = (node_ints(t, "perm", &perm), perm), *count);
            in[k] = t->in[0];
        } else if (e) {
            in[k] = drop_expanded(g, e, letters, count, k ? s.a : s.b);
        } else {
            continue;
        }
        if (!in[k]) return NULL;
        Value *bias = n->n_in > 2 ? n->in[2] : NULL;
        return rebuilt(g, n, in[0], in[1], bias, &s);
    }
    return NULL;
}

/* The bias of a contract whose result is permuted: all axes written out, then moved along. */
static Value *permuted_bias(Graph *g, Value *bias, int rank, const int64_t *perm) {
    Expr *shape[MAX_RANK];
    int skip = rank - bias->type.rank;
    for (int i = 0; i < rank; i++)
        shape[i] = i < skip ? expr_int(g->ctx, 1) : bias->type.dims[i - skip];
    return build_transpose(g, build_reshape(g, bias, shape, rank), perm);
}

Value *rule_contract_output(Graph *g, Node *n) {
    Spec s;
    const int64_t *perm = NULL;
    if (n->op != OP_transpose) return NULL;
    Node *c = def_of(n->in[0], OP_contract);
    if (!c || !used_once(n->in[0]) || !contract_spec(node_str(c, "spec", ""), &s)) return NULL;
    Value *bias = c->n_in > 2 ? c->in[2] : NULL;
    if (bias && !is_const(bias)) return NULL;
    int rank = node_ints(n, "perm", &perm);
    char old[MAX_RANK + 1];
    memcpy(old, s.y, sizeof old);
    for (int i = 0; i < rank; i++) s.y[i] = old[perm[i]];
    if (bias) bias = permuted_bias(g, bias, rank, perm);
    return rebuilt(g, c, c->in[0], c->in[1], bias, &s);
}
