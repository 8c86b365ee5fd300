/* What may be fused with what: DNNFusion's mapping types, read off access maps. */
#include "passes/kernel/fuse.h"

Verdict fuse_verdict(Mapping first, Mapping second, Mapping *fused) {
    enum { G = FUSE_YES, Y = FUSE_COST, R = FUSE_NO };
    enum { A = MAP_O2O, B = MAP_O2M, C = MAP_M2M, D = MAP_REORG, E = MAP_SHUFFLE };
    /* rows: first; columns: O2O O2M M2M REORG SHUFFLE */
    static const unsigned char verdict[5][5] = {
        {G, G, G, G, G}, {G, Y, R, Y, Y}, {G, Y, R, Y, Y}, {G, Y, Y, G, G}, {G, Y, Y, G, G}};
    static const unsigned char type[5][5] = {
        {A, B, C, D, E}, {B, B, B, B, B}, {C, C, C, C, C}, {D, B, C, D, D}, {E, B, C, D, E}};
    if (first > MAP_SHUFFLE || second > MAP_SHUFFLE) return FUSE_NO;
    *fused = (Mapping)type[first][second];
    return (Verdict)verdict[first][second];
}

static int rank_of(Mapping m) {
    static const int rank[] = {[MAP_O2O] = 0, [MAP_SHUFFLE] = 1, [MAP_REORG] = 2,  [MAP_O2M] = 3,
                               [MAP_M2M] = 4, [MAP_OPAQUE] = 5,  [MAP_CONTROL] = 6};
    return rank[m];
}

static int position(const Stmt *s, const Expr *e) {
    for (int i = 0; i < s->n_dom; i++)
        if (s->dom[i]->self == e) return i;
    return -1;
}

/* How one load's subscripts relate to the statement's own element. */
static Mapping load_mapping(const Stmt *s, const Expr *load) {
    int last = -1, used = 0;
    bool ordered = true, plain = true;
    for (int i = 0; i < load->n; i++) {
        int at = position(s, load->arg[i]);
        if (expr_has_load(load->arg[i])) return MAP_OPAQUE;
        if (at < 0 && !expr_is_int(load->arg[i], NULL)) plain = false;
        if (at >= 0) {
            ordered &= at > last;
            last = at;
            used++;
        }
    }
    int missing = 0;
    for (int i = 0; i < s->n_dom; i++) {
        bool any = false;
        for (int k = 0; k < load->n; k++) any |= expr_uses_var(load->arg[k], s->dom[i]);
        missing += !any && !expr_is(s->dom[i]->extent, 1);
    }
    /* a constant's broadcast counts as one to one */
    if (missing) return load->tensor->space == SP_CONST ? MAP_O2O : MAP_O2M;
    if (!plain) return MAP_REORG;
    return ordered ? MAP_O2O : MAP_SHUFFLE;
}

typedef struct Worst {
    const Stmt *s;
    Mapping m;
} Worst;

static void worst_load(void *user, const Expr *e) {
    Worst *w = user;
    if (e->kind != E_LOAD) return;
    Mapping m = load_mapping(w->s, e);
    if (rank_of(m) > rank_of(w->m)) w->m = m;
}

Mapping stmt_mapping(Ctx *ctx, const Stmt *s) {
    (void)ctx;
    if (s->kind == ST_SCATTER) return MAP_OPAQUE;
    if (s->kind != ST_MAP) return MAP_M2M;
    Worst w = {s, MAP_O2O};
    expr_visit(s->value, worst_load, &w);
    return w.m;
}

Mapping kernel_mapping(Ctx *ctx, const Kernel *k) {
    Mapping m = MAP_O2O;
    for (int i = 0; i < k->stmts.n; i++) {
        Mapping own = stmt_mapping(ctx, k->stmts.at[i]);
        if (rank_of(own) > rank_of(m)) m = own;
    }
    return m;
}

static int op_cost(const Expr *e) {
    if (e->type == DT_INDEX || e->type == DT_BOOL || e->kind != E_OP) return 0;
    if (scalar_info[e->op].flags & SF_MATH) return 10;
    return e->op == SOP_cast || e->op == SOP_bits ? 0 : 1;
}

static void add_cost(void *user, const Expr *e) {
    *(int *)user += op_cost(e);
}

int expr_cost(const Expr *e) {
    int cost = 0;
    expr_visit(e, add_cost, &cost);
    return cost;
}
