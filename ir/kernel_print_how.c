/* Prints the how of a kernel: splits, collapses, homes, then the nest of loops.
 *
 *   how "x86-64-v4" when N >= 16 {
 *     split o by 32 -> o.0 o.1 mask
 *     collapse h w -> p
 *     home %acc reg
 *     by %acc f32 lanes 32
 *     for n thread {
 *       for o.0 {
 *         for o.1 vector { do %acc }
 *       }
 *     }
 *   }
 *
 * `do %t` is the innermost place of the statement that writes %t; `do %t 1` of the second that
 * does. On GPUs there may be copies of factors of a product:
 *
 *   stage factor 0 of %acc over o.1 c.1 -> %acc.a : f32[64,36] shared ahead 1 */
#include "ir/kernel_internal.h"

const char *const tail_names[] = {"exact", "mask", "peel", "guard"};

/* ---- splits and collapses, in an order in which each finds its variables ---- */

typedef struct Order {
    const How *how;
    bool *split_done, *collapse_done;
} Order;

/* Is v made by a split or collapse that is not printed yet? */
static bool pending(const Order *o, const Var *v) {
    for (int i = 0; i < o->how->splits.n; i++) {
        const Split *s = &o->how->splits.at[i];
        if (!o->split_done[i] && (s->outer == v || s->inner == v)) return true;
    }
    for (int i = 0; i < o->how->collapses.n; i++)
        if (!o->collapse_done[i] && o->how->collapses.at[i].into == v) return true;
    return false;
}

static bool print_splits(KPrint *p, Order *o) {
    bool any = false;
    for (int i = 0; i < o->how->splits.n; i++) {
        const Split *s = &o->how->splits.at[i];
        if (o->split_done[i] || pending(o, s->var)) continue;
        kprint_indent(p);
        str_fmt(p->s, "split %s by %lld -> %s %s %s\n", s->var->name, (long long)s->factor,
                s->outer->name, s->inner->name, tail_names[s->tail]);
        any = o->split_done[i] = true;
    }
    return any;
}

static bool print_collapses(KPrint *p, Order *o) {
    bool any = false;
    for (int i = 0; i < o->how->collapses.n; i++) {
        const Collapse *c = &o->how->collapses.at[i];
        bool wait = o->collapse_done[i];
        for (int j = 0; j < c->n; j++) wait |= pending(o, c->from[j]);
        if (wait) continue;
        kprint_indent(p);
        str_add(p->s, "collapse");
        for (int j = 0; j < c->n; j++) str_fmt(p->s, " %s", c->from[j]->name);
        str_fmt(p->s, " -> %s\n", c->into->name);
        any = o->collapse_done[i] = true;
    }
    return any;
}

static void print_variables(KPrint *p, const How *h) {
    Order o = {.how = h};
    o.split_done = NEW_ARRAY(p->s->arena, bool, h->splits.n + 1);
    o.collapse_done = NEW_ARRAY(p->s->arena, bool, h->collapses.n + 1);
    bool more;
    do {
        more = print_splits(p, &o);
        more |= print_collapses(p, &o);
    } while (more);
}

/* ---- the nest ---- */

static void print_stmt_name(Str *s, const Kernel *k, const Stmt *stmt) {
    int nth = 0;
    const Tensor *target = stmt_target(stmt);
    for (int i = 0; i < k->stmts.n && k->stmts.at[i] != stmt; i++)
        nth += stmt_target(k->stmts.at[i]) == target;
    print_value(s, target->name);
    if (nth) str_fmt(s, " %d", nth);
}

static void print_do(Str *s, const Kernel *k, const Stmt *stmt) {
    str_add(s, "do ");
    print_stmt_name(s, k, stmt);
    str_char(s, '\n');
}

static void print_stage(Str *s, const Kernel *k, const Stage *g) {
    str_fmt(s, "stage factor %d of ", g->factor);
    print_stmt_name(s, k, g->stmt);
    str_add(s, " over");
    for (int i = 0; i < g->n_region; i++) str_fmt(s, " %s", g->region[i]->name);
    str_add(s, " -> ");
    kprint_tensor(s, g->copy);
    str_fmt(s, " %s", space_names[g->copy->space]);
    if (g->ahead) str_fmt(s, " ahead %d", g->ahead);
    if (g->behind) str_fmt(s, " behind %d", g->behind);
    if (g->bulk) str_add(s, " bulk");
    if (g->box) str_add(s, " box");
    str_char(s, '\n');
}

static void print_nest(KPrint *p, const Kernel *k, const Nest *n) {
    Str *s = p->s;
    kprint_indent(p);
    if (n->kind == NEST_STMT) {
        print_do(s, k, n->stmt);
    } else if (n->kind == NEST_STAGE) {
        print_stage(s, k, n->stage);
    } else {
        str_fmt(s, "for %s", n->var->name);
        if (n->bind != BIND_SERIAL) str_fmt(s, " %s", bind_names[n->bind]);
        str_add(s, " {\n");
        p->depth++;
        for (int i = 0; i < n->n_child; i++) print_nest(p, k, n->child[i]);
        p->depth--;
        kprint_indent(p);
        str_add(s, "}\n");
    }
    kprint_note(p, n);
}

void kprint_how(KPrint *p, const Kernel *k, const How *h) {
    Str *s = p->s;
    kprint_indent(p);
    str_add(s, "how");
    if (h->machine) {
        str_char(s, ' ');
        str_quote(s, h->machine);
    }
    if (h->when) {
        str_add(s, " when ");
        expr_print(s, h->when);
    }
    str_add(s, " {\n");
    p->depth++;
    kprint_note(p, h);
    print_variables(p, h);
    for (int i = 0; i < h->homes.n; i++) {
        kprint_indent(p);
        str_add(s, "home ");
        print_value(s, h->homes.at[i].temp->name);
        str_fmt(s, " %s\n", space_names[h->homes.at[i].space]);
    }
    for (int i = 0; i < h->own.n; i++) {
        kprint_indent(p);
        str_add(s, "by ");
        print_stmt_name(s, k, h->own.at[i].stmt);
        kprint_recipe(s, "", &h->own.at[i].recipe);
        str_char(s, '\n');
    }
    for (int i = 0; i < h->n_top; i++) print_nest(p, k, h->top[i]);
    p->depth--;
    kprint_indent(p);
    str_add(s, "}\n");
}
