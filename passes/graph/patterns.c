/* Patterns: operations that exporters have hidden are found again.
 *
 *   %3 = mul %x, (rcp (sqrt (add (reduce (mul %x, %x)), eps)))   ->   norm %x {center=0}
 *   %9 = contract (softmax (add (contract %q, %k), %m)), %v      ->   attention %q, %k, %v, %m
 *
 * Run algebra and fold before, so that constants are constants and chains of views are short; run
 * them after, too, since the operands get new views. Requires nothing; keeps everything. */
#include "passes/graph/patterns.h"

static const Rule rules[] = {
    rule_softmax, rule_rms_norm, rule_layer_norm, rule_norm_affine, rule_attention, rule_rotate,
};

PASS(patterns, GRAPH, "finds softmax, norm, attention and rotation in their parts")
bool pass_patterns(Graph *g) {
    users_build(g);
    return rewrite_graph(g, rules, LEN(rules));
}
