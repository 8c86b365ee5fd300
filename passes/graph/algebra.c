/* Algebra: cheaper forms of one node and its operands' definitions.
 *
 *   %2 = transpose (transpose %x {perm=[1,0]}) {perm=[1,0]}      ->  %x
 *   %2 = mul (conv %x, %w), %s                                   ->  conv %x, (mul %w, %s')
 *
 * Rounding is kept except where a rule of algebra_weights.c, rule_constants or rule_power says
 * otherwise; those stay away under --fp=strict. Work on constants is left as nodes, which fold
 * evaluates: run both until nothing changes. Requires nothing; keeps everything. */
#include "passes/graph/algebra.h"
#include "passes/graph/view.h"

static const Rule rules[] = {
    rule_identity,        rule_power,           rule_divide,         rule_cast,
    rule_select,          rule_constants,       rule_view,           rule_view_chain,
    rule_slice_concat,    rule_concat,          rule_expand_operand, rule_contract_transpose,
    rule_contract_output, rule_weight_scale,    rule_weight_bias,    rule_pad_window,
    rule_space_to_depth,  rule_sum_before_view,
};

PASS(algebra, GRAPH, "cheaper forms of a node and what defines its operands")
bool pass_algebra(Graph *g) {
    users_build(g);
    return rewrite_graph(g, rules, LEN(rules));
}
