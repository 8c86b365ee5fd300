/* The graph as a whole: tables of operations and attributes, types, symbols, names, inputs, outputs
 * and regions. */
#include "ir/graph.h"

#define MAP(m) MAP_##m
static const OpInfo op_rows[] = {
#define G(name, lo, hi, outs, mapping, meaning) {#name, lo, hi, outs, MAP(mapping), meaning},
#include "ir/graph_ops.def"
#undef G
#define S(name, arity, rule, flags, meaning) {#name, arity, arity, 1, MAP_O2O, #meaning},
#include "ir/scalar_ops.def"
#undef S
};

static const AttrInfo attr_table[] = {
#define REQ true
#define OPT false
#define A(op, name, kind, use, otherwise) {#op, #name, AT_##kind, use, otherwise},
#include "ir/graph_attrs.def"
#undef A
#undef REQ
#undef OPT
};

const OpInfo *op_info(Op op) {
    return &op_rows[op];
}

int op_by_name(const char *name) {
    for (int i = 0; i < LEN(op_rows); i++)
        if (!strcmp(op_rows[i].name, name)) return i;
    return -1;
}

const AttrInfo *attr_rows(int *n) {
    *n = LEN(attr_table);
    return attr_table;
}

const AttrInfo *attr_info(Op op, const char *name) {
    const char *op_name = op_info(op)->name;
    for (int i = 0; i < LEN(attr_table); i++)
        if (!strcmp(attr_table[i].op, op_name) && !strcmp(attr_table[i].name, name))
            return &attr_table[i];
    return NULL;
}

/* ---- types ---- */

Type type_make(DType dtype, Expr *const *dims, int rank) {
    Type t = {.dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++) t.dims[i] = dims[i];
    return t;
}

Expr *type_elements(Ctx *ctx, const Type *t) {
    return expr_product(ctx, t->dims, t->rank);
}

bool type_static(const Type *t, int64_t *elements) {
    int64_t product = 1;
    for (int i = 0; i < t->rank; i++) {
        int64_t dim;
        if (!expr_is_int(t->dims[i], &dim)) return false;
        if (__builtin_mul_overflow(product, dim, &product)) return false;
    }
    if (elements) *elements = product;
    return true;
}

bool type_equal(Ctx *ctx, const Type *a, const Type *b) {
    if (a->dtype != b->dtype || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i] && !expr_prove_eq(ctx, a->dims[i], b->dims[i])) return false;
    return true;
}

void type_resolve(Ctx *ctx, Type *t) {
    for (int i = 0; i < t->rank; i++) t->dims[i] = expr_resolve(ctx, t->dims[i]);
}

void type_print(Str *s, const Type *t) {
    str_add(s, dtype_name(t->dtype));
    str_char(s, '[');
    for (int i = 0; i < t->rank; i++) {
        if (i) str_char(s, ',');
        expr_print(s, t->dims[i]);
    }
    str_char(s, ']');
}

/* ---- the graph ---- */

Graph *graph_new(Ctx *ctx, const char *name) {
    Graph *g = NEW(ctx->perm, Graph);
    g->ctx = ctx;
    g->name = arena_str(ctx->perm, name);
    g->names = map_new(ctx->perm);
    g->sym_names = map_new(ctx->perm);
    g->body = NEW(ctx->perm, Region);
    g->at = g->body;
    return g;
}

/* The names map counts how often a base name was asked for. */
char *graph_name(Graph *g, const char *base) {
    Arena *perm = g->ctx->perm;
    if (!base || !*base) base = "v";
    int *taken = map_get(g->names, base);
    if (!taken) {
        map_set(g->names, base, NEW(perm, int));
        return arena_str(perm, base);
    }
    for (;;) {
        char *name = arena_printf(perm, "%s_%d", base, ++*taken);
        if (map_get(g->names, name)) continue;
        map_set(g->names, name, NEW(perm, int));
        return name;
    }
}

void graph_rename(Graph *g, Value *v, const char *base) {
    v->name = graph_name(g, base);
}

static bool ident_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Words that mean something else where the text of an expression or of a where clause has a symbol.
 */
static bool reserved(const char *name) {
    static const char *const words[] = {"in",    "value",  "derived", "where", "none", "inf",
                                        "nan",   "true",   "false",   "cast",  "bits", "guard",
                                        "bound", "select", "by",      "loc"};
    for (int i = 0; i < LEN(words); i++)
        if (!strcmp(words[i], name)) return true;
    if (name[0] == 'd' && name[1] && strspn(name + 1, "0123456789") == strlen(name + 1))
        return true;
    return scalar_by_name(name) >= 0 || dtype_by_name(name) != DT_NONE;
}

/* A model may call a dimension anything: what is not an identifier of ours becomes one. */
static char *clean_name(Graph *g, const char *name) {
    Str s = str_new(g->ctx->perm);
    if (!*name || (*name >= '0' && *name <= '9')) str_char(&s, 's');
    for (const char *p = name; *p; p++) str_char(&s, ident_char(*p) ? *p : '_');
    if (reserved(str_c(&s))) str_char(&s, '_');
    const char *base = arena_str(g->ctx->perm, str_c(&s));
    for (int i = 1; graph_find_sym(g, str_c(&s)); i++) {
        s = str_new(g->ctx->perm);
        str_fmt(&s, "%s_%d", base, i);
    }
    return arena_str(g->ctx->perm, str_c(&s));
}

Sym *graph_sym(Graph *g, SymKind kind, const char *name, int64_t lo, int64_t hi) {
    Sym *known = kind == SYM_INPUT ? map_get(g->sym_names, name) : NULL;
    if (known) return known;
    Sym *s = sym_new(g->ctx, kind, clean_name(g, name), lo, hi);
    vec_push(g->ctx->perm, &g->syms, s);
    if (kind == SYM_INPUT) map_set(g->sym_names, name, s);
    return s;
}

Sym *graph_find_sym(const Graph *g, const char *name) {
    for (int i = 0; i < g->syms.n; i++)
        if (!strcmp(g->syms.at[i]->name, name)) return g->syms.at[i];
    return NULL;
}

static Value *value_new(Graph *g, const char *name, const Type *t) {
    Value *v = NEW(g->ctx->perm, Value);
    v->name = graph_name(g, name);
    v->type = *t;
    return v;
}

Value *graph_input(Graph *g, const char *name, const Type *t) {
    return region_arg(g, g->body, name, t);
}

void graph_output(Graph *g, Value *v, const char *name) {
    Arena *perm = g->ctx->perm;
    int n = g->body->n_results;
    char **names = NEW_ARRAY(perm, char *, n + 1);
    if (n) memcpy(names, g->output_names, sizeof(char *) * (size_t)n);
    names[n] = arena_str(perm, name);
    g->output_names = names;
    region_result(g, g->body, v);
}

/* ---- regions ---- */

static Value **append(Arena *a, Value **list, int n, Value *v) {
    bool full = (n & (n - 1)) == 0; /* capacities are powers of two */
    if (full) {
        Value **more = NEW_ARRAY(a, Value *, n ? 2 * n : 1);
        if (n) memcpy(more, list, sizeof(Value *) * (size_t)n);
        list = more;
    }
    list[n] = v;
    return list;
}

Region *region_new(Graph *g, Node *owner) {
    CHECK(owner->n_regions < LEN(owner->region));
    Region *r = NEW(g->ctx->perm, Region);
    r->owner = owner;
    owner->region[owner->n_regions++] = r;
    return r;
}

Value *region_arg(Graph *g, Region *r, const char *name, const Type *t) {
    Value *v = value_new(g, name, t);
    v->home = r;
    r->args = append(g->ctx->perm, r->args, r->n_args, v);
    r->n_args++;
    return v;
}

void region_result(Graph *g, Region *r, Value *v) {
    r->results = append(g->ctx->perm, r->results, r->n_results, v);
    r->n_results++;
}

Loc node_loc(const Graph *g, const Node *n) {
    if (g->text.line) return g->text;
    return (Loc){
        .file = g->ctx->file, .node = n->origin.node, .op = n->origin.op, .opset = n->origin.opset};
}
