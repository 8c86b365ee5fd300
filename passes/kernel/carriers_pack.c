/* Inputs and outputs of less than 8 bits: packed outside, a byte for each element inside. What is
 * written is whole bytes, so that iterations which run at the same time share none. */
#include "passes/kernel/carriers.h"

Var *carriers_var(Program *p, const char *stem, int number, Expr *extent) {
    char *name = arena_printf(p->ctx->perm, "%s%d", stem, number);
    for (int k = 0; k < p->syms.n; k++) {
        if (strcmp(p->syms.at[k]->name, name)) continue;
        name = arena_printf(p->ctx->perm, "%s_", name);
        k = -1;
    }
    return var_new(p->ctx, name, extent);
}

/* Puts an item of the body's end in front of all others. */
static void to_front(Program *p) {
    Item **at = p->body->items.at, *last = at[p->body->items.n - 1];
    memmove(at + 1, at, sizeof *at * (size_t)(p->body->items.n - 1));
    at[0] = last;
}

static Kernel *new_kernel(Program *p, const char *hint, Tensor *out, Var *const *vars, int n,
                          Expr *value) {
    Kernel *k = kernel_new(p, hint);
    vec_push(p->ctx->perm, &k->stmts, stmt_new(p->ctx, ST_MAP, out, vars, n, value));
    item_kernel(p, p->body, k);
    return k;
}

/* The packed tensor that stands for t outside; t moves into the arena. */
static Tensor *packed(Program *p, Tensor *t, const Type *type) {
    Ctx *c = p->ctx;
    Expr *bytes = expr_ceildiv(c, tensor_elements(c, t), expr_int(c, 8 / dtype_bits(type->dtype)));
    Tensor *out = tensor_new(c, t->name, DT_U8, &bytes, 1, t->space);
    out->slot = t->slot;
    out->outer = arena_copy(c->perm, type, sizeof *type);
    t->name = program_name(p, arena_printf(c->perm, "%s.elements", t->name));
    t->space = SP_ARENA;
    vec_push(c->perm, &p->tensors, t);
    return out;
}

void unpack_input(Program *p, int k, const Type *type) {
    Ctx *c = p->ctx;
    Tensor *t = p->inputs.at[k], *from = p->inputs.at[k] = packed(p, t, type);
    Var *vars[MAX_RANK];
    Expr *at[MAX_RANK];
    for (int i = 0; i < t->rank; i++) {
        vars[i] = carriers_var(p, "i", i, t->dims[i]);
        at[i] = vars[i]->self;
    }
    int bits = dtype_bits(type->dtype);
    Expr *element = tensor_offset(c, t, at), *each = expr_int(c, 8 / bits);
    Expr *byte = expr_floordiv(c, element, each),
         *shift = expr_muli(c, expr_mod(c, element, each), bits);
    Expr *load = expr_load(c, from, &byte, 1);
    Expr *low = expr_op2(c, SOP_shr, load, expr_cast(c, DT_U8, shift));
    new_kernel(p, "unpack", t, vars, t->rank, carrier_of_bits(c, type->dtype, low));
    to_front(p);
}

/* Element number `at` of t, counted row by row. */
static Expr *element_at(Ctx *c, Tensor *t, Expr *at) {
    Expr *index[MAX_RANK];
    for (int i = t->rank; i-- > 0;) {
        index[i] = i ? expr_mod(c, at, t->dims[i]) : at;
        at = expr_floordiv(c, at, t->dims[i]);
    }
    return expr_load(c, t, index, t->rank);
}

void pack_output(Program *p, int k, const Type *type) {
    Ctx *c = p->ctx;
    Tensor *t = p->outputs.at[k], *to = p->outputs.at[k] = packed(p, t, type);
    Var *var = carriers_var(p, "i", 0, to->dims[0]);
    int bits = dtype_bits(type->dtype), each = 8 / bits;
    Expr *n = tensor_elements(c, t), *byte = NULL, *zero = expr_const_int(c, DT_U8, 0);
    for (int i = 0; i < each; i++) {
        Expr *at = expr_addi(c, expr_muli(c, var->self, each), i);
        Expr *part = bits_of_carrier(c, type->dtype, element_at(c, t, at));
        if (i == 0) {
            byte = part;
            continue;
        }
        part = expr_op2(c, SOP_shl, part, expr_const_int(c, DT_U8, i * bits));
        part = expr_guard(c, expr_in_range(c, at, n), part, zero);
        if (part != zero) byte = expr_op2(c, SOP_or, byte, part);
    }
    new_kernel(p, "pack", to, &var, 1, byte);
}
