/* Result types: the checks that all operations share, broadcasting, and the pointwise operations.
 */
#include "ir/graph_infer.h"

typedef bool (*InferFn)(Graph *, Node *);
static const InferFn infer_table[] = {
#define G(name, lo, hi, outs, mapping, meaning) infer_##name,
#include "ir/graph_ops.def"
#undef G
};

bool infer_fail(Graph *g, const Node *n, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    Loc loc = node_loc(g, n);
    diag_error(g->ctx, &loc, "%s", text);
    for (int i = 0; i < n->n_in && i < 8; i++) {
        if (!n->in[i]) continue;
        Str s = str_new(g->ctx->perm);
        type_print(&s, &n->in[i]->type);
        diag_note(g->ctx, &loc, "input %d \"%s\" is %s", i, n->in[i]->name, str_c(&s));
    }
    return false;
}

void infer_set(Node *n, int k, DType dtype, Expr *const *dims, int rank) {
    n->out[k]->type = type_make(dtype, dims, rank);
}

int64_t attr_item(const Node *n, const char *attr, int i, int64_t otherwise) {
    const int64_t *list;
    int count = node_ints(n, attr, &list);
    return i < count ? list[i] : otherwise;
}

bool infer_one_of(Graph *g, const Node *n, const char *attr, const char *words) {
    const char *s = node_str(n, attr, "");
    size_t len = strlen(s);
    for (const char *p = words; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (len && !strncmp(p, s, len) && (p[len] == '|' || !p[len])) return true;
    return infer_fail(g, n, "%s is \"%s\", not one of %s", attr, s, words);
}

bool infer_axes(Graph *g, const Node *n, const char *what, const int64_t *axes, int count,
                int rank) {
    bool seen[MAX_RANK] = {false};
    for (int i = 0; i < count; i++) {
        if (axes[i] < 0 || axes[i] >= rank)
            return infer_fail(g, n, "%s: %lld is outside 0..%d", what, (long long)axes[i],
                              rank - 1);
        if (seen[axes[i]])
            return infer_fail(g, n, "%s: %lld stands there twice", what, (long long)axes[i]);
        seen[axes[i]] = true;
    }
    return true;
}

bool infer_axis(Graph *g, const Node *n, int rank) {
    int64_t axis = node_int(n, "axis", 0);
    return infer_axes(g, n, "axis", &axis, 1, rank);
}

bool infer_count(Graph *g, const Node *n, const char *attr, int count, int want) {
    if (count == want) return true;
    return infer_fail(g, n, "%s has %d entries, not %d", attr, count, want);
}

bool dims_differ(Ctx *ctx, Expr *a, Expr *b) {
    if (a == b) return false;
    int64_t x, y;
    if (expr_is_int(a, &x) && expr_is_int(b, &y)) return x != y;
    if (!expr_range(ctx, expr_sub(ctx, a, b), &x, &y)) return false;
    return x > 0 || y < 0;
}

bool infer_bias(Graph *g, const Node *n, const Value *v, const Type *to) {
    if (!v) return true;
    if (v->type.dtype != to->dtype)
        return infer_fail(g, n, "element types %s and %s differ", dtype_name(v->type.dtype),
                          dtype_name(to->dtype));
    int skip = to->rank - v->type.rank;
    bool fits = skip >= 0;
    for (int i = 0; fits && i < v->type.rank; i++)
        fits = expr_is(v->type.dims[i], 1) ||
               !dims_differ(g->ctx, v->type.dims[i], to->dims[skip + i]);
    if (fits) return true;
    Str s = str_new(g->ctx->perm);
    type_print(&s, &v->type);
    str_add(&s, " does not broadcast to ");
    type_print(&s, to);
    return infer_fail(g, n, "%s", str_c(&s));
}

Expr *infer_value_dim(Graph *g, const Type *on_record, int axis, const char *name) {
    if (on_record && axis < on_record->rank && on_record->dims[axis]) return on_record->dims[axis];
    return expr_sym(g->ctx, graph_sym(g, SYM_VALUE, name, 0, INT64_MAX));
}

/* ---- pointwise ---- */

bool at_least_two(Ctx *ctx, Expr *e) {
    int64_t lo, hi;
    return expr_range(ctx, e, &lo, &hi) && lo >= 2;
}

const char *const fit_names[FIT_COUNT] = {"equal", "first_one", "one", "at_most"};

bool node_fit(const Node *n, Fit *fit) {
    int i = 0;
    while (i < FIT_COUNT && strcmp(node_str(n, "fit", ""), fit_names[i])) i++;
    *fit = (Fit)i;
    return i < FIT_COUNT;
}

Expr *sizes_fit(Ctx *c, Expr *a, Expr *b, Fit fit) {
    Expr *one = expr_int(c, 1), *cond = expr_op2(c, fit == FIT_AT_MOST ? SOP_le : SOP_eq, a, b);
    if (fit == FIT_FIRST_ONE || fit == FIT_ONE)
        cond = expr_op2(c, SOP_or, cond, expr_op2(c, SOP_eq, a, one));
    if (fit == FIT_ONE) cond = expr_op2(c, SOP_or, cond, expr_op2(c, SOP_eq, b, one));
    return cond;
}

bool broadcast_dims(Ctx *ctx, Expr *a, Expr *b, Expr **out) {
    int64_t x, y;
    bool a_int = expr_is_int(a, &x), b_int = expr_is_int(b, &y);
    if (a == b || (b_int && y == 1)) *out = a;
    else if (a_int && x == 1) *out = b;
    else if (dims_differ(ctx, a, b) && dims_differ(ctx, a, expr_int(ctx, 1)) &&
             dims_differ(ctx, b, expr_int(ctx, 1)))
        return false;
    else if (a_int || b_int) *out = a_int ? a : b;
    else if (at_least_two(ctx, a) || expr_prove_eq(ctx, a, b)) *out = a;
    else if (at_least_two(ctx, b)) *out = b;
    else *out = expr_op3(ctx, SOP_select, expr_op2(ctx, SOP_eq, a, expr_int(ctx, 1)), b, a);
    return true;
}

static bool fail_broadcast(Graph *g, Node *n, int a, int b) {
    Str s = str_new(g->ctx->perm);
    str_add(&s, "shapes ");
    type_print(&s, &n->in[a]->type);
    str_add(&s, " and ");
    type_print(&s, &n->in[b]->type);
    str_add(&s, " do not broadcast");
    return infer_fail(g, n, "%s", str_c(&s));
}

static bool broadcast_shapes(Graph *g, Node *n, Type *out) {
    out->rank = 0;
    for (int k = 0; k < n->n_in; k++) {
        const Type *t = &n->in[k]->type;
        int old = out->rank, rank = MAX(old, t->rank);
        for (int i = rank - 1; i >= 0; i--) {
            int at_old = i - (rank - old), at_new = i - (rank - t->rank);
            Expr *have = at_old >= 0 ? out->dims[at_old] : expr_int(g->ctx, 1);
            Expr *more = at_new >= 0 ? t->dims[at_new] : expr_int(g->ctx, 1);
            if (!broadcast_dims(g->ctx, have, more, &out->dims[i]))
                return fail_broadcast(g, n, 0, k);
        }
        out->rank = rank;
    }
    return true;
}

static bool fits_flags(ScalarOp op, DType t) {
    int flags = scalar_info[op].flags;
    if (op == SOP_select && dtype_class(t) == DC_X) return true;
    if (dtype_class(t) == DC_X || t == DT_INDEX || t == DT_NONE) return false;
    if (flags & SF_FLT) return dtype_is_float(t);
    return !(flags & SF_INT) || dtype_is_int(t) || t == DT_BOOL;
}

static bool same_types(Graph *g, Node *n, int from) {
    for (int k = from + 1; k < n->n_in; k++) {
        DType a = n->in[from]->type.dtype, b = n->in[k]->type.dtype;
        if (a != b)
            return infer_fail(g, n, "element types %s and %s differ", dtype_name(a), dtype_name(b));
    }
    return true;
}

static bool infer_cast(Graph *g, Node *n, ScalarOp op, DType *out) {
    const char *to = node_str(n, "to", "");
    *out = dtype_by_name(to);
    DType from = n->in[0]->type.dtype;
    if (*out == DT_NONE || *out == DT_INDEX)
        return infer_fail(g, n, "there is no element type \"%s\"", to);
    if (op == SOP_bits && dtype_bits(from) != dtype_bits(*out))
        return infer_fail(g, n, "%s and %s are not equally wide", dtype_name(from),
                          dtype_name(*out));
    return true;
}

static bool infer_pointwise(Graph *g, Node *n) {
    ScalarOp op = op_scalar(n->op);
    const ScalarInfo *info = &scalar_info[op];
    Type out = {.dtype = n->in[0]->type.dtype};
    if (info->rule == SR_CAST) {
        if (!infer_cast(g, n, op, &out.dtype)) return false;
    } else {
        int first = info->rule == SR_SEL ? 1 : 0;
        if (first && out.dtype != DT_BOOL)
            return infer_fail(g, n, "the condition is %s, not bool", dtype_name(out.dtype));
        if (!same_types(g, n, first)) return false;
        DType operand = n->in[first]->type.dtype;
        if (!fits_flags(op_scalar(n->op), operand))
            return infer_fail(g, n, "%s is not defined on %s", info->name, dtype_name(operand));
        out.dtype = info->rule == SR_CMP ? DT_BOOL : operand;
    }
    if (!broadcast_shapes(g, n, &out)) return false;
    n->out[0]->type = out;
    return true;
}

/* ---- all operations ---- */

static bool check_operands(Graph *g, Node *n) {
    const OpInfo *info = op_info(n->op);
    if (n->n_in < info->min_in || (info->max_in >= 0 && n->n_in > info->max_in))
        return infer_fail(g, n, "%s has %d operands", info->name, n->n_in);
    if (info->n_out >= 0 && n->n_out != info->n_out)
        return infer_fail(g, n, "%s has %d results", info->name, n->n_out);
    for (int i = 0; i < n->n_in; i++) {
        bool optional = info->max_in > info->min_in && i >= info->min_in;
        optional |= n->op == OP_call || (n->op == OP_loop && i < 2);
        if (!n->in[i] && !optional) return infer_fail(g, n, "%s lacks operand %d", info->name, i);
    }
    return true;
}

static bool check_attrs(Graph *g, Node *n) {
    const char *op = op_info(n->op)->name;
    for (int i = 0; i < n->n_attr; i++) {
        const Attr *a = &n->attr[i];
        const AttrInfo *info = attr_info(n->op, a->name);
        if (!info && n->op == OP_call) continue;
        if (!info) return infer_fail(g, n, "%s has no attribute %s", op, a->name);
        if (info->kind != a->kind)
            return infer_fail(g, n, "attribute %s of %s has the wrong kind", a->name, op);
    }
    int rows;
    const AttrInfo *row = attr_rows(&rows);
    for (int i = 0; i < rows; i++)
        if (row[i].required && !strcmp(row[i].op, op) && !node_attr(n, row[i].name))
            return infer_fail(g, n, "%s lacks attribute %s", op, row[i].name);
    return true;
}

static bool check_results(Graph *g, Node *n) {
    for (int k = 0; k < n->n_out; k++) {
        const Type *t = &n->out[k]->type;
        for (int i = 0; i < t->rank; i++) {
            int64_t lo, hi;
            if (expr_range(g->ctx, t->dims[i], &lo, &hi) && hi < 0)
                return infer_fail(g, n, "dimension %d of the result would be negative (%lld)", i,
                                  (long long)hi);
        }
    }
    return true;
}

bool graph_infer(Graph *g, Node *n) {
    if (!check_operands(g, n) || !check_attrs(g, n)) return false;
    bool ok = op_is_scalar(n->op) ? infer_pointwise(g, n) : infer_table[n->op](g, n);
    if (!ok || !check_results(g, n)) return false;
    infer_cells(g, n);
    return true;
}

static void resolve_attrs(Graph *g, Node *n) {
    for (int i = 0; i < n->n_attr; i++)
        for (int k = 0; n->attr[i].kind == AT_EXPRS && k < n->attr[i].n; k++)
            n->attr[i].exprs[k] = expr_resolve(g->ctx, n->attr[i].exprs[k]);
    for (int i = 0; i < n->n_out; i++) type_resolve(g->ctx, &n->out[i]->type);
}

static void resolve_cells(Graph *g, Value *v) {
    type_resolve(g->ctx, &v->type);
    for (int i = 0; i < v->n_cells; i++)
        if (v->cells[i]) v->cells[i] = expr_resolve(g->ctx, v->cells[i]);
}

static bool region_again(Graph *g, Region *r) {
    for (int i = 0; i < r->n_args; i++) resolve_cells(g, r->args[i]);
    for (Node *n = r->first; n; n = n->next) {
        resolve_attrs(g, n);
        for (int i = 0; i < n->n_regions; i++)
            if (!region_again(g, n->region[i])) return false;
        if (!graph_infer(g, n)) return false;
    }
    return true;
}

bool graph_infer_again(Graph *g) {
    for (int i = 0; i < g->consts.n; i++) resolve_cells(g, g->consts.at[i]);
    return region_again(g, g->body);
}
