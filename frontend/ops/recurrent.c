/* RNN, GRU and LSTM (recurrent.h): the projection of all inputs is one product before the scan. */
#include "frontend/ops/recurrent.h"

/* Row d of a tensor whose first axis is the direction. */
static Value *direction(OnnxNode *n, Value *v, int d) {
    if (!v) return NULL;
    v = build_slice_axis(n->g, v, 0, ix(n, d), ix(n, 1));
    return v ? reshape_to(n, v, v->type.dims + 1, v->type.rank - 1) : NULL;
}

/* ---- attributes ---- */

static bool is_among(const char *name, const char *const *list, int n) {
    for (int i = 0; i < n; i++)
        if (!strcmp(list[i], name)) return true;
    return false;
}

/* The next entry of a parameter list, which has one for each activation that takes the parameter.
 */
static double next_parameter(OnnxNode *n, const char *list, int *used, double otherwise) {
    const float *v;
    int count = attr_floats(n, list, &v);
    return *used < count ? (double)v[(*used)++] : otherwise;
}

static void read_parameters(Rnn *r, Activation *a) {
    static const char *const with_alpha[] = {"Affine",     "LeakyRelu",   "ThresholdedRelu",
                                             "ScaledTanh", "HardSigmoid", "Elu"};
    static const char *const with_beta[] = {"Affine", "ScaledTanh", "HardSigmoid"};
    bool hard = !strcmp(a->name, "HardSigmoid"), leaky = !strcmp(a->name, "LeakyRelu");
    a->alpha = hard ? (double)0.2f : leaky ? (double)0.01f : 1;
    a->beta = hard ? 0.5 : 0;
    if (is_among(a->name, with_alpha, LEN(with_alpha)))
        a->alpha = next_parameter(r->n, "activation_alpha", &r->alphas_used, a->alpha);
    if (is_among(a->name, with_beta, LEN(with_beta)))
        a->beta = next_parameter(r->n, "activation_beta", &r->betas_used, a->beta);
}

static bool read_activations(Rnn *r, int d) {
    static const char *const defaults[][3] = {
        {"Tanh"}, {"Sigmoid", "Tanh"}, {"Sigmoid", "Tanh", "Tanh"}};
    OnnxNode *n = r->n;
    int first = d * r->activations, given = attr_strings(n, "activations");
    if (given >= 0 && given < first + r->activations)
        return bad(n, "attribute \"activations\" has %d elements", given);
    for (int i = 0; i < r->activations; i++) {
        Activation *a = &r->act[i];
        a->name = given >= 0 ? attr_string_at(n, "activations", first + i)
                             : defaults[r->activations - 1][i];
        read_parameters(r, a);
    }
    return true;
}

/* ---- one direction ---- */

typedef struct Track { /* what one direction works on */
    Value *projected, *h, *c, *lens;
    bool backward;
} Track;

/* X W' + biases for all steps: [time, batch, gates * hidden] */
static Value *project(Rnn *r, Value *x, Value *w, Value *bias) {
    OnnxNode *n = r->n;
    Expr *all = expr_muli(n->ctx, r->hidden, r->gates);
    if (!bias) {
        r->recurrent_bias = NULL;
        return build_contract(n->g, x, w, NULL, "tbi,gi->tbg");
    }
    Value *input = build_slice_axis(n->g, bias, 0, ix(n, 0), all),
          *back = build_slice_axis(n->g, bias, 0, all, all);
    r->recurrent_bias = back;
    if (!r->split_bias) input = bin(n, SOP_add, input, back);
    return input && back ? build_contract(n->g, x, w, input, "tbi,gi->tbg") : NULL;
}

/* [time]: 0, 1, 2 ... */
static Value *steps(Rnn *r) {
    Node *c = build_compute_begin(r->n->g, NULL, 0, DT_I64, &r->time, 1);
    return build_compute_end(r->n->g, c, expr_cast(r->n->ctx, DT_I64, c->vars[0]->self));
}

/* The body of the scan: arguments h, (c), x, (t); results h, (c), y. Beyond a sequence's length the
 * states stay. */
static bool fill_step(Rnn *r, Region *region, Value *const *args, Value *lens) {
    OnnxNode *n = r->n;
    Value *h = args[0], *c = r->states > 1 ? args[1] : NULL, *x = args[r->states], *new_h = NULL,
          *new_c = NULL;
    if (!r->step(r, x, h, c, &new_h, &new_c)) return false;
    Value *y = new_h;
    if (lens) {
        Value *live =
            unsqueeze(n, bin(n, SOP_lt, args[r->states + 1], cast_to(n, lens, DT_I64)), 1);
        y = sel(n, live, new_h, num(n, new_h, 0));
        new_h = sel(n, live, new_h, h);
        if (c) new_c = sel(n, live, new_c, c);
    }
    if (!new_h || !y || (c && !new_c)) return false;
    region_result(n->g, region, new_h);
    if (c) region_result(n->g, region, new_c);
    region_result(n->g, region, y);
    return true;
}

static Type element_type(const Value *sequence) {
    return type_make(sequence->type.dtype, sequence->type.dims + 1, sequence->type.rank - 1);
}

/* out: y [time, batch, hidden], last h, last c */
static bool scan_direction(Rnn *r, const Track *t, Value **out) {
    OnnxNode *n = r->n;
    Graph *g = n->g;
    Value *in[4], *args[4];
    int n_in = 0;
    in[n_in++] = t->h;
    if (r->states > 1) in[n_in++] = t->c;
    in[n_in++] = t->projected;
    if (t->lens && !(in[n_in++] = steps(r))) return false;
    Node *scan = node_draft(g, OP_scan, in, n_in, r->states + 1);
    Region *region = region_new(g, scan), *outside = g->at;
    for (int i = 0; i < n_in; i++) {
        Type type = i < r->states ? in[i]->type : element_type(in[i]);
        args[i] = region_arg(g, region, i < r->states ? "state" : "step", &type);
    }
    g->at = region;
    bool ok = fill_step(r, region, args, t->lens);
    g->at = outside;
    if (!ok) return false;
    int64_t reverse[] = {t->backward, t->backward};
    node_set_int(g, scan, "n_carried", r->states);
    node_set_ints(g, scan, "axes", (int64_t[]){0, 0}, n_in - r->states);
    node_set_ints(g, scan, "reverse", reverse, n_in - r->states);
    node_set_ints(g, scan, "out_reverse", reverse, 1);
    if (!node_finish(g, scan)) return false;
    out[0] = scan->out[r->states];
    for (int i = 0; i < r->states; i++) out[1 + i] = scan->out[i];
    return true;
}

/* ---- the node ---- */

/* Initial state k of direction d: input `k`, or zeros. x has layout 0. */
static Value *initial_state(Rnn *r, int k, int d, Value *x, bool batch_first) {
    OnnxNode *n = r->n;
    Expr *dims[] = {r->batch, r->hidden};
    if (!has(n, k)) return build_expand(n->g, num(n, x, 0), dims, 2);
    Value *v = need(n, k, T_FLOAT);
    if (!v || !want_rank(n, k, 3, 3)) return NULL;
    v = direction(n, batch_first ? transpose_to(n, v, (int64_t[]){1, 0, 2}) : v, d);
    return v ? build_reshape(n->g, v, dims, 2) : NULL;
}

static bool run_direction(Rnn *r, Value *x, int d, bool backward, bool batch_first, Value **out) {
    OnnxNode *n = r->n;
    Value *w = direction(n, n->in[1], d), *bias = has(n, 3) ? direction(n, n->in[3], d) : NULL;
    r->recurrent = direction(n, n->in[2], d);
    r->peephole = r->states > 1 && has(n, 7) ? direction(n, n->in[7], d) : NULL;
    if (!w || !r->recurrent || (has(n, 3) && !bias) || !read_activations(r, d)) return false;
    Track t = {.backward = backward, .lens = has(n, 4) ? n->in[4] : NULL};
    t.projected = project(r, x, w, bias);
    t.h = initial_state(r, 5, d, x, batch_first);
    t.c = r->states > 1 ? initial_state(r, 6, d, x, batch_first) : NULL;
    if (!t.projected || !t.h || (r->states > 1 && !t.c)) return false;
    return scan_direction(r, &t, out);
}

/* Puts the directions side by side at `axis`, which is new. */
static Value *stack(OnnxNode *n, Value *const *v, int count, int axis) {
    Value *parts[2];
    for (int i = 0; i < count; i++)
        if (!(parts[i] = unsqueeze(n, v[i], axis))) return NULL;
    return build_concat(n->g, parts, count, axis);
}

static bool check_inputs(Rnn *r) {
    OnnxNode *n = r->n;
    static const int ranks[] = {3, 3, 3, 2, 1, 3, 3, 2};
    for (int i = 0; i < n->n_in && i < LEN(ranks); i++) {
        if (i >= 3 && !has(n, i)) continue;
        if (!need(n, i, i == 4 ? T_S : T_FLOAT) || !want_rank(n, i, ranks[i], ranks[i]))
            return false;
        if (i != 4 && !same_dtype(n, 0, i)) return false;
    }
    if (!has(n, 0) || !has(n, 1) || !has(n, 2)) return bad(n, "inputs X, W and R are needed");
    r->has_clip = attr_has(n, "clip");
    r->clip = attr_float(n, "clip", 0);
    Expr *const *w = n->in[1]->type.dims, *const *state = n->in[2]->type.dims;
    int64_t hidden = attr_int(n, "hidden_size", 0), rows;
    if (hidden <= 0 && !expr_is_int(state[2], &hidden))
        return bad(n, "the hidden size must be known: attribute \"hidden_size\" is missing");
    rows = r->gates * hidden;
    r->hidden = ix(n, hidden);
    if (!demand_equal(n, state[2], hidden) || !demand_equal(n, w[1], rows) ||
        !demand_equal(n, state[1], rows))
        return bad(n, "the shapes of W and R do not fit together");
    const int64_t last[] = {[3] = 2 * rows, [5] = hidden, [6] = hidden, [7] = 3 * hidden};
    for (int i = 3; i < LEN(last) && i < n->n_in; i++)
        if (last[i] && has(n, i) &&
            !demand_equal(n, n->in[i]->type.dims[n->in[i]->type.rank - 1], last[i]))
            return bad(n, "the last dimension of input %d is not %lld", i, (long long)last[i]);
    return true;
}

static bool recurrent(Rnn *r) {
    OnnxNode *n = r->n;
    bool both = attr_is(n, "direction", "bidirectional"),
         backward = attr_is(n, "direction", "reverse");
    bool batch_first = attr_int(n, "layout", 0) != 0;
    int dirs = both ? 2 : 1;
    Value *out[2][3], *lists[3][2];
    if (!check_inputs(r)) return false;
    Value *x = batch_first ? transpose_to(n, n->in[0], (int64_t[]){1, 0, 2}) : n->in[0];
    if (!x) return false;
    r->time = x->type.dims[0];
    r->batch = x->type.dims[1];
    if (!demand_equal(n, n->in[1]->type.dims[0], dirs))
        return bad(n, "W does not have %d directions", dirs);
    for (int d = 0; d < dirs; d++) {
        if (!run_direction(r, x, d, d == 1 || backward, batch_first, out[d])) return false;
        for (int k = 0; k <= r->states; k++) lists[k][d] = out[d][k];
    }
    Value *y = stack(n, lists[0], dirs, 1);
    if (batch_first) y = y ? transpose_to(n, y, (int64_t[]){2, 0, 1, 3}) : NULL;
    if (!give(n, 0, y)) return false;
    for (int k = 1; k <= r->states; k++)
        if (!give(n, k, stack(n, lists[k], dirs, batch_first ? 1 : 0))) return false;
    return true;
}

#define RNN_ATTRS                                                                                  \
    "activation_alpha:F activation_beta:F activations:S clip:f "                                   \
    "direction:s(forward|reverse|bidirectional)"                                                   \
    " hidden_size:i layout:i@14 output_sequence:i<7 "

ONNX_OP(RNN, 1) {
    ATTRS(RNN_ATTRS);
    Rnn r = {.n = n, .step = rnn_step, .gates = 1, .states = 1, .activations = 1};
    return recurrent(&r);
}

ONNX_OP(GRU, 1) {
    ATTRS(RNN_ATTRS "linear_before_reset:i@3");
    Rnn r = {
        .n = n, .step = gru_step, .gates = 3, .states = 1, .activations = 2, .split_bias = true};
    return recurrent(&r);
}

ONNX_OP(LSTM, 1) {
    ATTRS(RNN_ATTRS "input_forget:i");
    Rnn r = {.n = n, .step = lstm_step, .gates = 4, .states = 2, .activations = 3};
    return recurrent(&r);
}
