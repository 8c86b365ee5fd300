/* Expressions to C: text that is evaluated where the statement stands, and temporaries in front
 * of it. */
#include "codegen/c/gen.h"

enum { MAX_TEXT = 88 }; /* longer ones get a temporary */

/* ---- how often a statement mentions a node ---- */
static void count(Printer *p, const Expr *e) {
    uint64_t key = (uint64_t)(uintptr_t)e;
    map_set_int(p->uses, key, (void *)((uintptr_t)map_get_int(p->uses, key) + 1));
}

static void count_args(void *user, const Expr *e) {
    for (int i = 0; i < e->n; i++) count(user, e->arg[i]);
}

static void count_root(void *user, Expr *e) {
    count(user, e);
    expr_visit(e, count_args, user);
}

void c_stmt_begin(Printer *p, const LStmt *l) {
    p->uses = map_new(p->arena);
    lstmt_each_expr(l, count_root, p);
}

void c_stmt_end(Printer *p) {
    CLevel *l = &p->levels.at[p->levels.n - 1];
    int n = 0;
    for (int i = 0; i < l->values.n; i++)
        if (l->values.at[i].pure) l->values.at[n++] = l->values.at[i];
    l->values.n = n;
}

static bool is_light(const Expr *e) {
    switch (e->kind) {
    case E_INT:
    case E_FLT:
    case E_SYM:
    case E_VAR:
        return true;
    case E_SUM:
    case E_PROD:
        for (int i = 0; i < e->n; i++)
            if (!is_light(e->arg[i])) return false;
        return e->n <= 2;
    case E_OP:
        return e->op == SOP_cast && e->arg[0]->kind == E_VAR;
    default:
        return false;
    }
}

static bool is_shared(Printer *p, const Expr *e) {
    return !p->host && !is_light(e) && (uintptr_t)map_get_int(p->uses, (uint64_t)(uintptr_t)e) > 1;
}

/* ---- where a value can be computed ---- */
typedef struct ValueHome {
    Printer *p;
    int level;   /* the innermost of its variables */
    bool memory; /* loads, or may fault */
    bool costly; /* more than sums and products */
} ValueHome;

static void look_at_node(void *user, const Expr *e) {
    ValueHome *h = user;
    const Printer *p = h->p;
    if (e->kind == E_LOAD || e->kind == E_BOUND) h->memory = true;
    if ((e->kind == E_OP && e->op != SOP_cast) || e->kind == E_GUARD) h->costly = true;
    if (e->kind != E_VAR) return;
    for (int i = p->names.n - 1; i >= 0; i--)
        if (p->names.at[i].what == e->var) h->level = MAX(h->level, p->names.at[i].level);
}

static ValueHome home_of(Printer *p, const Expr *e) {
    ValueHome h = {.p = p, .level = 1};
    expr_visit(e, look_at_node, &h);
    if (h.memory) h.level = p->levels.n - 1;
    return h;
}

static void keep(Printer *p, const Expr *e, const char *name, const ValueHome *h) {
    vec_push(p->arena, &p->levels.at[h->level].values, ((CValue){e, name, !h->memory}));
}

static const char *temp_name(Printer *p) {
    return name_top(p, NULL, arena_printf(p->arena, "t%d", ++p->n_temps));
}

static const char *make_temp(Printer *p, const Expr *e, const char *text, const ValueHome *h) {
    const char *name = temp_name(p), *type = c_value_type(p, e->type);
    c_line_at(p, h->level, arena_printf(p->arena, "%s %s = %s;", type, name, text));
    keep(p, e, name, h);
    return name;
}

/* ---- leaves ---- */
static void find_late(void *user, const Expr *e) {
    if (e->kind != E_SYM) return;
    if (e->sym->kind == SYM_VALUE) *(bool *)user = true;
    else if (e->sym->kind == SYM_DERIVED && e->sym->def) expr_visit(e->sym->def, find_late, user);
}

/* Known only during the run: such symbols are computed where they are used. */
static bool is_late(const Expr *e) {
    bool late = false;
    expr_visit(e, find_late, &late);
    return late;
}

static const char *sym_text(Printer *p, const Expr *e) {
    Sym *s = e->sym;
    if (s->kind == SYM_DERIVED && s->def && is_late(s->def)) return c_expr(p, s->def, PREC_ATOM);
    if (p->host) return arena_printf(p->arena, "syms[%d]", s->slot);
    const char *name = name_find(p, s);
    if (name) return name;
    vec_push(p->arena, &p->syms, s);
    return name_top(p, s, s->name);
}

static const char *var_text(Printer *p, const Var *v) {
    const char *name = name_find(p, v);
    if (!name) BUG("variable %s has no name in the C text", v->name);
    return name;
}

static const char *checked(Printer *p, const char *name, const char *a, const char *b) {
    if (!a) return b;
    return arena_printf(p->arena, "%s(%s, %s, &bad)", name, a, b);
}

/* ---- index arithmetic ---- */
static const char *prod_text(Printer *p, const Expr *e, bool sign) {
    Str s = str_new(p->arena);
    const char *acc = NULL;
    int64_t k = sign || e->i == INT64_MIN || e->i >= 0 ? e->i : -e->i;
    for (int i = 0; i < e->n; i++) {
        const char *factor = c_expr(p, e->arg[i], i ? PREC_UNARY : PREC_PRODUCT);
        acc = checked(p, "product_checked", acc, factor);
        str_fmt(&s, i ? " * %s" : "%s", factor);
    }
    const char *number = c_int(p->arena, DT_INDEX, k);
    if (k != 1 || e->n == 0) {
        acc = checked(p, "product_checked", acc, number);
        str_fmt(&s, e->n ? " * %s" : "%s", number);
    }
    return p->checked ? acc : str_c(&s);
}

static bool is_negative(const Expr *term) {
    return term->kind == E_PROD && term->i < 0 && term->i != INT64_MIN;
}

/* The constant comes first where it is the only positive term. */
static bool constant_leads(const Printer *p, const Expr *e) {
    if (p->checked || e->i <= 0) return false;
    for (int i = 0; i < e->n; i++)
        if (!is_negative(e->arg[i])) return false;
    return true;
}

static const char *sum_text(Printer *p, const Expr *e) {
    Str s = str_new(p->arena);
    const char *acc = NULL;
    bool leads = constant_leads(p, e), minus = e->i < 0 && e->i != INT64_MIN;
    if (leads) str_add(&s, c_int(p->arena, DT_INDEX, e->i));
    for (int down = 0; down < 2; down++)
        for (int i = 0; i < e->n; i++) {
            const Expr *term = e->arg[i];
            if (!p->checked && is_negative(term) != down) continue;
            if (p->checked && down) continue;
            bool product = term->kind == E_PROD;
            bool flip = down && s.n;
            const char *text = product ? prod_text(p, term, !flip) : c_expr(p, term, PREC_PRODUCT);
            acc = checked(p, "sum_checked", acc, text);
            str_fmt(&s, "%s%s", !s.n ? "" : down ? " - " : " + ", text);
        }
    if (e->i && !leads) {
        acc = checked(p, "sum_checked", acc, c_int(p->arena, DT_INDEX, e->i));
        str_fmt(&s, minus ? " - %s" : " + %s", c_int(p->arena, DT_INDEX, minus ? -e->i : e->i));
    }
    return p->checked ? acc : str_c(&s);
}

bool c_index_plain(Printer *p, const Expr *e) {
    int64_t lo, hi, least, most;
    if (p->checked) return false;
    expr_range(p->ctx, e->arg[0], &lo, &hi);
    expr_range(p->ctx, e->arg[1], &least, &most);
    return lo >= 0 && least >= 1;
}

/* ---- loads ---- */
static const char *bound_text(Printer *p, const Expr *e) {
    p->faults = true;
    const char *i = c_expr(p, e->arg[0], PREC_ANY), *n = c_expr(p, e->arg[1], PREC_ANY);
    return arena_printf(p->arena, "bound_index(%s, %s, &fault)", i, n);
}

typedef struct Empty {
    Printer *p;
    const char *text;
} Empty;

static void find_empty(void *user, const Expr *e) {
    Empty *x = user;
    int64_t lo, hi;
    if (e->kind != E_BOUND) return;
    expr_range(x->p->ctx, e->arg[1], &lo, &hi);
    if (lo > 0) return;
    const char *n = c_expr(x->p, e->arg[1], PREC_SUM);
    x->text = arena_printf(x->p->arena, x->text ? "%s > 0 && %s" : "%s > 0", n, x->text);
}

const char *c_some(Printer *p, const Expr *index) {
    Empty x = {p, NULL};
    if (expr_has_load(index)) expr_visit(index, find_empty, &x);
    return x.text;
}

const char *c_element(Printer *p, const Tensor *t, const Expr *index) {
    if (p->host) return p->element(p->user, t, c_expr(p, index, PREC_ANY));
    const char *piece = c_piece_element(p, t, index), *name = name_find(p, t);
    if (piece) return piece;
    if (!name) BUG("%%%s has no name in the C text", t->name);
    return arena_printf(p->arena, "%s[%s]", name, c_expr(p, index, PREC_ANY));
}

static const char *load_text(Printer *p, const Expr *e, int *prec) {
    const char *x = c_element(p, e->tensor, e->arg[0]), *some = c_some(p, e->arg[0]);
    *prec = PREC_ATOM;
    if (e->type == DT_F16 || e->type == DT_BF16)
        x = arena_printf(p->arena, "f32_of_%s(%s)", dtype_name(e->type), x);
    if (e->type == DT_BOOL) x = arena_printf(p->arena, "(%s != 0)", x);
    if (!some) return x;
    *prec = PREC_ANY;
    const char *zero = e->type == DT_STR ? "(struct onnxcc_string){0, 0}" : "0";
    return arena_printf(p->arena, "%s ? %s : %s", some, x, zero);
}

/* ---- guards ---- */

/* The text of e in a block of its own: what must stand in front of it goes to *before. */
static const char *inner_text(Printer *p, const Expr *e, Str *before) {
    int target = p->target;
    level_open(p);
    p->target = 0;
    const char *text = c_expr(p, e, PREC_ANY + 1);
    p->target = target;
    level_close(p, before);
    return text;
}

static void add_arm(Printer *p, const Str *before, const char *name, const char *text) {
    level_add(p, before);
    c_line(p, "    %s = %s;", name, text);
}

static const char *guard_text(Printer *p, const Expr *e, int *prec) {
    Str yes, no;
    const char *cond = c_expr(p, e->arg[0], PREC_BITS);
    const char *a = inner_text(p, e->arg[1], &yes), *b = inner_text(p, e->arg[2], &no);
    *prec = PREC_ANY;
    if (!yes.n && !no.n) return arena_printf(p->arena, "%s ? %s : %s", cond, a, b);
    const char *name = temp_name(p);
    c_line(p, "%s %s;", c_value_type(p, e->type), name);
    c_line(p, "if (%s) {", cond);
    add_arm(p, &yes, name, a);
    c_line(p, "} else {");
    add_arm(p, &no, name, b);
    c_line(p, "}");
    keep(p, e, name, &(ValueHome){.level = p->levels.n - 1, .memory = true});
    *prec = PREC_ATOM;
    return name;
}

/* ---- any ---- */
static const char *operation_text(Printer *p, const Expr *e, int *prec) {
    const char *arg[3] = {NULL};
    for (int i = 0; i < e->n; i++) arg[i] = c_expr(p, e->arg[i], c_operand(p, e, i));
    return c_op(p, e, arg, prec);
}

static const char *compute(Printer *p, const Expr *e, int *prec) {
    *prec = PREC_ATOM;
    switch (e->kind) {
    case E_INT:
    case E_FLT:
        return c_literal(p, e, prec);
    case E_VAR:
        return var_text(p, e->var);
    case E_SYM:
        return sym_text(p, e);
    case E_SUM:
        if (!p->checked) *prec = PREC_SUM;
        return sum_text(p, e);
    case E_PROD:
        if (!p->checked) *prec = PREC_PRODUCT;
        return prod_text(p, e, true);
    case E_OP:
        return operation_text(p, e, prec);
    case E_LOAD:
        return load_text(p, e, prec);
    case E_GUARD:
        return guard_text(p, e, prec);
    case E_BOUND:
        return bound_text(p, e);
    }
    BUG("expression of kind %d", (int)e->kind);
}

static const char *known(Printer *p, const Expr *e) {
    for (int l = p->levels.n - 1; l >= 0; l--)
        for (int i = p->levels.at[l].values.n - 1; i >= 0; i--)
            if (p->levels.at[l].values.at[i].e == e) return p->levels.at[l].values.at[i].name;
    return NULL;
}

/* Whether it is worth computing e further out than where it is used. */
static bool is_outer(const Printer *p, const ValueHome *h) {
    int here = p->target ? p->target : p->levels.n - 1;
    return h->costly && !h->memory && h->level < here;
}

static const char *wrapped(Printer *p, const char *text, int prec, int least) {
    return prec < least ? arena_printf(p->arena, "(%s)", text) : text;
}

const char *c_expr(Printer *p, const Expr *e, int least) {
    int prec, target = p->target;
    const char *text = p->host ? NULL : known(p, e);
    if (text) return text;
    if (p->host || e->n == 0) {
        text = compute(p, e, &prec);
        return wrapped(p, text, prec, least);
    }
    ValueHome h = home_of(p, e);
    bool temp = e->kind == E_BOUND || is_shared(p, e) || is_outer(p, &h);
    if (temp) p->target = h.level;
    text = compute(p, e, &prec);
    p->target = target;
    if (known(p, e)) return text; /* a guard that became a statement */
    bool wide = e->kind != E_PROD && e != p->root && strlen(text) > MAX_TEXT;
    if (temp || wide) return make_temp(p, e, text, &h);
    return wrapped(p, text, prec, least);
}
