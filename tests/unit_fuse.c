/* What may be fused: the verdicts of DNNFusion's table, mapping types read off statements, access
 * maps turned round. */
#include "ir/lex.h"
#include "passes/kernel/fuse.h"

#include <stdlib.h>

static int failures;

static void expect(bool ok, const char *what) {
    if (ok) return;
    failures++;
    printf("%s\n", what);
}

/* ---- the table ---- */
static const char *const mapping_names[] = {
    [MAP_O2O] = "O2O",        [MAP_O2M] = "O2M",         [MAP_M2M] = "M2M",
    [MAP_REORG] = "Reorg",    [MAP_SHUFFLE] = "Shuffle", [MAP_OPAQUE] = "opaque",
    [MAP_CONTROL] = "control"};

/* Table 3 of the paper, a line for each first operation; G fuses, Y needs a look at the cost, R
 * never does. */
static const char paper[] = "          O2O        O2M      M2M      Reorg    Shuffle   \n"
                            "O2O       G O2O      G O2M    G M2M    G Reorg  G Shuffle \n"
                            "O2M       G O2M      Y O2M    R        Y O2M    Y O2M     \n"
                            "M2M       G M2M      Y M2M    R        Y M2M    Y M2M     \n"
                            "Reorg     G Reorg    Y O2M    Y M2M    G Reorg  G Reorg   \n"
                            "Shuffle   G Shuffle  Y O2M    Y M2M    G Reorg  G Shuffle \n";

static Mapping mapping_by_name(const char *word) {
    for (int i = 0; i < LEN(mapping_names); i++)
        if (!strcmp(word, mapping_names[i])) return (Mapping)i;
    BUG("no mapping type %s", word);
}

static const char *next_word(char *word, const char *at) {
    at += strspn(at, " \n");
    size_t n = strcspn(at, " \n");
    memcpy(word, at, n);
    word[n] = 0;
    return at + n;
}

static void check_cell(Mapping first, Mapping second, char want, const char *type) {
    Mapping fused = MAP_CONTROL;
    Verdict v = fuse_verdict(first, second, &fused);
    bool ok = v == (want == 'G' ? FUSE_YES : want == 'Y' ? FUSE_COST : FUSE_NO);
    if (want != 'R') ok &= fused == mapping_by_name(type);
    if (ok) return;
    failures++;
    printf("%s then %s: not %c %s\n", mapping_names[first], mapping_names[second], want, type);
}

static void check_table(void) {
    Mapping column[5];
    char word[16], type[16];
    const char *at = paper;
    int cells = 0;
    for (int i = 0; i < 5; i++) at = next_word(word, at), column[i] = mapping_by_name(word);
    for (int row = 0; row < 5; row++) {
        at = next_word(word, at);
        Mapping first = mapping_by_name(word);
        for (int i = 0; i < 5; i++, cells++) {
            at = next_word(word, at);
            type[0] = 0;
            if (*word != 'R') at = next_word(type, at);
            check_cell(first, column[i], *word, type);
        }
    }
    expect(cells == 25, "the table has 25 cells");
    for (Mapping m = MAP_O2O; m <= MAP_CONTROL; m++) {
        check_cell(MAP_OPAQUE, m, 'R', "");
        check_cell(m, MAP_CONTROL, 'R', "");
    }
}

/* ---- statements ---- */
static const char frame[] =
    "program p(%%x : f32[4,6], %%v : f32[6], %%i : i64[4], %%q : f32[8,6]) -> (%s) {\n"
    "  const %%c : f32[6] = rand(1)\n  kernel k0 {\n    %s\n  }\n}\n";

static Stmt *parse_stmt(Ctx *ctx, const char *out, const char *stmt) {
    char *text = arena_printf(ctx->perm, frame, out, stmt);
    Program *p = program_parse(ctx, lex_open(ctx, "statement", text, strlen(text)));
    if (!p || !program_verify(p, "in the test")) BUG("does not parse: %s", stmt);
    Kernel *k = p->body->items.at[0]->kernel;
    return k->stmts.at[k->stmts.n - 1];
}

static const struct {
    const char *out, *stmt;
    Mapping want;
} statements[] = {
    {"%y : f32[4,6]", "%y[a<4, b<6] = exp(%x[a, b])", MAP_O2O},
    {"%y : f32[2,6]", "%y[a<2, b<6] = %x[2, b]", MAP_O2M}, /* a is in no subscript */
    {"%y : f32[6]", "%y[b<6] = %x[2, b]", MAP_O2O},
    {"%y : f32[4,6]", "%y[a<4, b<6] = %x[a, b] + %v[b]", MAP_O2M},
    {"%y : f32[4,6]", "%y[a<4, b<6] = %x[a, b] + %c[b]", MAP_O2O}, /* a constant's broadcast */
    {"%y : f32[6,4]", "%y[a<6, b<4] = %x[b, a]", MAP_SHUFFLE},
    {"%y : f32[24]", "%y[a<24] = %x[a / 6, a % 6]", MAP_REORG},
    {"%y : f32[2,6]", "%y[a<2, b<6] = %x[a + 1, b]", MAP_REORG}, /* a slice */
    {"%y : f32[1,4,6]", "%y[n<1, a<4, b<6] = %x[a, b]", MAP_O2O},
    {"%y : f32[4]", "%y[a<4] = sum[b<6] %x[a, b]", MAP_M2M},
    {"%y : f32[4,6]", "%y[a<4, b<6] = scan sum[b] %x[a, b]", MAP_M2M},
    {"%y : f32[4,6]", "%y[a<4, b<6] = %q[bound(cast(index, %i[a]), 8), b]", MAP_OPAQUE},
    {"%y : f32[4,6]", "%y[a<4, b<6] = %x[a, b] * %q[2*a, b]", MAP_REORG}, /* the worst of both */
};

static void check_statements(Ctx *ctx) {
    for (int i = 0; i < LEN(statements); i++) {
        Stmt *s = parse_stmt(ctx, statements[i].out, statements[i].stmt);
        Mapping m = stmt_mapping(ctx, s);
        if (m == statements[i].want) continue;
        failures++;
        printf("%s: %s, not %s\n", statements[i].stmt, mapping_names[m],
               mapping_names[statements[i].want]);
    }
    Stmt *s =
        parse_stmt(ctx, "%y : f32[8,6]",
                   "%y[a<8, b<6] = %q[a, b]\n"
                   "    [k<4, b<6] %y[bound(cast(index, %i[k]), 8), b] = scatter sum %x[k, b]");
    expect(stmt_mapping(ctx, s) == MAP_OPAQUE, "a scatter is opaque");
}

static void check_costs(Ctx *ctx) {
    static const struct {
        const char *stmt;
        int cost;
    } costs[] = {
        {"%y[a<4, b<6] = %x[a, b]", 0},
        {"%y[a<4, b<6] = %x[(a + 1) % 4, b]", 0}, /* subscripts are free */
        {"%y[a<4, b<6] = max(%x[a, b] + %v[b], 0.0)", 2},
        {"%y[a<4, b<6] = exp(%x[a, b])", 10},
        {"%y[a<4, b<6] = guard(a < 2, %x[a, b], 0.0)", 0},
    };
    for (int i = 0; i < LEN(costs); i++) {
        int cost = expr_cost(parse_stmt(ctx, "%y : f32[4,6]", costs[i].stmt)->value);
        if (cost == costs[i].cost) continue;
        failures++;
        printf("%s costs %d, not %d\n", costs[i].stmt, cost, costs[i].cost);
    }
}

/* ---- inversion ---- */
/* A consumer reads %x of 4 by 6; where that is a bijection, its variables a, b, c in terms of those
 * of %x[i<4, j<6]. */
static const struct {
    const char *out, *stmt, *want;
} maps[] = {
    {"%y : f32[4,6]", "%y[a<4, b<6] = %x[a, b]", "a=i b=j"},
    {"%y : f32[6,4]", "%y[a<6, b<4] = %x[b, a]", "a=j b=i"},
    {"%y : f32[24]", "%y[a<24] = %x[a / 6, a % 6]", "a=i*6 + j"},
    {"%y : f32[4,2,3]", "%y[a<4, b<2, c<3] = %x[a, b*3 + c]", "a=i b=j / 3 c=j % 3"},
    {"%y : f32[3,4,2]", "%y[a<3, b<4, c<2] = %x[b, c*3 + a]", "a=j % 3 b=i c=j / 3"},
    {"%y : f32[4,1,6]", "%y[a<4, b<1, c<6] = %x[a, c]", "a=i b=0 c=j"},
    {"%y : f32[2,6]", "%y[a<2, b<6] = %x[a, b]", NULL}, /* some elements only */
    {"%y : f32[4,6]", "%y[a<4, b<6] = %x[a, (b + 1) % 6]", NULL},
    {"%y : f32[4,6,2]", "%y[a<4, b<6, c<2] = %x[a, b]", NULL}, /* several readers */
    {"%y : f32[4]", "%y[a<4] = %x[a, a]", NULL},
    {"%y : f32[4,2,3]", "%y[a<4, b<2, c<3] = %x[a, b + c*2]", "a=i b=j % 2 c=j / 2"},
    {"%y : f32[4,2,3]", "%y[a<4, b<2, c<3] = %x[a, b*2 + c]", NULL}, /* these overlap */
};

static const char *solution(Ctx *ctx, const Stmt *c, Expr **solved) {
    Str s = str_new(ctx->perm);
    for (int i = 0; i < c->n_dom; i++) {
        str_fmt(&s, "%s%s=", i ? " " : "", c->dom[i]->name);
        expr_print(&s, solved[i]);
    }
    return str_c(&s);
}

static void check_maps(Ctx *ctx) {
    Stmt *d = parse_stmt(ctx, "%z : f32[4,6]", "%z[i<4, j<6] = exp(%x[i, j])");
    for (int i = 0; i < LEN(maps); i++) {
        Stmt *c = parse_stmt(ctx, maps[i].out, maps[i].stmt);
        Expr *solved[MAX_RANK];
        bool ok = invert_access(ctx, c, c->value->arg, d, solved);
        const char *got = ok ? solution(ctx, c, solved) : "none";
        if (!strcmp(got, maps[i].want ? maps[i].want : "none")) continue;
        failures++;
        printf("%s: %s, not %s\n", maps[i].stmt, got, maps[i].want ? maps[i].want : "none");
    }
}

int main(void) {
    Ctx *ctx = ctx_new();
    check_table();
    check_statements(ctx);
    check_costs(ctx);
    check_maps(ctx);
    ctx_free(ctx);
    printf("%d failures\n", failures);
    return failures != 0;
}
