/* Sequences. What is known now becomes lists of values, the rest calls of runtime functions
 * (frontend/sequence.h). */
#include "frontend/sequence.h"

static const Type handle_type = {.dtype = DT_SEQ}, count_type = {.dtype = DT_I64};

static const Sequence *need_sequence(OnnxNode *n, int k) {
    Value *v = need(n, k, T_SEQ);
    const Sequence *s = v ? sequence_of(n, v) : NULL;
    if (s && s->optional) return bad(n, "input %d is an optional, not a sequence", k), NULL;
    return s;
}

/* Is input k, a position or an absent one, known? */
static bool position_known(OnnxNode *n, int k) {
    Expr *e;
    return !has(n, k) || (value_known(n->in[k], 0, &e) && expr_is_int(e, NULL));
}

/* Input k, a position in a sequence of `count` items, from the end where negative; at most `last`.
 */
static bool position(OnnxNode *n, int k, int count, int last, int *at) {
    int64_t p;
    if (!known_int(n, k, &p)) return false;
    if (p < -count || p > last)
        return bad(n, "position %lld is outside of a sequence of %d", (long long)p, count);
    *at = (int)(p < 0 ? p + count : p);
    return true;
}

/* The position as the runtime wants it. */
static Value *run_position(OnnxNode *n, int k) {
    Value *v = need(n, k, T_S);
    return v ? cast_to(n, reshape_to(n, v, NULL, 0), DT_I64) : NULL;
}

static bool give_sequence(OnnxNode *n, RunCall *c, const Type *item) {
    Sequence s = {.item = *item};
    return give(n, 0, sequence_value(n->import, call_result(c, &handle_type), &s));
}

ONNX_OP(SequenceEmpty, 11) {
    ATTRS("dtype:i");
    int64_t code = attr_int(n, "dtype", 1);
    Type item = no_items(dtype_from_onnx(code));
    if (item.dtype == DT_NONE) return bad(n, "element type %lld is not supported", (long long)code);
    return give(n, 0, sequence_known(n, &item, NULL, 0));
}

ONNX_OP(SequenceConstruct, 11) {
    ATTRS("");
    for (int i = 0; i < n->n_in; i++)
        if (!need(n, i, T_ANY)) return false;
    if (!n->n_in) return bad(n, "a sequence is constructed from at least one tensor");
    Type item = no_items(n->in[0]->type.dtype);
    return give(n, 0, sequence_known(n, &item, n->in, n->n_in));
}

/* ---- length, items ---- */

static Value *length(OnnxNode *n, Value *v, const Sequence *s) {
    if (s->known) return graph_const_i(n->g, DT_I64, s->n);
    RunCall c = {.n = n, .name = "seq_length"};
    call_in(&c, v);
    return call_result(&c, &count_type);
}

ONNX_OP(SequenceLength, 11) {
    ATTRS("");
    const Sequence *s = need_sequence(n, 0);
    return s && give(n, 0, length(n, n->in[0], s));
}

ONNX_OP(SequenceAt, 11) {
    ATTRS("");
    const Sequence *s = need_sequence(n, 0);
    int at;
    if (!s || !need(n, 1, T_S)) return false;
    if (!s->known || !position_known(n, 1)) {
        Value *v = sequence_handle(n, n->in[0]), *p = run_position(n, 1);
        return v && p && give(n, 0, sequence_item(n, v, p, &s->item));
    }
    return position(n, 1, s->n, s->n - 1, &at) && give(n, 0, s->at[at]);
}

/* ---- insert, erase ---- */

static bool insert_in_run(OnnxNode *n, const Sequence *s, Value *v) {
    RunCall c = {.n = n, .name = "seq_insert"};
    Type item = s->item;
    if (!sequence_join(n, &item, &v->type)) return false;
    call_in(&c, sequence_handle(n, n->in[0]));
    call_in(&c, v);
    if (has(n, 2)) call_in(&c, run_position(n, 2));
    call_int(&c, has(n, 2));
    call_type(&c, &v->type);
    return give_sequence(n, &c, &item);
}

ONNX_OP(SequenceInsert, 11) {
    ATTRS("");
    const Sequence *s = need_sequence(n, 0);
    Value *v = need(n, 1, T_ANY);
    if (!s || !v || (has(n, 2) && !need(n, 2, T_S))) return false;
    if (!s->known || !position_known(n, 2) || s->n >= MAX_KNOWN_ITEMS)
        return insert_in_run(n, s, v);
    int at = s->n;
    if (has(n, 2) && !position(n, 2, s->n, s->n, &at)) return false;
    Value **items = NEW_ARRAY(n->ctx->perm, Value *, s->n + 1);
    for (int i = 0; i <= s->n; i++) items[i] = i == at ? v : s->at[i - (i > at)];
    return give(n, 0, sequence_known(n, &s->item, items, s->n + 1));
}

ONNX_OP(SequenceErase, 11) {
    ATTRS("");
    const Sequence *s = need_sequence(n, 0);
    if (!s || (has(n, 1) && !need(n, 1, T_S))) return false;
    if (!s->known || !position_known(n, 1)) {
        RunCall c = {.n = n, .name = "seq_erase"};
        call_in(&c, sequence_handle(n, n->in[0]));
        if (has(n, 1)) call_in(&c, run_position(n, 1));
        call_int(&c, has(n, 1));
        return give_sequence(n, &c, &s->item);
    }
    int at = s->n - 1;
    if (!s->n) return bad(n, "the sequence is empty");
    if (has(n, 1) && !position(n, 1, s->n, s->n - 1, &at)) return false;
    Value **items = NEW_ARRAY(n->ctx->perm, Value *, s->n);
    for (int i = 0; i < s->n - 1; i++) items[i] = s->at[i + (i >= at)];
    Type item = no_items(s->item.dtype);
    return give(n, 0, sequence_known(n, &item, items, s->n - 1));
}

/* ---- ConcatFromSequence ---- */

static bool concat_in_run(OnnxNode *n, const Sequence *s, int axis, bool stack) {
    RunCall shape = {.n = n, .name = "seq_concat_shape"}, c = {.n = n, .name = "seq_concat"};
    Type y = {.dtype = s->item.dtype, .rank = s->item.rank + stack};
    Expr *rank = ix(n, y.rank);
    Type list = type_make(DT_I64, &rank, 1);
    call_in(&shape, n->in[0]);
    call_int(&shape, axis);
    call_int(&shape, stack);
    call_int(&shape, dtype_onnx(y.dtype));
    call_int(&shape, s->item.rank);
    Value *dims = call_result(&shape, &list);
    for (int i = 0; dims && i < y.rank; i++)
        if (!(y.dims[i] = value_cell(n->g, dims, i, 0, INT64_MAX))) return false;
    call_in(&c, n->in[0]);
    call_int(&c, axis);
    call_type(&c, &y);
    return dims && give(n, 0, call_result(&c, &y));
}

ONNX_OP(ConcatFromSequence, 11) {
    ATTRS("axis:i! new_axis:i");
    const Sequence *s = need_sequence(n, 0);
    int axis, stack = attr_int(n, "new_axis", 0) != 0;
    if (!s) return false;
    if (s->known && !s->n) return bad(n, "the sequence is empty");
    if (s->item.rank < 0) return bad(n, "the rank of the sequence's items is not known");
    if (!axis_in(n, attr_int(n, "axis", 0), s->item.rank + stack, &axis)) return false;
    if (!s->known) return concat_in_run(n, s, axis, stack);
    Value **items = NEW_ARRAY(n->ctx->perm, Value *, s->n);
    for (int i = 0; i < s->n; i++) items[i] = stack ? unsqueeze(n, s->at[i], axis) : s->at[i];
    return give(n, 0, build_concat(n->g, items, s->n, axis));
}

/* ---- SplitToSequence ---- */

typedef struct Split {
    Value *x;
    int axis;
    bool drop; /* the axis */
    bool known;
    Expr *each; /* the length of pieces; NULL: they are listed */
    Expr *length[MAX_KNOWN_ITEMS];
    int count;
} Split;

static bool split_list(OnnxNode *n, Split *s) {
    int64_t list[MAX_KNOWN_ITEMS], sum = 0, count;
    Expr *e;
    s->known = expr_is_int(n->in[1]->type.dims[0], &count) && count <= MAX_KNOWN_ITEMS;
    for (int64_t i = 0; s->known && i < count; i++)
        s->known = value_known(n->in[1], i, &e) && expr_is_int(e, NULL);
    if (!s->known) return true;
    if (!known_ints(n, 1, list, MAX_KNOWN_ITEMS, &s->count)) return false;
    for (int i = 0; i < s->count; i++) {
        if (list[i] < 0 || __builtin_add_overflow(sum, list[i], &sum))
            return bad(n, "piece %d has the length %lld", i, (long long)list[i]);
        s->length[i] = ix(n, list[i]);
    }
    Expr *size = s->x->type.dims[s->axis];
    if (expr_is_int(size, NULL) && !expr_is(size, sum))
        return bad(n, "the pieces' lengths add up to %lld, not to the axis", (long long)sum);
    s->known = expr_is_int(size, NULL); /* else the run compares */
    return true;
}

static bool split_equal(OnnxNode *n, Split *s) {
    int64_t total, each;
    s->each = ix(n, 1);
    if (has(n, 1) && !input_cell(n, 1, &s->each, 1)) return false;
    s->known = expr_is_int(s->x->type.dims[s->axis], &total) && expr_is_int(s->each, &each);
    if (!s->known) return true;
    if (each < 1) return bad(n, "pieces have the length %lld", (long long)each);
    s->known = total / each < MAX_KNOWN_ITEMS;
    for (int64_t at = 0; s->known && at < total; at += each)
        s->length[s->count++] = ix(n, MIN(each, total - at));
    return true;
}

static Value *without_axis(OnnxNode *n, Value *v, int axis) {
    Expr *dims[MAX_RANK];
    if (!v) return NULL;
    for (int i = 0; i < v->type.rank - 1; i++) dims[i] = v->type.dims[i + (i >= axis)];
    return reshape_to(n, v, dims, v->type.rank - 1);
}

static bool split_known(OnnxNode *n, const Split *s) {
    Value *items[MAX_KNOWN_ITEMS];
    Expr *start = ix(n, 0);
    for (int i = 0; i < s->count; i++) {
        items[i] = build_slice_axis(n->g, s->x, s->axis, start, s->length[i]);
        if (s->drop) items[i] = without_axis(n, items[i], s->axis);
        start = expr_add(n->ctx, start, s->length[i]);
    }
    Type item = no_items(s->x->type.dtype);
    return give(n, 0, sequence_known(n, &item, items, s->count));
}

static bool split_in_run(OnnxNode *n, const Split *s) {
    RunCall c = {.n = n, .name = "seq_split"};
    Type item = {.dtype = s->x->type.dtype};
    for (int i = 0; i < s->x->type.rank; i++)
        if (i != s->axis || !s->drop)
            item.dims[item.rank++] = i == s->axis ? NULL : s->x->type.dims[i];
    call_in(&c, s->x);
    if (!s->each) call_in(&c, cast_to(n, n->in[1], DT_I64));
    call_int(&c, s->axis);
    call_arg(&c, s->each ? s->each : ix(n, 0));
    call_int(&c, s->drop);
    call_arg(&c, s->each ? ix(n, 0) : n->in[1]->type.dims[0]);
    call_type(&c, &s->x->type);
    return give_sequence(n, &c, &item);
}

ONNX_OP(SplitToSequence, 11) {
    ATTRS("axis:i keepdims:i");
    Split s = {.x = need(n, 0, T_ANY)};
    if (!s.x || !axis_in(n, attr_int(n, "axis", 0), s.x->type.rank, &s.axis)) return false;
    if (has(n, 1) && !need(n, 1, T_S)) return false;
    if (has(n, 1) && !want_rank(n, 1, 0, 1)) return false;
    s.drop = !has(n, 1) && !attr_int(n, "keepdims", 1);
    bool list = has(n, 1) && n->in[1]->type.rank == 1;
    if (!(list ? split_list(n, &s) : split_equal(n, &s))) return false;
    return s.known ? split_known(n, &s) : split_in_run(n, &s);
}

/* ---- SequenceMap ---- */

/* Item i of input k, or the tensor that all rounds get. */
static Value *map_input(OnnxNode *n, int k, int i) {
    const Sequence *s = sequence_of(n, n->in[k]);
    return s ? s->at[i] : n->in[k];
}

static bool map_known(OnnxNode *n, int count) {
    const struct Onnx__GraphProto *body = attr_graph(n, "body");
    Value **args = NEW_ARRAY(n->ctx->perm, Value *, n->n_in + 1),
          **out = NEW_ARRAY(n->ctx->perm, Value *, n->n_out * (count + 1)),
          **items = NEW_ARRAY(n->ctx->perm, Value *, count + 1);
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < n->n_in; k++) args[k] = map_input(n, k, i);
        if (!build_subgraph(n, body, NULL, args, n->n_in, out + i * n->n_out, n->n_out))
            return false;
    }
    for (int k = 0; k < n->n_out; k++) {
        for (int i = 0; i < count; i++) items[i] = out[i * n->n_out + k];
        Type item = no_items(items[0]->type.dtype);
        if (!give(n, k, sequence_known(n, &item, items, count))) return false;
    }
    return true;
}

ONNX_OP(SequenceMap, 17) {
    ATTRS("body:g!");
    const Sequence *first = need_sequence(n, 0);
    if (!first) return false;
    bool known = first->known && first->n > 0 && first->n <= MAX_KNOWN_ITEMS;
    for (int k = 1; k < n->n_in; k++) {
        if (!need(n, k, T_ANY | T_SEQ)) return false;
        const Sequence *s = sequence_of(n, n->in[k]);
        if (s && s->known && first->known && s->n != first->n)
            return bad(n, "inputs 0 and %d have %d and %d items", k, first->n, s->n);
        known = known && (!s || s->known);
    }
    return known ? map_known(n, first->n) : map_in_run(n, length(n, n->in[0], first));
}
