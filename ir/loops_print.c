/* Prints loops. The text is read back by loops_parse.c:
 *
 *   # slots are in order unless written; first the tensors of the host functions: space and slot
 *   loops "main" where N in 1..64, derived M in 0.. = N*2 slot 3 {
 *     input 0 %x : f32[N,64]
 *     func k0 kernel(%x : f32 input, %y : f32 output) parallel N scratch 0 loc "Relu_1" "Relu" 14 {
 *       ...
 *     }
 *     func run host {
 *       launch k0(%x, %t) over N*16 scratch 0 id 3
 *       call topk(%t, %y; N, 3) id 4
 *       bind K = %t[0] id 5
 *       bind M = N*2 id 6
 *       while (K < 3) { ... }
 *       swap %a, %b
 *       copy %t -> %t.host bytes N*64 id 7
 *       place (%t; N*64, 0, 3) from 0 id 0
 *     }
 *   } */
#include "ir/loops_internal.h"

#include "ir/graph_text.h"

static void indent(LPrint *p) {
    for (int i = 0; i < p->depth; i++) str_add(p->s, "  ");
}

static void number(LPrint *p, const void *thing) {
    if (!p->lines) return;
    for (; p->counted < p->s->n; p->counted++) p->breaks += p->s->at[p->counted] == '\n';
    map_set_int(p->lines, (uint64_t)(uintptr_t)thing, (void *)(intptr_t)(p->breaks + 1));
}

static void note(LPrint *p, const void *thing) {
    const char *text = p->note ? p->note(p->user, thing) : NULL;
    if (!text) return;
    indent(p);
    str_fmt(p->s, "# error: %s\n", text);
}

static void word_expr(Str *s, const char *word, const Expr *e) {
    str_add(s, word);
    expr_print(s, e);
}

static void print_body(LPrint *p, const LBody *body) {
    p->depth++;
    for (int i = 0; i < body->at.n; i++) lprint_stmt(p, body->at.at[i]);
    p->depth--;
    indent(p);
    str_char(p->s, '}');
}

static void print_for(LPrint *p, const LStmt *l) {
    Str *s = p->s;
    str_fmt(s, "for %s", l->var->name);
    if (l->bind != BIND_SERIAL) str_fmt(s, " %s", bind_names[l->bind]);
    if (l->width) str_fmt(s, " %d", l->width);
    word_expr(s, " in ", l->lo);
    word_expr(s, "..", l->hi);
    str_add(s, " {\n");
    print_body(p, &l->body);
}

static void print_if(LPrint *p, const LStmt *l) {
    word_expr(p->s, "if (", l->cond);
    str_add(p->s, ") {\n");
    print_body(p, &l->body);
    if (!l->other.at.n) return;
    str_add(p->s, " else {\n");
    print_body(p, &l->other);
}

/* What a loop moves to the next round: carry (%a = %b : BYTES, n = VALUE) */
static void print_carried(Str *s, const LStmt *l) {
    if (!l->n_args && !l->n_syms) return;
    str_add(s, " carry (");
    for (int i = 0; i < l->n_iargs; i++) {
        if (i) str_add(s, ", ");
        print_value(s, l->args[2 * i]->name);
        str_add(s, " = ");
        print_value(s, l->args[2 * i + 1]->name);
        word_expr(s, " : ", l->iargs[i]);
    }
    for (int i = 0; i < l->n_syms; i++) {
        str_fmt(s, i || l->n_iargs ? ", %s" : "%s", l->syms[i]->name);
        word_expr(s, " = ", l->values[i]);
    }
    str_char(s, ')');
}

static void print_loop(LPrint *p, const LStmt *l) {
    str_fmt(p->s, "loop %s", l->sym->name);
    if (l->hi) word_expr(p->s, " < ", l->hi);
    if (l->cond) word_expr(p->s, " while (", l->cond);
    if (l->cond) str_char(p->s, ')');
    print_carried(p->s, l);
    str_add(p->s, " {\n");
    print_body(p, &l->body);
}

static void print_tensors(Str *s, Tensor *const *at, int n) {
    for (int i = 0; i < n; i++) {
        if (i) str_add(s, ", ");
        print_value(s, at[i]->name);
    }
}

static void print_bind(Str *s, const LStmt *l) {
    str_fmt(s, "bind %s = ", l->sym->name);
    if (!l->tensor) {
        expr_print(s, l->value);
        return;
    }
    print_value(s, l->tensor->name);
    word_expr(s, "[", l->lo);
    str_char(s, ']');
}

static void print_call(Str *s, const LStmt *l) {
    if (l->kind == L_PLACE) str_add(s, "place (");
    else
        str_fmt(s, l->kind == L_CALL ? "call %s(" : "launch %s(",
                l->kind == L_CALL ? l->name : l->func->name);
    print_tensors(s, l->args, l->n_args);
    for (int i = 0; i < l->n_iargs; i++)
        word_expr(s, i ? ", " : l->n_args ? "; " : ";", l->iargs[i]);
    str_char(s, ')');
    if (l->kind == L_LAUNCH) word_expr(s, " over ", l->hi);
    if (l->kind != L_CALL) word_expr(s, l->kind == L_LAUNCH ? " scratch " : " from ", l->lo);
}

static void print_copy(Str *s, const LStmt *l) {
    str_add(s, "copy ");
    print_value(s, l->args[0]->name);
    if (l->args[0] == l->args[1]) {
        str_add(s, l->device ? " device" : " host");
    } else {
        str_add(s, " -> ");
        print_value(s, l->args[1]->name);
    }
    word_expr(s, " bytes ", l->hi);
}

static void print_buffer(Str *s, const LStmt *l) {
    str_add(s, "buffer ");
    print_value(s, l->tensor->name);
    str_fmt(s, " : %s", dtype_name(l->tensor->dtype));
    word_expr(s, "[", l->hi);
    str_fmt(s, "] %s", space_names[l->tensor->space]);
    if (l->tensor->space == SP_SCRATCH) word_expr(s, " at ", l->lo);
}

static void print_combine(Str *s, const LStmt *l) {
    str_fmt(s, "combine %s%s%s ", l->prefix ? "prefix " : "", reduce_names[l->red],
            l->last ? " last" : "");
    print_value(s, l->tensor->name);
    word_expr(s, "[", l->index);
    str_char(s, ']');
    for (int i = 0; i < l->n_args; i++) {
        str_add(s, ", ");
        print_value(s, l->args[i]->name);
        word_expr(s, "[", l->iargs[i]);
        str_char(s, ']');
    }
    str_fmt(s, " over %s", l->var->name);
}

void lprint_stmt(LPrint *p, const LStmt *l) {
    Str *s = p->s;
    number(p, l);
    indent(p);
    if (l->device && l->kind != L_COPY) str_add(s, "device ");
    switch (l->kind) {
    case L_FOR:
        print_for(p, l);
        break;
    case L_IF:
        print_if(p, l);
        break;
    case L_LOOP:
        print_loop(p, l);
        break;
    case L_STORE:
        print_value(s, l->tensor->name);
        word_expr(s, "[", l->index);
        str_add(s, "] = ");
        kprint_value(p->ctx, s, l->value);
        break;
    case L_BUFFER:
        print_buffer(s, l);
        break;
    case L_BARRIER:
        str_add(s, "barrier");
        break;
    case L_COMBINE:
        print_combine(s, l);
        break;
    case L_ASYNC:
    case L_COMMIT:
    case L_WAIT:
    case L_FRAGMENT:
    case L_MMA:
        lprint_leaf(s, l);
        break;
    case L_PRODUCTS:
    case L_PRODUCTS_WAIT:
        lprint_group(s, l);
        break;
    case L_BULK:
    case L_BOX:
    case L_BULK_WAIT:
        lprint_bulk(s, l);
        break;
    case L_LAUNCH:
    case L_CALL:
    case L_PLACE:
        print_call(s, l);
        break;
    case L_BIND:
        print_bind(s, l);
        break;
    case L_REQUIRE:
        word_expr(s, "require ", l->cond);
        str_char(s, ' ');
        str_quote(s, l->name);
        break;
    case L_COPY:
        print_copy(s, l);
        break;
    case L_STREAM:
        str_fmt(s, "stream %s %d", stream_acts[l->stream], l->id);
        break;
    case L_SWAP:
        str_add(s, "swap ");
        print_tensors(s, l->args, 2);
        break;
    }
    bool numbered =
        l->kind == L_LAUNCH || l->kind == L_CALL || l->kind == L_BIND || l->kind == L_PLACE ||
        l->kind == L_REQUIRE || l->kind == L_COPY;
    if (numbered) str_fmt(s, " id %d", l->id);
    str_char(s, '\n');
    note(p, l);
}

/* ---- functions ---- */
static void print_origins(Str *s, const LFunc *f) {
    for (int i = 0; i < f->n_origin; i++) {
        const Origin *o = &f->origin[i];
        str_add(s, i ? ", " : " loc ");
        str_quote(s, o->node ? o->node : "");
        if (!o->op) continue;
        str_char(s, ' ');
        str_quote(s, o->op);
        if (o->opset) str_fmt(s, " %d", o->opset);
    }
}

static void print_params(Str *s, const LFunc *f) {
    str_char(s, '(');
    for (int i = 0; i < f->params.n; i++) {
        const Tensor *t = f->params.at[i];
        if (i) str_add(s, ", ");
        print_value(s, t->name);
        str_fmt(s, " : %s %s", dtype_name(t->dtype), space_names[t->space]);
    }
    str_char(s, ')');
}

void lprint_func(LPrint *p, const LFunc *f) {
    number(p, f);
    Str *s = p->s;
    indent(p);
    str_fmt(s, "func %s %s%s", f->name, f->device ? "device " : "",
            f->kind == LF_KERNEL ? "kernel" : "host");
    if (f->kind == LF_KERNEL) {
        print_params(s, f);
        if (f->parallel) word_expr(s, " parallel ", f->parallel);
        if (f->scratch && !expr_is(f->scratch, 0)) word_expr(s, " scratch ", f->scratch);
        if (f->may_fault) str_add(s, " fault");
    }
    print_origins(s, f);
    str_add(s, " {\n");
    note(p, f);
    print_body(p, &f->body);
    str_char(s, '\n');
}

/* ---- names: loops inside each other, symbols and the range must differ ---- */
typedef struct Names {
    Ctx *ctx;
    Map *taken; /* name to a Var or Sym in scope; a name that went out of scope maps to NULL */
} Names;

static void rename_var(Names *n, Var *v) {
    char *name = v->name;
    for (int i = 2; map_get(n->taken, name) && map_get(n->taken, name) != v; i++)
        name = arena_printf(n->ctx->perm, "%s_%d", v->name, i);
    v->name = name;
}

static void rename_body(Names *n, LBody *body) {
    for (int i = 0; i < body->at.n; i++) {
        LStmt *l = body->at.at[i];
        if (l->kind == L_FOR) {
            rename_var(n, l->var);
            map_set(n->taken, l->var->name, l->var);
        }
        rename_body(n, &l->body);
        rename_body(n, &l->other);
        if (l->kind == L_FOR) map_set(n->taken, l->var->name, NULL);
    }
}

static void unique_names(Ctx *ctx, LFunc *f) {
    Names n = {ctx, map_new(ctx->perm)};
    LUses uses = {0};
    lfunc_uses(ctx, f, &uses);
    for (int i = 0; i < uses.syms.n; i++) map_set(n.taken, uses.syms.at[i]->name, uses.syms.at[i]);
    if (f->kind == LF_KERNEL) {
        rename_var(&n, f->lo);
        map_set(n.taken, f->lo->name, f->lo);
        rename_var(&n, f->hi);
        map_set(n.taken, f->hi->name, f->hi);
    }
    rename_body(&n, &f->body);
}

/* ---- the whole ---- */
static void each_func(const Loops *l, void (*fn)(void *, LFunc *), void *user) {
    for (int i = 0; i < l->kernels.n; i++) fn(user, l->kernels.at[i]);
    if (l->bind) fn(user, l->bind);
    if (l->run) fn(user, l->run);
}

typedef struct Whole {
    const Loops *loops;
    LUses all, host;
} Whole;

static void collect(void *user, LFunc *f) {
    Whole *w = user;
    unique_names(w->loops->ctx, f);
    lfunc_uses(w->loops->ctx, f, &w->all);
    if (f->kind == LF_HOST) lfunc_uses(w->loops->ctx, f, &w->host);
}

/* Definitions come behind what they may read; the rest is as the slots are. */
static bool comes_before(const Sym *a, const Sym *b) {
    if ((a->kind == SYM_DERIVED) != (b->kind == SYM_DERIVED)) return b->kind == SYM_DERIVED;
    return a->slot < b->slot;
}

static void print_where(Str *s, LUses *uses) {
    for (int i = 1; i < uses->syms.n; i++)
        for (int k = i; k > 0 && comes_before(uses->syms.at[k], uses->syms.at[k - 1]); k--) {
            Sym *y = uses->syms.at[k];
            uses->syms.at[k] = uses->syms.at[k - 1];
            uses->syms.at[k - 1] = y;
        }
    for (int i = 0; i < uses->syms.n; i++) {
        str_add(s, i ? ", " : " where ");
        sym_print(s, uses->syms.at[i]);
        if (uses->syms.at[i]->slot != i) str_fmt(s, " slot %d", uses->syms.at[i]->slot);
    }
}

static void print_func(void *user, LFunc *f) {
    lprint_func(user, f);
}

void loops_print_noted(LPrint *p, const Loops *l) {
    Whole w = {.loops = l};
    each_func(l, collect, &w);
    p->ctx = l->ctx;
    str_fmt(p->s, "loops ");
    str_quote(p->s, l->name);
    print_where(p->s, &w.all);
    str_add(p->s, " {\n");
    p->depth++;
    for (int i = 0; i < w.host.tensors.n; i++) {
        const Tensor *t = w.host.tensors.at[i];
        str_fmt(p->s, "  %s %d ", space_names[t->space], t->slot);
        kprint_tensor(p->s, t);
        str_char(p->s, '\n');
    }
    each_func(l, print_func, p);
    p->depth--;
    str_add(p->s, "}\n");
}

void loops_print(Str *s, const Loops *l) {
    LPrint p = {.s = s};
    loops_print_noted(&p, l);
}

void loops_print_lines(Str *s, const Loops *l, Map *lines) {
    LPrint p = {.s = s, .lines = lines};
    loops_print_noted(&p, l);
}
