/* The rules of pass algebra, by family. Each follows the contract of Rule (rewrite.h) and keeps
 * types as they are. */
#ifndef ONNXCC_PASSES_GRAPH_ALGEBRA_H
#define ONNXCC_PASSES_GRAPH_ALGEBRA_H

#include "passes/graph/rewrite.h"

/* algebra_scalar.c */
Value *rule_identity(
    Graph *,
    Node *); /* x*1, x/1, x+(-0.0), x-0.0, x^1, not not, neg neg, min/max/and/or of equals */
Value *rule_power(Graph *, Node *);     /* x^2, x^3, x^-1, x^0.5 where that is no looser */
Value *rule_divide(Graph *, Node *);    /* x / c -> x * (1/c) where that is exact */
Value *rule_cast(Graph *, Node *);      /* casts of casts that lose nothing */
Value *rule_select(Graph *, Node *);    /* constant or irrelevant condition */
Value *rule_constants(Graph *, Node *); /* (x + c1) + c2, (x * c1) * c2, ((x + c1) * c2) + c3 */
/* algebra_views.c */
Value *rule_view(Graph *, Node *); /* view of a view of the same kind; views that change nothing */
Value *rule_slice_concat(Graph *, Node *);   /* slice inside one part of a concat */
Value *rule_concat(Graph *, Node *);         /* nested concats, empty parts, neighbouring slices */
Value *rule_expand_operand(Graph *, Node *); /* an operand that broadcasts anyway needs no expand */
/* algebra_move.c */
Value *rule_space_to_depth(Graph *, Node *);  /* concat of strided slices: views */
Value *rule_sum_before_view(Graph *, Node *); /* x + view(contract): the sum next to the contract */
/* algebra_contract.c */
Value *rule_contract_transpose(Graph *,
                               Node *); /* transposes and expands of operands become letters */
Value *rule_contract_output(Graph *, Node *); /* transpose of a contract's result, too */
/* algebra_weights.c */
Value *
rule_weight_scale(Graph *,
                  Node *); /* per-channel factor behind conv or contract, into constant weights */
Value *rule_weight_bias(Graph *, Node *); /* per-channel term, into the bias */
Value *rule_pad_window(Graph *, Node *);  /* constant pad in front of conv or pool, into its pads */

#endif
