/* CUDA: threads of a block combine their values, as calls of runtime/combine.h. */
#include "codegen/c/gen.h"

enum {
    MANY_LANES = 32, /* from so many on a team of threads joins several values */
    ROOM = 8192      /* bytes of such values that are joined at a time */
};

/* Shared memory with a value for each thread, one for each type and use. */
static const char *room_for(Printer *p, DType t, bool positions) {
    static const char keys[2][N_DTYPES];
    const char *key = &keys[positions][t], *name = name_find(p, key);
    if (name) return name;
    name = name_top(p, key, positions ? "places" : "room");
    c_line_at(p, 1,
              arena_printf(p->arena, "__shared__ %s %s[%d];", c_value_type(p, t), name,
                           c_kernel_threads(p->func)));
    return name;
}

static int64_t threads_inside(const LStmt *loop) {
    int64_t n, step = 1;
    while (lstmt_is_chain(loop)) {
        loop = loop->body.at.at[0];
        if (expr_is_int(loop->hi, &n)) step *= n;
    }
    return step;
}

/* A value from memory, or for it. */
static const char *converted(Printer *p, DType t, bool to_memory, const char *v) {
    if (t != DT_F16 && t != DT_BF16) return v;
    const char *name = dtype_name(t);
    return to_memory ? arena_printf(p->arena, "%s_of_f32(%s)", name, v)
                     : arena_printf(p->arena, "f32_of_%s(%s)", name, v);
}

static void print_prefix(Printer *p, const LStmt *l, int64_t n) {
    DType t = l->tensor->dtype;
    const char *v = c_element(p, l->tensor, l->index), *all = name_top(p, NULL, "all");
    c_line(p, "%s %s;", c_value_type(p, t), all);
    const char *none = c_expr(p, reduce_identity(p->ctx, l->red, t), PREC_ANY);
    const char *call = arena_printf(p->arena, "prefix_%s_%s(%s, %s, &%s, %lld, %s)",
                                    reduce_names[l->red], dtype_name(t), converted(p, t, false, v),
                                    none, all, (long long)n, room_for(p, t, false));
    c_line(p, "%s = %s;", v, converted(p, t, true, call));
    c_line(p, "%s = %s;", c_element(p, l->args[0], l->iargs[0]), converted(p, t, true, all));
}

void c_combine(Printer *p, const LStmt *l) {
    CHECK(p->dialect == DIALECT_CUDA);
    const LStmt *loop = lfunc_find_loop(p->func, l->var);
    DType t = l->tensor->dtype;
    int64_t n = loop->hi->i, step = threads_inside(loop);
    bool far = n * step > 32;
    const char *v = c_element(p, l->tensor, l->index), *room = far ? room_for(p, t, false) : "0";
    if (l->prefix) {
        print_prefix(p, l, n);
        return;
    }
    const char *size = arena_printf(p->arena, "%lld, %lld", (long long)n, (long long)step);
    if (l->red != RED_ARGMAX && l->red != RED_ARGMIN) {
        const char *call = arena_printf(p->arena, "combine_%s_%s(%s, %s, %s)", reduce_names[l->red],
                                        dtype_name(t), converted(p, t, false, v), size, room);
        c_line(p, "%s = %s;", v, converted(p, t, true, call));
        return;
    }
    const char *max = l->red == RED_ARGMAX ? "true" : "false", *last = l->last ? "true" : "false";
    const char *places = far ? room_for(p, DT_I64, true) : "0";
    const char *best = name_top(p, NULL, "best"), *at = name_top(p, NULL, "at");
    c_line(p, "%s %s = %s;", c_value_type(p, t), best, converted(p, t, false, v));
    const char *where = l->n_args ? c_element(p, l->args[0], l->iargs[0]) : "0";
    c_line(p, "int64_t %s = %s;", at, where);
    c_line(p, "combine_best_%s(&%s, &%s, %s, %s, %s, %s, %s);", dtype_name(t), best, at, max, last,
           size, room, places);
    c_line(p, "%s = %s;", v, converted(p, t, true, best));
    if (l->n_args) c_line(p, "%s = (%s)%s;", where, c_memory_type(l->args[0]->dtype), at);
}

/* ---- several values at once ---- */
typedef struct Values { /* loops around a combine: registers 0 to n - 1 */
    const LStmt *combine;
    int64_t n;
} Values;

/* The loop of the nest that counts the subscript up by `stride`; NULL: none does. */
static const LStmt *loop_by(Ctx *c, const Values *v, const LStmt *l, int64_t stride) {
    Expr *rest, *coef;
    for (; l->kind == L_FOR; l = l->body.at.at[0])
        if (l->hi->i > 1 && expr_linear_in(c, v->combine->index, l->var, &coef, &rest) &&
            expr_is(coef, stride))
            return l;
    return NULL;
}

/* Do the loops give the subscript each value from 0 on once? */
static bool covers(Ctx *c, const Values *v, const LStmt *outer) {
    const LStmt *l;
    Expr *first = v->combine->index, *zero = expr_int(c, 0);
    for (int64_t stride = 1; stride < v->n; stride *= l->hi->i)
        if (!(l = loop_by(c, v, outer, stride))) return false;
    for (l = outer; l->kind == L_FOR; l = l->body.at.at[0])
        first = expr_subst1(c, first, l->var, zero);
    return expr_is(first, 0);
}

static bool find_values(const Printer *p, const LStmt *l, Values *v) {
    const LStmt *outer = l;
    v->n = 1;
    for (; l->kind == L_FOR; l = l->body.at.at[0]) {
        int64_t n;
        bool expanded = l->bind == BIND_UNROLL || l->bind == BIND_VECTOR;
        if (!expanded || l->body.at.n != 1 || !expr_is(l->lo, 0) || !expr_is_int(l->hi, &n))
            return false;
        v->n *= n;
    }
    v->combine = l;
    if (l->kind != L_COMBINE || l->red != RED_SUM || l->prefix || l->tensor->space != SP_REG)
        return false;
    DType t = l->tensor->dtype;
    return t != DT_F16 && t != DT_BF16 && covers(p->ctx, v, outer);
}

static bool is_power(int64_t n) {
    return (n & (n - 1)) == 0;
}

bool c_combine_all(Printer *p, const LStmt *l) {
    Values v;
    if (p->dialect != DIALECT_CUDA || !find_values(p, l, &v)) return false;
    const LStmt *loop = lfunc_find_loop(p->func, v.combine->var);
    DType t = v.combine->tensor->dtype;
    int64_t n = loop->hi->i, step = threads_inside(loop), threads = c_kernel_threads(p->func);
    int64_t once = v.n, bytes = (threads + threads / n) * (int64_t)dtype_bytes(t);
    while (once > 1 && once * bytes > ROOM) once /= 2;
    if (v.n < 2 || n < MANY_LANES || !is_power(threads) || !is_power(v.n)) return false;
    if (n * step <= 32 || once * bytes > ROOM) return false;
    const char *room = name_top(p, NULL, "rooms"), *type = c_value_type(p, t);
    c_line_at(p, 1,
              arena_printf(p->arena, "__shared__ %s %s[%lld];", type, room,
                           (long long)(once * (threads + threads / n))));
    c_line(p, "combine_all_sum_%s(%s, %lld, %lld, %lld, %lld, %lld, %s);", dtype_name(t),
           name_find(p, v.combine->tensor), (long long)v.n, (long long)once, (long long)n,
           (long long)step, (long long)threads, room);
    return true;
}
