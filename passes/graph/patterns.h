/* The rules of pass patterns: each finds an operation that an exporter took apart, checking every
 * operand. */
#ifndef ONNXCC_PASSES_GRAPH_PATTERNS_H
#define ONNXCC_PASSES_GRAPH_PATTERNS_H

#include "passes/graph/rewrite.h"

Value *rule_softmax(Graph *, Node *);    /* exp(x - max) / sum -> softmax */
Value *rule_rms_norm(Graph *, Node *);   /* x * rcp(sqrt(mean(x * x) + eps)) -> norm */
Value *rule_layer_norm(Graph *, Node *); /* (x - mean) / sqrt(mean((x - mean)^2) + eps) -> norm */
Value *
rule_norm_affine(Graph *,
                 Node *); /* constant factor and term behind a norm, also behind a reshape of it */
Value *rule_attention(Graph *, Node *); /* contract, scale, mask, softmax, contract -> attention */
Value *rule_rotate(Graph *,
                   Node *); /* concat of a value's two halves in exchanged order -> compute */

#endif
