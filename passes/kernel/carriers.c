/* Narrow types (float8, float4, integers of 4 and 2 bits) give way to the integers that carry them:
 * u8 and i8, one element in a byte. Behind this pass no statement, no schedule and no generator
 * knows them; conversions have become integer operations (carriers_code.c).
 *
 *   program f(%x : i4[N,3]) -> (%y : f8e5m2[N,3])
 *       %y[i<N, j<3] = cast(f8e5m2, %x[i, j])
 *   program f(%x : u8[(N*3 + 1) / 2] as i4[N,3]) -> (%y : u8[N,3] as f8e5m2[N,3])
 *       %x.elements[i<N, j<3] = shr(shl(bits(i8, shr(%x[(i*3 + j) / 2], ...)), 4:i8), 4:i8)
 *       %y[i<N, j<3] = ...
 *
 * A complex number becomes two floats: its tensor gets a last axis of 2, and statements a variable
 * that runs over it. Complex numbers are only moved.
 *
 * Inputs and outputs of less than 8 bits are packed outside: kernels at the begin and the end
 * convert (carriers_pack.c). Constants of less than 8 bits are stored packed and unpacked by every
 * load, where subscripts become offsets (apply_stmt.c). Arithmetic on narrow floats, which text may
 * have, is done in f32 and rounded once.
 * Requires: comes first. Keeps: what is computed. */
#include "passes/kernel/carriers.h"

typedef struct Carry {
    Ctx *ctx;
    Program *program;
    int n_parts;
    Expr *part; /* of the complex number that the statement writes: 0 or 1; NULL: it writes none */
    Map *types; /* by tensor: its narrow type (DType *) */
    bool found;
} Carry;

/* ---- expressions ----
 * While an expression is rewritten, a narrow value is bits(T, carrier): operands keep their types.
 */

static bool is_narrow_float(DType t) {
    return dtype_is_narrow(t) && dtype_is_float(t);
}

static Expr *carried(Ctx *c, Expr *e) {
    DType carrier = dtype_carrier(e->type);
    if (carrier == e->type) return e;
    if (e->kind == E_FLT) return expr_const_int(c, carrier, narrow_from_f64(e->type, e->f));
    if (e->kind == E_INT) return expr_const_int(c, carrier, e->i);
    CHECK(e->kind == E_OP && e->op == SOP_bits && e->arg[0]->type == carrier);
    return e->arg[0];
}

/* A value with arithmetic: f32 of a narrow float, the carrier of a narrow integer. */
static Expr *widened(Ctx *c, Expr *e) {
    Expr *x = carried(c, e);
    return is_narrow_float(e->type) ? code_to_f32(c, e->type, x) : x;
}

/* The carrier of e converted to narrow type t; e has arithmetic. */
static Expr *narrowed(Ctx *c, DType t, Expr *e) {
    DType from = e->type;
    if (dtype_is_float(t)) {
        e = from == DT_F64 && t != DT_F8E8M0 ? f32_to_odd(c, e) : expr_cast(c, DT_F32, e);
        return code_of_f32(c, t, e);
    }
    if (!dtype_is_float(from)) return carrier_of_bits(c, t, expr_cast(c, dtype_carrier(t), e));
    int bits = dtype_bits(t) - dtype_is_signed(t);
    int64_t hi = ((int64_t)1 << bits) - 1, lo = dtype_is_signed(t) ? -hi - 1 : 0;
    Expr *most = expr_const_int(c, DT_I32, hi), *least = expr_const_int(c, DT_I32, lo);
    e = expr_op2(c, SOP_min, expr_cast(c, DT_I32, e), most);
    return expr_cast(c, dtype_carrier(t), expr_op2(c, SOP_max, e, least));
}

static Expr *convert(Ctx *c, DType to, Expr *e) {
    Expr *x = widened(c, e);
    return dtype_is_narrow(to) ? expr_bits(c, to, narrowed(c, to, x)) : expr_cast(c, to, x);
}

static Expr *reinterpret(Ctx *c, DType to, Expr *e) {
    Expr *byte = dtype_is_narrow(e->type) ? bits_of_carrier(c, e->type, carried(c, e)) : e;
    return dtype_is_narrow(to) ? expr_bits(c, to, carrier_of_bits(c, to, byte))
                               : expr_bits(c, to, byte);
}

/* An operation whose operands or result are narrow. */
static Expr *operate(Ctx *c, Expr *e) {
    Expr *arg[3];
    if (e->op == SOP_cast) return convert(c, e->type, e->arg[0]);
    if (e->op == SOP_bits) return reinterpret(c, e->type, e->arg[0]);
    for (int i = 0; i < e->n; i++)
        arg[i] = e->op == SOP_select ? carried(c, e->arg[i]) : widened(c, e->arg[i]);
    Expr *r = expr_op(c, e->op, arg);
    if (!dtype_is_narrow(e->type)) return r;
    return expr_bits(c, e->type, e->op == SOP_select ? r : narrowed(c, e->type, r));
}

/* One part of a complex element. */
static Expr *load_part(Carry *y, Expr *e) {
    Expr *at[MAX_RANK];
    CHECK(y->part);
    for (int i = 0; i < e->n; i++) at[i] = e->arg[i];
    at[e->n] = y->part;
    return expr_load(y->ctx, e->tensor, at, e->n + 1);
}

static Expr *carry_node(void *user, Expr *e) {
    Carry *y = user;
    Ctx *c = y->ctx;
    if (e->kind == E_LOAD) {
        DType *narrow = map_get_int(y->types, (uint64_t)(uintptr_t)e->tensor);
        if (!narrow) return e;
        if (dtype_part(*narrow)) return load_part(y, e);
        Expr *load = expr_load(c, e->tensor, e->arg, e->n);
        if (e->tensor->packed) load = carrier_of_bits(c, *narrow, load);
        return expr_bits(c, *narrow, load);
    }
    if (e->kind == E_GUARD && dtype_is_narrow(e->type)) {
        Expr *v = carried(c, e->arg[1]), *otherwise = carried(c, e->arg[2]);
        return expr_bits(c, e->type, expr_guard(c, e->arg[0], v, otherwise));
    }
    bool narrow = dtype_is_narrow(e->type);
    for (int i = 0; e->kind == E_OP && i < e->n; i++) narrow |= dtype_is_narrow(e->arg[i]->type);
    return e->kind == E_OP && narrow ? operate(c, e) : e;
}

static Expr *carry(Carry *y, Expr *e) {
    return carried(y->ctx, expr_rewrite(y->ctx, e, carry_node, y));
}

/* ---- tensors ---- */

static void note_type(void *user, const Expr *e) {
    Carry *y = user;
    if (dtype_is_narrow(e->type) || dtype_part(e->type)) y->found = true;
}

/* Signed elements lose the copies of their sign. */
static void keep_low_bits(Ctx *ctx, Const *c, int bits) {
    uint8_t mask = (uint8_t)((1 << bits) - 1), *low;
    c->splat[0] &= mask;
    if (!c->data || c->missing || !dtype_is_signed(c->dtype)) return;
    low = arena_alloc(ctx->perm, (size_t)c->elements + 1);
    for (int64_t i = 0; i < c->elements; i++) low[i] = ((const uint8_t *)c->data)[i] & mask;
    c->data = low;
}

/* A last axis for the two parts. The bytes of constants stay as they are. */
static void split_tensor(Carry *y, Tensor *t) {
    if (t->rank == MAX_RANK) {
        diag_error(y->ctx, NULL, "tensor \"%s\" is complex and has rank %d, more than %d",
                   diag_name(y->ctx, t->name), t->rank, MAX_RANK - 1);
        return;
    }
    t->dtype = dtype_part(t->dtype);
    t->dims[t->rank++] = expr_int(y->ctx, 2);
    if (!t->data) return;
    Const *c = t->data;
    t->data = const_new(y->ctx, t->dtype, 2 * c->elements, const_bytes(y->ctx, c));
    t->data->missing = c->missing;
    t->data->hash = c->missing ? c->hash : 0;
}

static void carry_tensor(Carry *y, Tensor *t) {
    if (!t || !(dtype_is_narrow(t->dtype) || dtype_part(t->dtype))) return;
    int bits = dtype_bits(t->dtype);
    if (map_get_int(y->types, (uint64_t)(uintptr_t)t)) return;
    map_set_int(y->types, (uint64_t)(uintptr_t)t,
                arena_copy(y->ctx->perm, &t->dtype, sizeof(DType)));
    y->found = true;
    if (dtype_part(t->dtype)) {
        split_tensor(y, t);
        return;
    }
    t->dtype = dtype_carrier(t->dtype);
    if (!t->data) return;
    t->data = arena_copy(y->ctx->perm, t->data, sizeof *t->data);
    if (bits < 8) {
        t->packed = bits;
        t->dtype = DT_U8;
        keep_low_bits(y->ctx, t->data, bits);
    }
    t->data->dtype = t->dtype;
    t->data->random = false;
    if (!t->data->missing) t->data->hash = 0;
}

static void find_temps(void *user, Block *b, Item *it) {
    (void)b;
    Carry *y = user;
    for (int i = 0; it->kind == ITEM_KERNEL && i < it->kernel->stmts.n; i++) {
        Stmt *s = it->kernel->stmts.at[i];
        expr_visit(s->value, note_type, y);
        carry_tensor(y, s->out);
    }
}

/* The statement runs over the parts of its complex target, too. */
static Expr *split_stmt(Carry *y, Stmt *s) {
    Ctx *c = y->ctx;
    DType *type = s->out ? map_get_int(y->types, (uint64_t)(uintptr_t)s->out) : NULL;
    if (!type || !dtype_part(*type)) return NULL;
    Var *part = carriers_var(y->program, "part", y->n_parts++, expr_int(c, 2));
    Var **dom = NEW_ARRAY(c->perm, Var *, s->n_dom + 1);
    memcpy(dom, s->dom, sizeof *dom * (size_t)s->n_dom);
    dom[s->n_dom++] = part;
    s->dom = dom;
    int rank = s->out->rank; /* with the axis of parts, which `index` does not have yet */
    Expr **index = NEW_ARRAY(c->perm, Expr *, rank + 1);
    for (int i = 0; s->index && i < rank - 1; i++) index[i] = s->index[i];
    index[rank - 1] = part->self;
    if (s->index) s->index = index;
    return part->self;
}

static void carry_item(void *user, Block *b, Item *it) {
    (void)b;
    Carry *y = user;
    for (int i = 0; it->kind == ITEM_KERNEL && i < it->kernel->stmts.n; i++) {
        Stmt *s = it->kernel->stmts.at[i];
        y->part = split_stmt(y, s);
        s->value = carry(y, s->value);
        for (int d = 0; s->index && d < stmt_target(s)->rank; d++)
            s->index[d] = carry(y, s->index[d]);
    }
}

/* What callers see stays as it is. */
static void keep_outer(Carry *y, Program *p, Tensor *t, int k) {
    DType *narrow = map_get_int(y->types, (uint64_t)(uintptr_t)t);
    if (!narrow) return;
    Type type = type_make(*narrow, t->dims, t->rank - (dtype_part(*narrow) != DT_NONE));
    if (dtype_bits(*narrow) >= 8) t->outer = arena_copy(p->ctx->perm, &type, sizeof type);
    else if (t->space == SP_INPUT) unpack_input(p, k, &type);
    else pack_output(p, k, &type);
}

PASS(carriers, KERNELS, "narrow types and complex numbers to the types that carry them")
bool pass_carriers(Program *p) {
    Carry y = {.ctx = p->ctx, .program = p, .types = map_new(p->ctx->perm)};
    for (int i = 0; i < p->inputs.n; i++) carry_tensor(&y, p->inputs.at[i]);
    for (int i = 0; i < p->outputs.n; i++) carry_tensor(&y, p->outputs.at[i]);
    for (int i = 0; i < p->consts.n; i++) carry_tensor(&y, p->consts.at[i]);
    for (int i = 0; i < p->tensors.n; i++) carry_tensor(&y, p->tensors.at[i]);
    program_each_item(p, find_temps, &y);
    if (!y.found) return false;
    program_each_item(p, carry_item, &y);
    for (int i = 0; i < p->inputs.n; i++) keep_outer(&y, p, p->inputs.at[i], i);
    for (int i = 0; i < p->outputs.n; i++) keep_outer(&y, p, p->outputs.at[i], i);
    return true;
}
