/* Sequences and optionals in the graph: calls of runtime functions (sequence.h). */
#include "frontend/import.h"
#include "frontend/sequence.h"

static const Type descriptor = {.dtype = DT_SEQ};

static Value *construct(OnnxNode *n, Value *const *at, int count, const Sequence *s) {
    RunCall c = {.n = n, .name = "seq_construct"};
    call_int(&c, count);
    for (int i = 0; i < count; i++) {
        call_in(&c, at[i]);
        call_type(&c, &at[i]->type);
    }
    return sequence_value(n->import, call_result(&c, &descriptor), s);
}

Value *sequence_handle(OnnxNode *n, Value *v) {
    if (!v) return NULL;
    Sequence s = {.optional = true, .item = v->type};
    if (v->type.dtype != DT_SEQ) return construct(n, &v, 1, &s);
    s = *sequence_of(n, v);
    if (!s.known) return v;
    s.known = false;
    if (s.n >= 0) return construct(n, s.at, s.n, &s);
    RunCall c = {.n = n, .name = "seq_none"};
    return sequence_value(n->import, call_result(&c, &descriptor), &s);
}

Value *sequence_leaving(OnnxNode *n, Value *v, const Onnx__TypeProto *declared) {
    if (!v || (v->type.dtype != DT_SEQ && !is_sequence_type(declared))) return v;
    return sequence_handle(n, v);
}

Value *sequence_item(OnnxNode *n, Value *v, Value *at, const Type *item) {
    Type y = *item;
    bool open = false;
    if (item->rank < 0)
        return bad(n, "the rank of the sequence's items is not known: give its type a shape"), NULL;
    for (int i = 0; i < y.rank; i++) open |= !y.dims[i];
    if (open) {
        RunCall shape = {.n = n, .name = "seq_shape"};
        Expr *rank = ix(n, y.rank);
        Type list = type_make(DT_I64, &rank, 1);
        call_in(&shape, v);
        call_in(&shape, at);
        call_type(&shape, item);
        Value *dims = call_result(&shape, &list);
        if (!dims) return NULL;
        for (int i = 0; i < y.rank; i++)
            if (!y.dims[i] && !(y.dims[i] = value_cell(n->g, dims, i, 0, INT64_MAX))) return NULL;
    }
    RunCall c = {.n = n, .name = "seq_at"};
    call_in(&c, v);
    call_in(&c, at);
    call_type(&c, &y);
    return call_result(&c, &y);
}

/* ---- SequenceMap where the number of items is not known: a loop ---- */

static const Type flag_type = {.dtype = DT_BOOL}, counter_type = {.dtype = DT_I64};

/* The inputs of the mapped body in round `i`. */
static bool map_arguments(OnnxNode *n, Value *const *in, Value *i, Value **args) {
    for (int k = 0; k < n->n_in; k++) {
        const Sequence *s = sequence_of(n, n->in[k]);
        args[k] = s ? sequence_item(n, in[k], i, &s->item) : n->in[k];
        if (!args[k]) return false;
    }
    return true;
}

/* What a round collects: its result at the end of the sequence so far. */
static Value *collect(OnnxNode *n, Value *list, Value *item) {
    RunCall c = {.n = n, .name = "seq_insert"};
    call_in(&c, list);
    call_in(&c, item);
    call_int(&c, 0);
    call_type(&c, &item->type);
    return call_result(&c, &descriptor);
}

bool map_in_run(OnnxNode *n, Value *count) {
    Value **handles = NEW_ARRAY(n->ctx->perm, Value *, n->n_in + 1),
          **args = NEW_ARRAY(n->ctx->perm, Value *, n->n_in + 1),
          **in = NEW_ARRAY(n->ctx->perm, Value *, n->n_out + 2),
          **out = NEW_ARRAY(n->ctx->perm, Value *, n->n_out + 1);
    const GraphProto *body = attr_graph(n, "body");
    for (int k = 0; k < n->n_in; k++)
        handles[k] = n->in[k]->type.dtype == DT_SEQ ? sequence_handle(n, n->in[k]) : NULL;
    in[0] = count;
    for (int k = 0; k < n->n_out; k++) in[2 + k] = construct(n, NULL, 0, &(Sequence){0});
    Node *loop = node_draft(n->g, OP_loop, in, n->n_out + 2, n->n_out);
    Region *r = region_new(n->g, loop), *outside = n->g->at;
    Value *i = region_arg(n->g, r, "i", &counter_type);
    region_arg(n->g, r, "go", &flag_type);
    for (int k = 0; k < n->n_out; k++) region_arg(n->g, r, "list", &descriptor);
    n->g->at = r;
    bool ok = map_arguments(n, handles, i, args) &&
              build_subgraph(n, body, NULL, args, n->n_in, out, n->n_out);
    region_result(n->g, r, graph_const_i(n->g, DT_BOOL, 1));
    for (int k = 0; ok && k < n->n_out; k++) {
        Value *list = collect(n, r->args[2 + k], out[k]);
        if ((ok = list != NULL)) region_result(n->g, r, list);
    }
    n->g->at = outside;
    if (!ok || !node_finish(n->g, loop)) return false;
    for (int k = 0; k < n->n_out; k++) {
        Sequence s = {.item = out[k]->type};
        for (int d = 0; d < s.item.rank; d++)
            if (!expr_is_int(s.item.dims[d], NULL)) s.item.dims[d] = NULL;
        if (!give(n, k, sequence_value(n->import, loop->out[k], &s))) return false;
    }
    return true;
}
