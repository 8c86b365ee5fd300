/* Einsum: operands are joined from left to right; a letter is summed as soon as nobody needs it any
 * more. */
#include "frontend/ops.h"

enum { LETTERS = 52 };

/* A tensor and the letter (0..51) of each of its dimensions; dimensions under "..." have letters of
 * their own. */
typedef struct Term {
    Value *v;
    int letter[MAX_RANK];
} Term;

typedef struct Einsum {
    const char *text;       /* the equation without blanks */
    int ellipsis[MAX_RANK]; /* letters of "...", from the right */
    int n_ellipsis;
    bool used[LETTERS];
    int out[MAX_RANK], n_out;
} Einsum;

static int letter_of(char c) {
    return c >= 'a' && c <= 'z' ? c - 'a' : c >= 'A' && c <= 'Z' ? c - 'A' + 26 : -1;
}

static char char_of(int letter) {
    return (char)(letter < 26 ? 'a' + letter : 'A' + letter - 26);
}

static int fresh_letter(Einsum *e) {
    for (int i = LETTERS - 1; i >= 0; i--)
        if (!e->used[i]) return e->used[i] = true, i;
    return -1;
}

/* The letter of the k-th "..." dimension counted from the right, -1: too many. */
static int ellipsis_letter(Einsum *e, int k) {
    while (e->n_ellipsis <= k) {
        if (e->n_ellipsis == MAX_RANK) return -1;
        e->ellipsis[e->n_ellipsis++] = fresh_letter(e);
    }
    return e->ellipsis[k];
}

/* Reads the letters of one side; `rest` is how many dimensions "..." stands for. */
static int read_letters(OnnxNode *n, Einsum *e, const char *s, size_t len, int rest, int *out) {
    int count = 0;
    for (size_t i = 0; i < len;) {
        if (len - i >= 3 && !memcmp(s + i, "...", 3)) {
            for (int k = rest - 1; k >= 0 && count < MAX_RANK; k--)
                out[count++] = ellipsis_letter(e, k);
            i += 3;
        } else {
            int letter = letter_of(s[i++]);
            if (letter < 0 || count == MAX_RANK) {
                bad(n, "equation %s is malformed", e->text);
                return -1;
            }
            out[count++] = letter;
        }
    }
    return count;
}

static bool has_dots(const char *s, size_t len) {
    for (size_t i = 0; i + 2 < len; i++)
        if (s[i] == '.') return true;
    return false;
}

static bool read_operands(OnnxNode *n, Einsum *e, Term *terms, size_t left) {
    const char *s = e->text;
    for (int i = 0; i < n->n_in; i++) {
        size_t len = strcspn(s, ",");
        if (s + len > e->text + left) len = (size_t)(e->text + left - s);
        terms[i].v = need(n, i, T_NUM);
        if (!terms[i].v || !same_dtype(n, 0, i)) return false;
        int letters = (int)len - (has_dots(s, len) ? 3 : 0), rank = terms[i].v->type.rank;
        int rest = has_dots(s, len) ? rank - letters : 0;
        int count = rest < 0 ? 0 : read_letters(n, e, s, len, rest, terms[i].letter);
        if (count < 0) return false;
        if (count != rank)
            return bad(n, "equation %s does not fit the rank of input %d, %d", e->text, i, rank);
        bool last = s + len == e->text + left;
        if (last != (i == n->n_in - 1))
            return bad(n, "equation %s does not fit %d inputs", e->text, n->n_in);
        s += len + 1;
    }
    return true;
}

/* Without "->": the ellipsis, then all letters that occur once, in alphabetical order. */
static void implicit_output(OnnxNode *n, Einsum *e, const Term *terms) {
    for (int k = e->n_ellipsis - 1; k >= 0; k--) e->out[e->n_out++] = e->ellipsis[k];
    for (int i = 0; i < LETTERS; i++) {
        int letter = i < 26 ? i + 26 : i - 26, times = 0; /* upper case comes first */
        for (int t = 0; t < n->n_in; t++)
            for (int d = 0; d < terms[t].v->type.rank; d++) times += terms[t].letter[d] == letter;
        bool dots = false;
        for (int k = 0; k < e->n_ellipsis; k++) dots = dots || e->ellipsis[k] == letter;
        if (times == 1 && !dots && e->n_out < MAX_RANK) e->out[e->n_out++] = letter;
    }
}

/* ---- the work ---- */

static int find(const Term *t, int letter) {
    for (int i = 0; i < t->v->type.rank; i++)
        if (t->letter[i] == letter) return i;
    return -1;
}

/* Dimensions of one letter become one: the diagonal. */
static bool take_diagonals(OnnxNode *n, Term *t) {
    int rank = t->v->type.rank, once[MAX_RANK], count = 0, at[MAX_RANK];
    Expr *dims[MAX_RANK], *index[MAX_RANK];
    for (int i = 0; i < rank; i++) {
        int first = find(t, t->letter[i]);
        at[i] = first == i ? count : at[first];
        if (first != i) continue;
        once[count] = t->letter[i];
        dims[count++] = t->v->type.dims[i];
    }
    if (count == rank) return true;
    Node *c = build_compute_begin(n->g, &t->v, 1, t->v->type.dtype, dims, count);
    for (int i = 0; i < rank; i++) index[i] = c->vars[at[i]]->self;
    t->v = build_compute_end(n->g, c, expr_load(n->ctx, c->params[0], index, rank));
    memcpy(t->letter, once, sizeof once);
    return t->v != NULL;
}

/* Sums over the letters that `keep` does not have. */
static bool sum_out(OnnxNode *n, Term *t, const bool *keep) {
    int64_t axes[MAX_RANK];
    int count = 0, left = 0, rank = t->v->type.rank;
    for (int i = 0; i < rank; i++)
        if (!keep[t->letter[i]]) axes[count++] = i;
        else t->letter[left++] = t->letter[i];
    if (count) t->v = build_reduce(n->g, t->v, "sum", axes, count, false);
    return t->v != NULL;
}

/* Drops dimensions of 1 whose letter is larger elsewhere (only "..." and sloppy models have them).
 */
static bool drop_ones(OnnxNode *n, Term *t, const Term *other) {
    Expr *dims[MAX_RANK];
    int count = 0, rank = t->v->type.rank;
    for (int i = 0; i < rank; i++) {
        int partner = find(other, t->letter[i]);
        if (partner >= 0 && expr_is(t->v->type.dims[i], 1) &&
            !expr_is(other->v->type.dims[partner], 1))
            continue;
        t->letter[count] = t->letter[i];
        dims[count++] = t->v->type.dims[i];
    }
    t->v = reshape_to(n, t->v, dims, count);
    return t->v != NULL;
}

/* Dimensions under "..." broadcast: where it is not known which of two is 1, both are expanded. */
static bool match_ellipsis(OnnxNode *n, const Einsum *e, Term *a, Term *b) {
    for (int k = 0; k < e->n_ellipsis; k++) {
        int i = find(a, e->ellipsis[k]), j = find(b, e->ellipsis[k]);
        Expr *both;
        if (i < 0 || j < 0) continue;
        if (!broadcast_dims(n->ctx, a->v->type.dims[i], b->v->type.dims[j], &both))
            return bad(n, "dimensions under ... of equation %s do not broadcast", e->text);
        a->v = expand_axis(n, a->v, i, both);
        b->v = expand_axis(n, b->v, j, both);
        if (!a->v || !b->v) return false;
    }
    return true;
}

static int spell(char *to, const int *letters, int count) {
    for (int i = 0; i < count; i++) to[i] = char_of(letters[i]);
    return count;
}

/* a and b become one term that has the letters of `order` which either has. */
static bool join(OnnxNode *n, const Einsum *e, Term *a, Term *b, const int *order, int n_order) {
    char spec[4 * MAX_RANK];
    if (!drop_ones(n, a, b) || !drop_ones(n, b, a) || !match_ellipsis(n, e, a, b)) return false;
    Term out = {0};
    int count = 0, at = spell(spec, a->letter, a->v->type.rank);
    spec[at++] = ',';
    at += spell(spec + at, b->letter, b->v->type.rank);
    spec[at++] = '-';
    spec[at++] = '>';
    for (int i = 0; i < n_order; i++) {
        if (find(a, order[i]) < 0 && find(b, order[i]) < 0) continue;
        if (count == MAX_RANK) return bad(n, "rank would exceed %d", MAX_RANK);
        out.letter[count++] = order[i];
    }
    at += spell(spec + at, out.letter, count);
    spec[at] = 0;
    out.v = build_contract(n->g, a->v, b->v, NULL, spec);
    *a = out;
    return out.v != NULL;
}

/* The letters that are needed after terms 0..i: those of the output, then those of later terms. */
static int needed_after(const OnnxNode *n, const Einsum *e, const Term *terms, int i, int *order,
                        bool *keep) {
    int count = 0;
    memset(keep, 0, LETTERS * sizeof *keep);
    for (int k = 0; k < e->n_out; k++)
        if (!keep[e->out[k]]) keep[order[count++] = e->out[k]] = true;
    for (int t = i + 1; t < n->n_in; t++)
        for (int d = 0; d < terms[t].v->type.rank; d++)
            if (!keep[terms[t].letter[d]]) keep[order[count++] = terms[t].letter[d]] = true;
    return count;
}

static Value *join_all(OnnxNode *n, Einsum *e, Term *terms) {
    int order[LETTERS];
    bool keep[LETTERS];
    for (int i = 0; i < n->n_in; i++)
        if (!take_diagonals(n, &terms[i])) return NULL;
    needed_after(n, e, terms, 0, order, keep);
    if (n->n_in == 1 && !sum_out(n, &terms[0], keep)) return NULL;
    for (int i = 1; i < n->n_in; i++) {
        int count = needed_after(n, e, terms, i, order, keep);
        if (!join(n, e, &terms[0], &terms[i], order, count)) return NULL;
    }
    int64_t perm[MAX_RANK];
    for (int i = 0; i < e->n_out; i++) {
        int at = find(&terms[0], e->out[i]);
        if (at < 0)
            return bad(n, "output of equation %s has a letter that no input has", e->text), NULL;
        perm[i] = at;
    }
    if (terms[0].v->type.rank != e->n_out)
        return bad(n, "output of equation %s repeats a letter", e->text), NULL;
    return transpose_to(n, terms[0].v, perm);
}

ONNX_OP(Einsum, 12) {
    ATTRS("equation:s!");
    Einsum e = {0};
    Str text = str_new(n->ctx->perm);
    for (const char *s = attr_string(n, "equation", ""); *s; s++)
        if (*s != ' ') str_char(&text, *s);
    e.text = diag_name(n->ctx, str_c(&text));
    for (const char *s = e.text; *s; s++)
        if (letter_of(*s) >= 0) e.used[letter_of(*s)] = true;
    const char *arrow = strstr(e.text, "->");
    size_t left = arrow ? (size_t)(arrow - e.text) : strlen(e.text);
    if (n->n_in < 1) return bad(n, "there are no inputs");
    Term *terms = NEW_ARRAY(n->ctx->perm, Term, n->n_in);
    if (!read_operands(n, &e, terms, left)) return false;
    if (arrow) e.n_out = read_letters(n, &e, arrow + 2, strlen(arrow + 2), e.n_ellipsis, e.out);
    else implicit_output(n, &e, terms);
    return e.n_out >= 0 && give(n, 0, join_all(n, &e, terms));
}
