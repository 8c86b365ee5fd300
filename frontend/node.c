/* Inputs and outputs of the node at hand (ops.h). */
#include "frontend/import.h"

bool bad(OnnxNode *n, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int size = vsnprintf(NULL, 0, fmt, ap) + 1;
    va_end(ap);
    char *text = arena_alloc(n->ctx->perm, (size_t)size);
    vsnprintf(text, (size_t)size, fmt, again);
    va_end(again);
    return diag_error(n->ctx, &n->loc, "%s", text);
}

bool has(const OnnxNode *n, int k) {
    return k < n->n_in && n->in[k];
}

bool wants(const OnnxNode *n, int k) {
    return k < n->n_out && *n->proto->output[k];
}

bool give(OnnxNode *n, int k, Value *v) {
    if (k < n->n_out) n->out[k] = v;
    return v != NULL;
}

static int class_of(DType t) {
    if (dtype_is_narrow(t)) return T_N;
    switch (dtype_class(t)) {
    case DC_F: return T_F;
    case DC_S: return T_S;
    case DC_U: return T_U;
    case DC_B: return T_B;
    default: return t == DT_SEQ ? T_SEQ : t == DT_STR ? T_STR : T_C;
    }
}

static const char *classes_shown(OnnxNode *n, int types) {
    static const char *const names[] = {"float", "signed integer", "unsigned integer", "bool",
                                        "string", "float8, float4 or integers below 8 bits",
                                        "sequence or optional", "complex"};
    Str s = str_new(n->ctx->perm);
    for (int i = 0; i < LEN(names); i++)
        if (types & 1 << i) str_fmt(&s, "%s%s", s.n ? " or " : "", names[i]);
    return str_c(&s);
}

/* Tells what input k is, below an error about it. */
static void note_input(OnnxNode *n, int k) {
    Str s = str_new(n->ctx->perm);
    type_print(&s, &n->in[k]->type);
    diag_note(n->ctx, &n->loc, "input %d, %s, is %s", k, shown(n->ctx, n->proto->input[k]),
              str_c(&s));
}

Value *maybe(OnnxNode *n, int k, int types) {
    if (!has(n, k)) return NULL;
    if (class_of(n->in[k]->type.dtype) & types) return n->in[k];
    if (n->in[k]->type.dtype == DT_SEQ)
        return bad(n, "input %d must be a tensor, not a sequence or an optional", k), NULL;
    if (types == T_SEQ) bad(n, "input %d must be a sequence, not a tensor", k);
    else
        bad(n, "input %d must be a tensor of %s, not %s", k, classes_shown(n, types),
            dtype_name(n->in[k]->type.dtype));
    note_input(n, k);
    return NULL;
}

Value *need(OnnxNode *n, int k, int types) {
    if (has(n, k)) return maybe(n, k, types);
    bad(n, "input %d is missing", k);
    return NULL;
}

bool want_inputs(OnnxNode *n, int lo, int hi) {
    if (n->n_in >= lo && n->n_in <= hi) return true;
    if (lo == hi) return bad(n, "%d inputs given, %d expected", n->n_in, lo);
    return bad(n, "%d inputs given, %d to %d expected", n->n_in, lo, hi);
}

bool same_dtype(OnnxNode *n, int a, int b) {
    if (!has(n, a) || !has(n, b) || n->in[a]->type.dtype == n->in[b]->type.dtype) return true;
    bad(n, "inputs %d and %d must have the same element type", a, b);
    note_input(n, a);
    note_input(n, b);
    return false;
}

bool want_rank(OnnxNode *n, int k, int lo, int hi) {
    int rank = n->in[k]->type.rank;
    if (rank >= lo && rank <= hi) return true;
    if (lo == hi) bad(n, "input %d has rank %d, %d expected", k, rank, lo);
    else if (hi >= MAX_RANK) bad(n, "input %d has rank %d, at least %d expected", k, rank, lo);
    else bad(n, "input %d has rank %d, %d to %d expected", k, rank, lo, hi);
    note_input(n, k);
    return false;
}
