/* Pointwise operations: one map, operands broadcast by subscript. */
#include "passes/kernel/lower.h"

bool lower_scalar(Lower *l) {
    Node *n = l->node;
    ScalarOp op = op_scalar(n->op);
    Tensor *out = lower_out(l, 0);
    lower_kernel(l, scalar_info[op].name);
    Var *vars[MAX_RANK];
    Expr *index[MAX_RANK], *args[3];
    lower_vars(l, out->dims, out->rank, vars);
    lower_indices(vars, out->rank, index);
    for (int i = 0; i < n->n_in; i++) args[i] = lower_bcast(l, n->in[i], index, out->rank);
    Expr *value;
    if (op == SOP_cast) value = expr_cast(l->ctx, out->dtype, args[0]);
    else if (op == SOP_bits) value = expr_bits(l->ctx, out->dtype, args[0]);
    else value = expr_op(l->ctx, op, args);
    lower_map(l, out, vars, out->rank, value);
    return true;
}
