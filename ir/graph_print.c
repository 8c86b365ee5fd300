/* Prints a graph: one line per node, attributes sorted, what is default or absent omitted. */
#include "ir/graph_text.h"

typedef struct Print {
    Str *s;
    int depth;
    const char *(*note)(void *user, const Node *);
    void *user;
} Print;

static void indent(Print *p) {
    for (int i = 0; i < p->depth; i++) str_add(p->s, "  ");
}

static void print_typed(Str *s, const Value *v) {
    print_value(s, v->name ? v->name : "?");
    str_add(s, " : ");
    type_print(s, &v->type);
}

/* ---- attributes ---- */

/* Floats of ONNX are f32: such values are written short; others carry their type. */
static void print_flt(Str *s, double v) {
    bool single = v != v || (double)(float)v == v;
    str_float(s, v, single);
    if (!single) str_add(s, ":f64");
}

static void print_item(Str *s, const Attr *a, int i) {
    if (a->kind == AT_INTS) str_fmt(s, "%lld", (long long)a->ints[i]);
    else if (a->kind == AT_FLTS) print_flt(s, a->flts[i]);
    else expr_print(s, a->exprs[i]);
}

static void print_attr(Str *s, const Attr *a) {
    str_fmt(s, "%s=", a->name);
    switch (a->kind) {
    case AT_INT: str_fmt(s, "%lld", (long long)a->i); return;
    case AT_FLT: print_flt(s, a->f); return;
    case AT_STR: str_quote(s, a->s); return;
    default: break;
    }
    str_char(s, '[');
    for (int i = 0; i < a->n; i++) {
        if (i) str_char(s, ',');
        print_item(s, a, i);
    }
    str_char(s, ']');
}

static void print_attrs(Str *s, const Node *n) {
    if (!n->n_attr && !n->body) return;
    str_add(s, " {");
    if (n->body) {
        str_add(s, "body=");
        expr_print(s, n->body);
    }
    for (int i = 0; i < n->n_attr; i++) {
        if (i || n->body) str_add(s, ", ");
        print_attr(s, &n->attr[i]);
    }
    str_char(s, '}');
}

static bool is_word(const char *s) {
    if (!*s || (*s >= '0' && *s <= '9')) return false;
    for (; *s; s++) {
        bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                     (*s >= '0' && *s <= '9') || *s == '_';
        if (!plain) return false;
    }
    return true;
}

/* `loc "Conv_0" Conv.13`; an operator name that is no identifier is left out. */
static void print_origin(Str *s, const Origin *o) {
    if (!o->node && !o->op) return;
    str_add(s, "   loc ");
    str_quote(s, o->node ? o->node : "");
    if (o->op && is_word(o->op)) str_fmt(s, " %s.%d", o->op, o->opset);
}

/* ---- nodes and regions ---- */

static void print_region(Print *p, const Region *r);

static void print_operands(Str *s, const Node *n) {
    for (int i = 0; i < n->n_in; i++) {
        str_add(s, i ? ", " : " ");
        if (n->in[i]) print_value(s, n->in[i]->name ? n->in[i]->name : "?");
        else str_add(s, "none");
    }
}

static void print_regions(Print *p, const Node *n) {
    for (int k = 0; k < n->n_regions; k++) {
        const Region *r = n->region[k];
        str_add(p->s, n->op == OP_if ? (k ? " else" : " then") : " do");
        if (r->n_args) str_add(p->s, " (");
        for (int i = 0; i < r->n_args; i++) {
            if (i) str_add(p->s, ", ");
            print_typed(p->s, r->args[i]);
        }
        if (r->n_args) str_char(p->s, ')');
        str_add(p->s, " {\n");
        print_region(p, r);
        indent(p);
        str_char(p->s, '}');
    }
}

static void print_node(Print *p, const Node *n) {
    indent(p);
    for (int i = 0; i < n->n_out; i++) {
        if (i) str_add(p->s, ", ");
        print_typed(p->s, n->out[i]);
    }
    if (n->n_out) str_add(p->s, " = ");
    str_add(p->s, op_info(n->op)->name);
    print_operands(p->s, n);
    print_attrs(p->s, n);
    print_origin(p->s, &n->origin);
    print_regions(p, n);
    const char *note = p->note ? p->note(p->user, n) : NULL;
    if (note) str_fmt(p->s, "   # error: %s", note);
    str_char(p->s, '\n');
}

static void print_region(Print *p, const Region *r) {
    p->depth++;
    for (const Node *n = r->first; n; n = n->next) print_node(p, n);
    indent(p);
    str_add(p->s, "return");
    for (int i = 0; i < r->n_results; i++) {
        str_add(p->s, i ? ", " : " ");
        print_value(p->s, r->results[i]->name);
    }
    str_char(p->s, '\n');
    p->depth--;
}

/* ---- the graph ---- */

static void print_header(Str *s, const Graph *g) {
    const Region *r = g->body;
    str_add(s, "graph ");
    if (is_word(g->name)) str_add(s, g->name);
    else str_quote(s, g->name);
    str_char(s, '(');
    for (int i = 0; i < r->n_args; i++) {
        if (i) str_add(s, ", ");
        print_typed(s, r->args[i]);
    }
    str_add(s, ") -> (");
    for (int i = 0; i < r->n_results; i++) {
        if (i) str_add(s, ", ");
        print_value(s, g->output_names[i]);
        str_add(s, " : ");
        type_print(s, &r->results[i]->type);
    }
    str_char(s, ')');
    bool first = true;
    for (int i = 0; i < g->syms.n; i++) {
        if (g->syms.at[i]->merged) continue;
        str_add(s, first ? " where " : ", ");
        sym_print(s, g->syms.at[i]);
        first = false;
    }
    str_add(s, " {\n");
}

void graph_print_noted(Str *s, const Graph *g, const char *(*note)(void *, const Node *),
                       void *user) {
    Print p = {.s = s, .note = note, .user = user};
    print_header(s, g);
    for (int i = 0; i < g->consts.n; i++) {
        const Value *v = g->consts.at[i];
        str_add(s, "  const ");
        print_typed(s, v);
        str_add(s, " = ");
        const_print(s, v->data);
        str_char(s, '\n');
    }
    for (int i = 0; i < g->requires.n; i++) require_print(s, &g->requires.at[i]);
    print_region(&p, g->body);
    str_add(s, "}\n");
}

void graph_print(Str *s, const Graph *g) {
    graph_print_noted(s, g, NULL, NULL);
}
