/* Control flow: If, Loop, Scan. Bodies see the values around them. */
#include "frontend/import.h"
#include "frontend/sequence.h"

#include "onnx.pb-c.h"

static Value **results(OnnxNode *n, int count) {
    return NEW_ARRAY(n->ctx->perm, Value *, count + 1);
}

static bool give_all(OnnxNode *n, Value *const *v, int count) {
    for (int i = 0; i < count; i++) give(n, i, v[i]);
    return true;
}

/* A condition as a scalar (models also give it as a tensor of one element). */
static Value *scalar(OnnxNode *n, Value *v) {
    return v ? reshape_to(n, v, NULL, 0) : NULL;
}

/* What is known of a sequence that comes from a or from b. */
static bool join_sequences(OnnxNode *n, Value *v, const Value *a, const Value *b) {
    const Sequence *x = sequence_of(n, a), *y = sequence_of(n, b);
    if (!x || !y) return true;
    Sequence s = *x;
    s.optional = x->optional || y->optional;
    s.of_sequence =
        s.optional && (x->of_sequence || y->of_sequence || !x->optional || !y->optional);
    if (!sequence_join(n, &s.item, &y->item)) return false;
    sequence_value(n->import, v, &s);
    return true;
}

static bool join_branches(OnnxNode *n, const Node *node) {
    for (int i = 0; i < node->n_out; i++)
        if (!join_sequences(n, node->out[i], node->region[0]->results[i],
                            node->region[1]->results[i]))
            return false;
    return true;
}

/* Models that were written for runtimes with dynamic ranks give a scalar in one branch and a list
 * of one element in the other. Both become lists; wherever they are broadcast it is the same. */
static void lift_scalars(OnnxNode *n, const Node *node) {
    Region *outside = n->g->at;
    for (int i = 0; i < node->n_out; i++)
        for (int b = 0; b < 2; b++) {
            Value *v = node->region[b]->results[i], *other = node->region[!b]->results[i];
            Expr *one = ix(n, 1);
            if (v->type.rank != 0 || other->type.rank != 1 || v->type.dtype != other->type.dtype ||
                !expr_prove_eq(n->ctx, other->type.dims[0], one))
                continue;
            n->g->at = node->region[b];
            node->region[b]->results[i] = reshape_to(n, v, &one, 1);
            diag_warn(n->ctx, &n->loc,
                      "result %d is a scalar in one branch and a list of one element in the other; "
                      "it becomes a list in both",
                      i);
        }
    n->g->at = outside;
}

/* Where the condition is known the branch is built in place. */
ONNX_OP(If, 1) {
    ATTRS("then_branch:g! else_branch:g!");
    Value *c = scalar(n, need(n, 0, T_B)), **out = results(n, n->n_out);
    Expr *known;
    if (!c) return false;
    if (value_known(c, 0, &known) && expr_is_int(known, NULL)) {
        const char *taken = expr_is(known, 0) ? "else_branch" : "then_branch";
        return build_subgraph(n, attr_graph(n, taken), NULL, NULL, 0, out, n->n_out) &&
               give_all(n, out, n->n_out);
    }
    Node *node = node_draft(n->g, OP_if, &c, 1, n->n_out);
    const char *const branches[] = {"then_branch", "else_branch"};
    for (int i = 0; i < 2; i++) {
        Region *region = region_new(n->g, node);
        if (!build_subgraph(n, attr_graph(n, branches[i]), region, NULL, 0, out, n->n_out))
            return false;
    }
    lift_scalars(n, node);
    return node_finish(n->g, node) && join_branches(n, node) && give_all(n, node->out, n->n_out);
}

/* The type of a carried value inside a loop: `open` has a bit for each dimension that may change
 * from round to round. */
static Type carried_type(OnnxNode *n, const Value *v, uint32_t open) {
    Type t = v->type;
    for (int i = 0; i < t.rank; i++) {
        if (!(open >> i & 1)) continue;
        const char *name = arena_printf(n->ctx->perm, "%s_%d", v->name, i);
        t.dims[i] = expr_sym(n->ctx, graph_sym(n->g, SYM_VALUE, name, 0, INT64_MAX));
    }
    return t;
}

/* The argument of the body for a carried value. Of a sequence, items is what it may hold. */
static Value *carried_arg(OnnxNode *n, Region *region, const Value *v, const Type *t,
                          const Onnx__GraphProto *body, int k, const Type *items) {
    Value *arg = region_arg(n->g, region, "carried", t);
    const Sequence *first = sequence_of(n, v);
    if (!first) return arg;
    Sequence s = *first;
    const struct Onnx__TypeProto *declared = body->input[k]->type;
    bool optional = declared && declared->value_case == ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE;
    s.of_sequence = optional && (s.of_sequence || !s.optional);
    s.optional = optional;
    if (items) s.item = *items;
    return sequence_value(n->import, arg, &s);
}

/* The carried values as they enter the loop: sequences as values of the graph. */
static bool loop_inputs(OnnxNode *n, const Onnx__GraphProto *body, Value **in) {
    for (int i = 2; i < n->n_in; i++) {
        if (!(in[i] = need(n, i, T_ANY | T_SEQ))) return false;
        if (i < subgraph_inputs(body)) in[i] = sequence_leaving(n, in[i], body->input[i]->type);
        if (!in[i]) return false;
    }
    return true;
}

/* What is known of the carried values of a loop, by input. */
typedef struct LoopTypes {
    Type *items;    /* what sequences may hold */
    uint32_t *open; /* dimensions that change */
    bool joined;    /* items is more than what they hold at first */
} LoopTypes;

static Node *loop_draft(OnnxNode *n, const Onnx__GraphProto *body, Value **in,
                        const LoopTypes *types) {
    int carried = n->n_in - 2, all = n->n_out;
    Value **args = results(n, n->n_in), **out = results(n, all + 1);
    Node *node = node_draft(n->g, OP_loop, in, n->n_in, all);
    Region *region = region_new(n->g, node);
    Type counter = {.dtype = DT_I64}, flag = {.dtype = DT_BOOL};
    args[0] = region_arg(n->g, region, "i", &counter);
    args[1] = region_arg(n->g, region, "cond", &flag);
    for (int i = 0; i < carried; i++) {
        Type t = carried_type(n, in[2 + i], types->open[i]);
        args[2 + i] = carried_arg(n, region, in[2 + i], &t, body, 2 + i,
                                  types->joined ? &types->items[i] : NULL);
    }
    return build_subgraph(n, body, region, args, n->n_in, out, all + 1) ? node : NULL;
}

/* Opens the dimensions of carried values that a round changes, as far as is known before the run;
 * true where there are more than before. A size that the body declares stays: the run checks it. */
static bool open_more(OnnxNode *n, const Node *node, const Onnx__GraphProto *body,
                      LoopTypes *types) {
    const Region *r = node->region[0];
    bool more = false;
    for (int i = 0; i < node->n_in - 2; i++) {
        const Type *arg = &r->args[2 + i]->type, *result = &r->results[1 + i]->type;
        for (int d = 0; d < arg->rank && arg->rank == result->rank; d++) {
            if ((types->open[i] >> d & 1) || subgraph_input_fixed(body, 2 + i, d)) continue;
            if (expr_prove_eq(n->ctx, arg->dims[d], result->dims[d])) continue;
            types->open[i] |= 1u << d;
            more = true;
        }
    }
    return more;
}

/* All that may be open. */
static bool open_all(OnnxNode *n, const Onnx__GraphProto *body, Value *const *in,
                     LoopTypes *types) {
    bool any = false;
    for (int i = 0; i < n->n_in - 2; i++)
        for (int d = 0; d < in[2 + i]->type.rank; d++)
            if (!subgraph_input_fixed(body, 2 + i, d)) {
                types->open[i] |= 1u << d;
                any = true;
            }
    return any;
}

/* Joins what each carried sequence holds with what a round makes of it; true where that is more. */
static bool more_items(OnnxNode *n, const Node *node, LoopTypes *types) {
    Type *items = types->items;
    types->joined = true;
    const Region *r = node->region[0];
    bool more = false;
    for (int i = 0; i < node->n_in - 2; i++) {
        const Sequence *a = sequence_of(n, r->args[2 + i]), *b = sequence_of(n, r->results[1 + i]);
        if (!a || !b) continue;
        items[i] = a->item;
        if (!sequence_join(n, &items[i], &b->item)) return false;
        for (int d = 0; d < items[i].rank; d++)
            if (items[i].dims[d] && !expr_is_int(items[i].dims[d], NULL)) items[i].dims[d] = NULL;
        more = more || !sequence_same_items(n, &items[i], &a->item);
    }
    return more;
}

/* A body that is wrong for the first values may be right for those of later rounds: then once more,
 * with all dimensions open. What is said is what is wrong with both. */
static Node *first_draft(OnnxNode *n, const Onnx__GraphProto *body, Value **in, LoopTypes *types) {
    Ctx *ctx = n->ctx;
    Str first = str_new(ctx->perm), second = str_new(ctx->perm), *outer = ctx->capture;
    int before = diag_errors(ctx);
    ctx->capture = &first;
    Node *node = loop_draft(n, body, in, types);
    if (!node && open_all(n, body, in, types)) {
        ctx->errors = before;
        ctx->capture = &second;
        n->import->reported = map_new(ctx->perm);
        node = loop_draft(n, body, in, types);
    }
    ctx->capture = outer;
    if (first.n && (!node || !second.n)) diag_lines(ctx, str_c(&first));
    return node;
}

/* Until a round adds nothing to what is known: ranks and dimensions only get lost. */
static Node *build_loop(OnnxNode *n, const Onnx__GraphProto *body, Value **in) {
    Arena *perm = n->ctx->perm;
    LoopTypes types = {NEW_ARRAY(perm, Type, n->n_in), NEW_ARRAY(perm, uint32_t, n->n_in), false};
    Node *node = first_draft(n, body, in, &types);
    for (bool again = true; node && again;) {
        again = more_items(n, node, &types);
        again |= open_more(n, node, body, &types);
        if (again) node = loop_draft(n, body, in, &types);
    }
    return node;
}

/* What is known of the sequences that leave the loop. */
static bool loop_results(OnnxNode *n, const Node *node) {
    const Region *r = node->region[0];
    for (int i = 0; i < node->n_in - 2; i++) {
        const Sequence *b = sequence_of(n, r->results[1 + i]);
        if (!b) continue;
        Sequence s = *b;
        const Sequence *a = sequence_of(n, r->args[2 + i]);
        if (!a || !sequence_join(n, &s.item, &a->item)) return false;
        sequence_value(n->import, node->out[i], &s);
    }
    return true;
}

/* The body is built with the shapes of the first values; it is built again with open dimensions
 * where a round changes them. */
ONNX_OP(Loop, 1) {
    ATTRS("body:g!");
    const Onnx__GraphProto *body = attr_graph(n, "body");
    Value *trip = has(n, 0) ? scalar(n, need(n, 0, T_S)) : NULL,
          *cond = has(n, 1) ? scalar(n, need(n, 1, T_B)) : NULL;
    if ((has(n, 0) && !trip) || (has(n, 1) && !cond)) return false;
    if (n->n_in < 2) return bad(n, "a loop has at least the inputs M and cond");
    if (subgraph_outputs(body) != n->n_out + 1)
        return bad(n, "the body has %d outputs, %d expected", subgraph_outputs(body), n->n_out + 1);
    Value **in = results(n, n->n_in);
    in[0] = trip;
    in[1] = cond;
    if (!loop_inputs(n, body, in)) return false;
    Node *node = build_loop(n, body, in);
    return node && node_finish(n->g, node) && loop_results(n, node) &&
           give_all(n, node->out, n->n_out);
}

/* ---- scan ---- */

/* A list attribute with a default of zeros; axes count from the end where negative. */
static bool list_of(OnnxNode *n, const char *name, int count, int64_t *out) {
    int given;
    if (!ints_arg(n, name, -1, out, count, &given)) return false;
    if (given >= 0 && given != count)
        return bad(n, "attribute \"%s\" has %d elements, %d expected", name, given, count);
    for (int i = 0; given < 0 && i < count; i++) out[i] = 0;
    return true;
}

static Type without_axis(const Type *t, int64_t axis) {
    Type out = {.dtype = t->dtype, .rank = t->rank - 1};
    for (int i = 0; i < out.rank; i++) out.dims[i] = t->dims[i + (i >= axis)];
    return out;
}

typedef struct ScanLists {
    int carried, sequences, outputs;
    int64_t *axes, *reverse, *out_axes, *out_reverse;
} ScanLists;

static bool scan_lists(OnnxNode *n, ScanLists *s, int n_in) {
    s->sequences = (int)MAX(0, MIN(attr_int(n, "num_scan_inputs", 0), INT32_MAX));
    s->carried = n_in - s->sequences;
    s->outputs = n->n_out - s->carried;
    if (s->sequences < 1 || s->carried < 0 || s->outputs < 0)
        return bad(n, "attribute \"num_scan_inputs\" does not fit");
    s->axes = NEW_ARRAY(n->ctx->perm, int64_t, n->n_in + n->n_out);
    s->reverse = NEW_ARRAY(n->ctx->perm, int64_t, n->n_in + n->n_out);
    s->out_axes = NEW_ARRAY(n->ctx->perm, int64_t, n->n_in + n->n_out);
    s->out_reverse = NEW_ARRAY(n->ctx->perm, int64_t, n->n_in + n->n_out);
    if (n->opset < 9) return list_of(n, "directions", s->sequences, s->reverse);
    return list_of(n, "scan_input_axes", s->sequences, s->axes) &&
           list_of(n, "scan_input_directions", s->sequences, s->reverse) &&
           list_of(n, "scan_output_axes", s->outputs, s->out_axes) &&
           list_of(n, "scan_output_directions", s->outputs, s->out_reverse);
}

/* One scan over `in`, of which the first s->carried are carried. */
static Node *scan_node(OnnxNode *n, Value *const *in, int n_in, ScanLists *s) {
    int n_out = s->carried + s->outputs;
    Value **args = results(n, n_in), **out = results(n, n_out);
    for (int k = 0; k < s->sequences; k++) {
        int axis;
        if (!axis_in(n, s->axes[k], in[s->carried + k]->type.rank, &axis)) return NULL;
        s->axes[k] = axis;
    }
    Node *node = node_draft(n->g, OP_scan, in, n_in, n_out);
    Region *region = region_new(n->g, node);
    for (int i = 0; i < n_in; i++) {
        bool carried = i < s->carried;
        Type t = carried ? in[i]->type : without_axis(&in[i]->type, s->axes[i - s->carried]);
        args[i] = region_arg(n->g, region, carried ? "carried" : "element", &t);
    }
    if (!build_subgraph(n, attr_graph(n, "body"), region, args, n_in, out, n_out)) return NULL;
    for (int i = 0; i < s->outputs; i++)
        if (s->out_axes[i] < 0) s->out_axes[i] += out[s->carried + i]->type.rank + 1;
    node_set_int(n->g, node, "n_carried", s->carried);
    node_set_ints(n->g, node, "axes", s->axes, s->sequences);
    node_set_ints(n->g, node, "reverse", s->reverse, s->sequences);
    node_set_ints(n->g, node, "out_axes", s->out_axes, s->outputs);
    node_set_ints(n->g, node, "out_reverse", s->out_reverse, s->outputs);
    return node_finish(n->g, node) ? node : NULL;
}

ONNX_OP(Scan, 9) {
    ATTRS("body:g! num_scan_inputs:i! scan_input_axes:I scan_input_directions:I scan_output_axes:I "
          "scan_output_directions:I");
    ScanLists s = {0};
    if (!scan_lists(n, &s, n->n_in)) return false;
    for (int i = 0; i < n->n_in; i++)
        if (!need(n, i, T_ANY)) return false;
    Node *node = scan_node(n, n->in, n->n_in, &s);
    return node && give_all(n, node->out, n->n_out);
}

/* Input 0 may hold lengths; then every input has a batch axis in front: a scan over the batch whose
 * body is the scan of one sample. */
ONNX_OP(Scan, 8) {
    ATTRS("body:g! num_scan_inputs:i! directions:I");
    ScanLists s = {0};
    int n_in = n->n_in - 1;
    if (has(n, 0)) return bad(n, "lengths of the sequences (input 0) are not supported");
    if (n_in < 1) return bad(n, "a scan has at least one sequence");
    if (!scan_lists(n, &s, n_in)) return false;
    for (int i = 0; i < n_in; i++)
        if (!need(n, i + 1, T_ANY) || !want_rank(n, i + 1, i < s.carried ? 1 : 2, MAX_RANK))
            return false;
    Node *outer = node_draft(n->g, OP_scan, n->in + 1, n_in, n->n_out);
    Region *region = region_new(n->g, outer), *outside = n->g->at;
    Value **args = results(n, n_in);
    for (int i = 0; i < n_in; i++) {
        Type t = without_axis(&n->in[i + 1]->type, 0);
        args[i] = region_arg(n->g, region, "sample", &t);
    }
    n->g->at = region;
    Node *inner = scan_node(n, args, n_in, &s);
    n->g->at = outside;
    if (!inner) return false;
    for (int i = 0; i < n->n_out; i++) region_result(n->g, region, inner->out[i]);
    int64_t *zeros = NEW_ARRAY(n->ctx->perm, int64_t, n_in + n->n_out);
    node_set_int(n->g, outer, "n_carried", 0);
    node_set_ints(n->g, outer, "axes", zeros, n_in);
    node_set_ints(n->g, outer, "reverse", zeros, n_in);
    node_set_ints(n->g, outer, "out_axes", zeros, n->n_out);
    node_set_ints(n->g, outer, "out_reverse", zeros, n->n_out);
    return node_finish(n->g, outer) && give_all(n, outer->out, n->n_out);
}
