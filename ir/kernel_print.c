/* Prints a program of kernels: declarations, items and statements. Hows are printed by
 * kernel_print_how.c. */
#include "ir/kernel_internal.h"

const char *const space_names[] = {"input", "output", "const",   "arena", "temp",
                                   "reg",   "stack",  "scratch", "shared"};

void kprint_indent(KPrint *p) {
    for (int i = 0; i < p->depth; i++) str_add(p->s, "  ");
}

void kprint_note(KPrint *p, const void *thing) {
    const char *text = p->note ? p->note(p->user, thing) : NULL;
    if (!text) return;
    kprint_indent(p);
    str_fmt(p->s, "# error: %s\n", text);
}

/* ---- declarations ---- */

void kprint_layout(Str *s, const Layout *l) {
    str_char(s, '[');
    for (int i = 0; i < l->n; i++) {
        if (i) str_char(s, ',');
        str_fmt(s, "%d", l->at[i].dim);
        if (l->at[i].div != 1) str_fmt(s, "/%lld", (long long)l->at[i].div);
        if (l->at[i].mod) str_fmt(s, "%%%lld", (long long)l->at[i].mod);
    }
    str_char(s, ']');
}

void kprint_tensor(Str *s, const Tensor *t) {
    Type type = type_make(t->dtype, t->dims, t->rank);
    print_value(s, t->name);
    str_add(s, " : ");
    type_print(s, &type);
    if (t->layout) {
        str_add(s, " layout ");
        kprint_layout(s, t->layout);
    }
    if (t->packed) str_fmt(s, " packed %d", t->packed);
    if (t->alias) {
        str_add(s, " alias ");
        print_value(s, t->alias->name);
    }
    if (t->state) str_add(s, " state");
    if (t->device) str_add(s, " device");
    if (t->outer) {
        str_add(s, " as ");
        type_print(s, t->outer);
    }
}

static void print_tensors(Str *s, Tensor *const *list, int n) {
    str_char(s, '(');
    for (int i = 0; i < n; i++) {
        if (i) str_add(s, ", ");
        kprint_tensor(s, list[i]);
    }
    str_char(s, ')');
}

static void print_names(Str *s, Tensor *const *list, int n) {
    str_char(s, '(');
    for (int i = 0; i < n; i++) {
        if (i) str_add(s, ", ");
        print_value(s, list[i]->name);
    }
    str_char(s, ')');
}

static void print_exprs(Str *s, Expr *const *list, int n) {
    for (int i = 0; i < n; i++) {
        if (i) str_add(s, ", ");
        expr_print(s, list[i]);
    }
}

/* ---- statements ---- */

static void print_vars(Str *s, Var *const *vars, int n) {
    str_char(s, '[');
    for (int i = 0; i < n; i++) {
        str_fmt(s, i ? ", %s<" : "%s<", vars[i]->name);
        expr_print(s, vars[i]->extent);
    }
    str_char(s, ']');
}

/* A pass may have written the domain variables out. */
static bool is_identity(const Stmt *s) {
    bool same = !s->index || stmt_target(s)->rank == s->n_dom;
    for (int i = 0; same && s->index && i < s->n_dom; i++) same = s->index[i] == s->dom[i]->self;
    return same;
}

static void print_target(Str *s, const Stmt *t) {
    bool identity = is_identity(t);
    if (!identity) {
        print_vars(s, t->dom, t->n_dom);
        str_char(s, ' ');
    }
    if (t->out) print_value(s, t->out->name);
    else str_char(s, '_');
    if (t->out2) {
        str_add(s, ", ");
        print_value(s, t->out2->name);
    }
    if (identity) {
        print_vars(s, t->dom, t->n_dom);
        return;
    }
    str_char(s, '[');
    print_exprs(s, t->index, stmt_target(t)->rank);
    str_char(s, ']');
}

void kprint_recipe(Str *s, const char *by, const Recipe *r) {
    if (r->acc == DT_NONE && !r->lanes && !r->blocks) return;
    str_add(s, by);
    if (r->acc != DT_NONE) str_fmt(s, " %s", dtype_name(r->acc));
    if (r->lanes) str_fmt(s, " lanes %d", r->lanes);
    if (r->runs > 1) str_fmt(s, " runs %d", r->runs);
    if (r->blocks) str_fmt(s, " blocks %d", r->blocks);
}

void kprint_stmt(Ctx *ctx, Str *s, const Stmt *t) {
    print_target(s, t);
    str_add(s, " = ");
    const char *op = reduce_names[t->op];
    if (t->kind == ST_REDUCE) {
        str_fmt(s, "%s%s", op, t->last ? " last" : "");
        print_vars(s, t->red, t->n_red);
        str_char(s, ' ');
    } else if (t->kind == ST_SCAN) {
        str_fmt(s, "scan%s%s %s[%s] ", t->exclusive ? " exclusive" : "",
                t->reverse ? " reverse" : "", op, t->dom[t->axis]->name);
    } else if (t->kind == ST_SCATTER) {
        str_fmt(s, "scatter %s ", op);
    }
    kprint_value(ctx, s, t->value);
    if (t->decay) {
        str_add(s, "  decay ");
        kprint_value(ctx, s, t->decay);
    }
    kprint_recipe(s, "  by", &t->recipe);
}

/* ---- items ---- */

static bool is_word(const char *s) {
    if (!*s || (*s >= '0' && *s <= '9')) return false;
    for (; *s; s++) {
        bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                     (*s >= '0' && *s <= '9') || *s == '_';
        if (!plain) return false;
    }
    return true;
}

/* As in a graph: "Conv_0" Conv.13; an operator name that is no identifier is left out. */
static void print_origin(Str *s, const Origin *o) {
    str_quote(s, o->node ? o->node : "");
    if (o->op && is_word(o->op)) str_fmt(s, " %s.%d", o->op, o->opset);
}

static void print_item_origin(Str *s, const Item *it) {
    if (!it->origin.node && !it->origin.op) return;
    str_add(s, " loc ");
    print_origin(s, &it->origin);
}

static void print_temps(KPrint *p, const Kernel *k) {
    int n;
    Tensor **temps = kernel_temps(p->s->arena, k, &n);
    for (int i = 0; i < n; i++) {
        kprint_indent(p);
        str_add(p->s, "temp ");
        kprint_tensor(p->s, temps[i]);
        str_char(p->s, '\n');
    }
}

void kprint_kernel(KPrint *p, const Kernel *k) {
    Str *s = p->s;
    str_fmt(s, "kernel %s", k->name);
    for (int i = 0; i < k->n_origin; i++) {
        str_add(s, i ? ", " : " ");
        print_origin(s, &k->origin[i]);
    }
    str_add(s, " {\n");
    p->depth++;
    kprint_note(p, k);
    print_temps(p, k);
    for (int i = 0; i < k->stmts.n; i++) {
        kprint_indent(p);
        kprint_stmt(p->ctx, s, k->stmts.at[i]);
        str_char(s, '\n');
        kprint_note(p, k->stmts.at[i]);
    }
    for (int i = 0; i < k->hows.n; i++) kprint_how(p, k, k->hows.at[i]);
    p->depth--;
    kprint_indent(p);
    str_add(s, "}\n");
}

static void print_block(KPrint *p, const Block *b);

static void print_call(Str *s, const Item *it) {
    str_fmt(s, "call %s", it->call);
    print_names(s, it->in, it->n_in);
    str_add(s, " -> ");
    print_names(s, it->out, it->n_out);
    if (it->scratch) {
        str_add(s, " scratch ");
        print_value(s, it->scratch->name);
    }
    if (it->n_args) {
        str_add(s, " args (");
        print_exprs(s, it->args, it->n_args);
        str_char(s, ')');
    }
    print_item_origin(s, it);
    str_char(s, '\n');
}

static void print_bind(Str *s, const Item *it) {
    str_fmt(s, "bind %s = ", it->sym->name);
    if (it->n_in) {
        print_value(s, it->in[0]->name);
        str_fmt(s, "[%lld]", (long long)it->index);
    } else {
        expr_print(s, it->value);
    }
    print_item_origin(s, it);
    str_char(s, '\n');
}

static void print_check(Str *s, const Item *it) {
    str_add(s, "check ");
    expr_print(s, it->value);
    str_char(s, ' ');
    str_quote(s, it->text);
    print_item_origin(s, it);
    str_char(s, '\n');
}

static void print_if(KPrint *p, const Item *it) {
    Str *s = p->s;
    str_add(s, "if ");
    print_value(s, it->in[0]->name);
    str_add(s, " -> ");
    print_names(s, it->out, it->n_out);
    print_item_origin(s, it);
    str_add(s, " {\n");
    print_block(p, it->block[0]);
    kprint_indent(p);
    str_add(s, "} else {\n");
    print_block(p, it->block[1]);
    kprint_indent(p);
    str_add(s, "}\n");
}

static void print_loop(KPrint *p, const Item *it) {
    Str *s = p->s;
    str_fmt(s, "loop %s", it->sym->name);
    if (it->trip) {
        str_add(s, " < ");
        expr_print(s, it->trip);
    }
    if (it->n_in) {
        str_add(s, " while ");
        print_value(s, it->in[0]->name);
    }
    str_add(s, " carry (");
    for (int i = 0; i < it->n_out; i++) {
        if (i) str_add(s, ", ");
        print_value(s, it->out[i]->name);
        str_add(s, " = ");
        print_value(s, it->next[i]->name);
    }
    for (int i = 0; i < it->n_size; i++) {
        str_fmt(s, i || it->n_out ? ", %s = " : "%s = ", it->size[i]->name);
        expr_print(s, it->next_size[i]);
    }
    str_char(s, ')');
    print_item_origin(s, it);
    str_add(s, " {\n");
    print_block(p, it->block[0]);
    kprint_indent(p);
    str_add(s, "}\n");
}

static void print_copy(Str *s, const Item *it) {
    str_add(s, "copy ");
    print_value(s, it->in[0]->name);
    if (it->in[0] == it->out[0]) {
        str_add(s, it->device ? " device" : " host");
    } else {
        str_add(s, " -> ");
        print_value(s, it->out[0]->name);
    }
    print_item_origin(s, it);
    str_char(s, '\n');
}

static void print_streams(Str *s, const Item *it) {
    if (it->fork) str_add(s, "fork ");
    if (it->join) str_add(s, "join ");
    if (it->stream) str_fmt(s, "stream %d ", it->stream);
    for (int i = 0; i < it->n_waits; i++) str_fmt(s, i ? ", %d" : "wait %d", it->waits[i]);
    if (it->n_waits) str_char(s, ' ');
    if (it->event) str_fmt(s, "event %d ", it->event);
}

static void print_item(KPrint *p, const Item *it) {
    kprint_indent(p);
    print_streams(p->s, it);
    if (it->device && it->kind != ITEM_COPY) str_add(p->s, "device ");
    switch (it->kind) {
    case ITEM_KERNEL:
        kprint_kernel(p, it->kernel);
        break;
    case ITEM_CALL:
        print_call(p->s, it);
        break;
    case ITEM_BIND:
        print_bind(p->s, it);
        break;
    case ITEM_IF:
        print_if(p, it);
        break;
    case ITEM_LOOP:
        print_loop(p, it);
        break;
    case ITEM_CHECK:
        print_check(p->s, it);
        break;
    case ITEM_COPY:
        print_copy(p->s, it);
        break;
    }
    kprint_note(p, it);
}

static void print_block(KPrint *p, const Block *b) {
    p->depth++;
    for (int i = 0; i < b->items.n; i++) print_item(p, b->items.at[i]);
    p->depth--;
}

/* ---- the program ---- */

static void print_where(Str *s, const Program *p) {
    bool first = true;
    for (int i = 0; i < p->syms.n; i++) {
        if (p->syms.at[i]->merged) continue;
        str_add(s, first ? " where " : ", ");
        sym_print(s, p->syms.at[i]);
        first = false;
    }
}

static void print_declarations(KPrint *p, const Program *g) {
    Str *s = p->s;
    for (int i = 0; i < g->consts.n; i++) {
        str_add(s, "  const ");
        kprint_tensor(s, g->consts.at[i]);
        str_add(s, " = ");
        const_print(s, g->consts.at[i]->data);
        str_char(s, '\n');
    }
    for (int i = 0; i < g->tensors.n; i++) {
        str_add(s, "  tensor ");
        kprint_tensor(s, g->tensors.at[i]);
        str_char(s, '\n');
    }
}

void program_print_noted(KPrint *p, const Program *g) {
    Str *s = p->s;
    p->ctx = g->ctx;
    str_add(s, "program ");
    if (is_word(g->name)) str_add(s, g->name);
    else str_quote(s, g->name);
    print_tensors(s, g->inputs.at, g->inputs.n);
    str_add(s, " -> ");
    print_tensors(s, g->outputs.at, g->outputs.n);
    print_where(s, g);
    str_add(s, " {\n");
    print_declarations(p, g);
    for (int i = 0; i < g->requires.n; i++) require_print(s, &g->requires.at[i]);
    print_block(p, g->body);
    str_add(s, "}\n");
    kprint_note(p, g);
}

void program_print(Str *s, const Program *g) {
    KPrint p = {.s = s};
    program_print_noted(&p, g);
}
