/* Attention: two contracts around a softmax, whatever the order of their axes, with one, several or
 * no heads.
 *
 * Everything is read from the specs: the letter that the softmax runs over belongs to k and v only;
 * letters of all operands are batch, the last of them the head; the one that only q has is the row.
 * Grouped heads show in an expand among the views in front of k and v (View's added atoms), or by
 * the missing of the head letter in k and v. */
#include "passes/graph/attention.h"
#include "passes/graph/view.h"

typedef struct Match {
    Graph *g;
    Node *second; /* contract of probabilities and v */
    Spec one, two;
    int p, q;   /* which operand of the second is the probabilities, of the first q */
    Value *s;   /* the softmax's operand */
    int column; /* its axis */
    bool safe;  /* rows of NaN count as 0 */
    Scores scores;
    Roles roles;
    char letter1[MAX_RANK],
        letter2[MAX_RANK]; /* of S's axes in the first spec (0: size 1) and in the second */
    char inner, value;     /* the letter summed in the first; of v's own axis in the second */
    double scale;
} Match;

static const char *letters(const Spec *s, int k) {
    return k ? s->b : s->a;
}

/* ---- the softmax ---- */

/* select(isnan(p), 0, p): exporters guard rows where everything is masked. */
static Value *without_guard(Value *v, bool *safe) {
    Node *sel = def_of(v, scalar(SOP_select));
    Node *nan = sel ? def_of(sel->in[0], scalar(SOP_isnan)) : NULL;
    *safe =
        nan && nan->in[0] == sel->in[2] && (const_is(sel->in[1], 0) || const_is(sel->in[1], -0.0));
    return *safe ? sel->in[2] : v;
}

static bool only_in(const Value *v, int uses) {
    const Users *u = users_of(v);
    return u->n == uses && !u->is_result;
}

static bool find_softmax(Match *m) {
    for (m->p = 0; m->p < 2; m->p++) {
        Value *outer = m->second->in[m->p], *v = without_guard(outer, &m->safe);
        Node *n = def_of(v, OP_softmax);
        if (!n || node_int(n, "log", 0) || !used_once(outer) || !only_in(v, m->safe ? 2 : 1))
            continue;
        m->s = n->in[0];
        m->column = (int)node_int(n, "axis", 0);
        return find_scores(m->g, m->s, &m->scores);
    }
    return false;
}

/* ---- letters ---- */

static bool has(const char *s, char c) {
    return c && strchr(s, c);
}

static bool find_letters(Match *m) {
    const char *p = letters(&m->two, m->p);
    for (int i = 0; i < m->s->type.rank; i++) {
        int at = m->scores.axis_of[i];
        m->letter1[i] = at >= 0 && !expr_is(m->s->type.dims[i], 1) ? m->one.y[at] : 0;
        m->letter2[i] = p[i];
    }
    char n1 = m->letter1[m->column], n2 = m->letter2[m->column];
    if (!n1) return false;
    m->q = has(m->one.a, n1) ? 1 : 0;
    if (has(letters(&m->one, m->q), n1) || has(m->two.y, n2) ||
        !has(letters(&m->two, 1 - m->p), n2))
        return false;
    const char *q = letters(&m->one, m->q), *v = letters(&m->two, 1 - m->p);
    for (const char *c = q; *c; c++) {
        if (has(m->one.y, *c)) continue;
        if (m->inner) return false;
        m->inner = *c;
    }
    for (const char *c = v; *c; c++) {
        if (has(p, *c)) continue;
        if (m->value || !has(m->two.y, *c)) return false;
        m->value = *c;
    }
    return m->inner && m->value && has(letters(&m->one, 1 - m->q), m->inner);
}

/* Sorts S's axes into batch, head and row. */
static bool find_roles(Match *m) {
    Roles *r = &m->roles;
    const char *q = letters(&m->one, m->q), *k = letters(&m->one, 1 - m->q),
               *v = letters(&m->two, 1 - m->p);
    int rows[MAX_RANK], n_rows = 0;
    *r = (Roles){.head = -1, .row = -1, .column = m->column};
    for (int i = 0; i < m->s->type.rank; i++) {
        if (i == m->column || !m->letter1[i]) continue;
        bool in_q = has(q, m->letter1[i]), in_k = has(k, m->letter1[i]),
             in_v = has(v, m->letter2[i]);
        if (!in_q || in_k != in_v || !has(m->two.y, m->letter2[i])) return false;
        if (in_k) r->batch[r->n_batch++] = i;
        else rows[n_rows++] = i;
    }
    if (n_rows > 2) return false;
    if (n_rows) r->row = rows[n_rows - 1];
    r->shared = n_rows == 2;
    if (r->shared) r->head = rows[0];
    else if (r->n_batch) r->head = r->batch[r->n_batch - 1];
    return true;
}

/* ---- operands ---- */

/* The operand as [b, h, x, y]: letters x and y last (x 0: none), axes of size 1 anywhere. */
static Value *arranged(Match *m, Value *v, const char *spec, const char *by_axis, bool has_head,
                       char x, char y) {
    Graph *g = m->g;
    const Roles *r = &m->roles;
    int64_t perm[MAX_RANK];
    int at = 0, rank = v->type.rank;
    bool placed[MAX_RANK] = {false};
    Expr *one = expr_int(g->ctx, 1), *shape[4] = {one, one, one, one};
    char order[MAX_RANK + 4];
    int slot[MAX_RANK + 4], n = 0;
    for (int i = 0; i < r->n_batch; i++)
        if (r->batch[i] != r->head) order[n] = by_axis[r->batch[i]], slot[n++] = 0;
    if (has_head && r->head >= 0) order[n] = by_axis[r->head], slot[n++] = 1;
    order[n] = x, slot[n++] = 2;
    order[n] = y, slot[n++] = 3;
    for (int i = 0; i < n; i++) {
        const char *c = order[i] ? strchr(spec, order[i]) : NULL;
        if (!c) continue;
        placed[perm[at++] = c - spec] = true;
        shape[slot[i]] = expr_mul(g->ctx, shape[slot[i]], v->type.dims[c - spec]);
    }
    for (int i = 0; i < rank; i++) {
        if (placed[i]) continue;
        if (!expr_is(v->type.dims[i], 1)) return NULL;
        perm[at++] = i;
    }
    return build_reshape(g, build_transpose(g, v, perm), shape, 4);
}

/* A constant factor on the way to q or k leaves; it joins the scale. */
static Value *without_scale(Match *m, Value *v) {
    View w = view_of_scaled(m->g, v);
    if (w.scale == 1 || !(w.scale > 0)) return v;
    for (int i = 0; i < w.type.rank; i++)
        if (view_axis_added(&w, i, false)) return v;
    m->scale *= w.scale;
    return view_emit(m->g, &w);
}

/* How many heads share a group, as the head axis of k or v tells; NULL: they do not. */
static Expr *group_size(Match *m, const View *w, const char *spec, char head) {
    const char *at = head ? strchr(spec, head) : NULL;
    if (!at) return NULL;
    for (int i = 0; i < w->type.rank; i++)
        if (view_axis_added(w, i, i == at - spec) && i != at - spec) return NULL;
    if (!view_axis_added(w, (int)(at - spec), true)) return NULL;
    Expr *real = view_real_extent(m->g, w, (int)(at - spec));
    return expr_floordiv(m->g->ctx, w->type.dims[at - spec], real);
}

/* k and v with one head per group where both were expanded in the same way. */
static void ungroup(Match *m, Value **k, Value **v) {
    if (m->roles.head < 0 || m->roles.shared) return;
    View wk = view_of_scaled(m->g, *k), wv = view_of(m->g, *v);
    Expr *rk = group_size(m, &wk, letters(&m->one, 1 - m->q), m->letter1[m->roles.head]);
    Expr *rv = group_size(m, &wv, letters(&m->two, 1 - m->p), m->letter2[m->roles.head]);
    if (!rk || rk != rv || !(wk.scale > 0)) return;
    m->scale *= wk.scale;
    view_drop_added(m->g, &wk);
    view_drop_added(m->g, &wv);
    *k = view_emit(m->g, &wk);
    *v = view_emit(m->g, &wv);
}

/* ---- the result ---- */

/* [b, h, m, e] to the second contract's result. */
static Value *as_result(Match *m, Value *y) {
    Graph *g = m->g;
    const Roles *r = &m->roles;
    const Type *out = &m->second->out[0]->type;
    char order[MAX_RANK + 2];
    Expr *shape[MAX_RANK + 2];
    int n = 0;
    for (int i = 0; i < r->n_batch; i++)
        if (r->batch[i] != r->head) order[n++] = m->letter2[r->batch[i]];
    if (r->head >= 0) order[n++] = m->letter2[r->head];
    if (r->row >= 0) order[n++] = m->letter2[r->row];
    order[n++] = m->value;
    for (int i = 0; i < m->s->type.rank; i++)
        if (i != r->column && !m->letter1[i]) order[n++] = m->letter2[i]; /* of size 1 */
    if (n != out->rank) return NULL;
    int64_t perm[MAX_RANK];
    for (int i = 0; i < n; i++) {
        const char *at = strchr(m->two.y, order[i]);
        if (!at) return NULL;
        shape[i] = out->dims[at - m->two.y];
        perm[at - m->two.y] = i;
    }
    return build_transpose(g, build_reshape(g, y, shape, n), perm);
}

static Value *build(Match *m) {
    Graph *g = m->g;
    const Node *first = m->scores.contract;
    Value *q = first->in[m->q], *k = first->in[1 - m->q], *v = m->second->in[1 - m->p];
    const Roles *r = &m->roles;
    m->scale = m->scores.scale;
    ungroup(m, &k, &v);
    q = without_scale(m, q);
    k = without_scale(m, k);
    char row1 = r->row >= 0 ? m->letter1[r->row] : 0, n1 = m->letter1[r->column],
         n2 = m->letter2[r->column];
    q = arranged(m, q, letters(&m->one, m->q), m->letter1, true, row1, m->inner);
    k = arranged(m, k, letters(&m->one, 1 - m->q), m->letter1, !r->shared, n1, m->inner);
    v = arranged(m, v, letters(&m->two, 1 - m->p), m->letter2, !r->shared, n2, m->value);
    if (!q || !k || !v) return NULL;
    Value *in[] = {q, k, v, attention_mask(g, &m->scores, r, &m->s->type)};
    Node *n = node_draft(g, OP_attention, in, in[3] ? 4 : 3, 1);
    node_set_flt(g, n, "scale", (double)(float)m->scale);
    node_set_int(g, n, "safe", m->safe);
    return node_finish(g, n) ? as_result(m, n->out[0]) : NULL;
}

Value *rule_attention(Graph *g, Node *n) {
    if (n->op != OP_contract || (n->n_in > 2 && n->in[2]) || g->strict) return NULL;
    Match m = {.g = g, .second = n};
    if (!contract_spec(node_str(n, "spec", ""), &m.two) || !find_softmax(&m)) return NULL;
    if (!contract_spec(node_str(m.scores.contract, "spec", ""), &m.one)) return NULL;
    return find_letters(&m) && find_roles(&m) ? build(&m) : NULL;
}
