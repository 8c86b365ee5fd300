/* Parses the attributes of a node, body of a comprehension included. */
#include "ir/graph_parse.h"

static double round_f32(Parse *p, const Num *v) {
    if (!lex_accept(p->x, ':')) return (double)(float)v->f;
    lex_expect_word(p->x, "f64");
    return v->f;
}

static bool parse_list(Parse *p, Node *n, const char *name, AttrKind kind) {
    VEC(int64_t) ints = {0};
    VEC(double) flts = {0};
    VEC(Expr *) exprs = {0};
    if (!lex_expect(p->x, '[')) return false;
    for (bool more = !lex_accept(p->x, ']'); more;) {
        int64_t i = 0;
        Num f;
        Expr *e = NULL;
        if (kind == AT_EXPRS && !(e = expr_parse(p->ctx, p->x, &p->scope, DT_INDEX))) return false;
        if (kind == AT_INTS && !lex_int(p->x, &i)) return false;
        if (kind == AT_FLTS && !lex_number(p->x, &f)) return false;
        vec_push(p->ctx->perm, &ints, i);
        vec_push(p->ctx->perm, &exprs, e);
        if (kind == AT_FLTS) vec_push(p->ctx->perm, &flts, round_f32(p, &f));
        more = lex_accept(p->x, ',');
        if (!more && !lex_expect(p->x, ']')) return false;
    }
    if (kind == AT_INTS) node_set_ints(p->g, n, name, ints.at, ints.n);
    else if (kind == AT_FLTS) node_set_flts(p->g, n, name, flts.at, flts.n);
    else node_set_exprs(p->g, n, name, exprs.at, exprs.n);
    return true;
}

/* Attributes that no row declares (of calls) show their kind by their text. */
static AttrKind guess_kind(Parse *p) {
    if (lex_at(p->x, '[')) return AT_INTS;
    if (lex_at(p->x, TOK_STRING)) return AT_STR;
    return lex_at(p->x, TOK_FLOAT) ? AT_FLT : AT_INT;
}

static bool parse_attr(Parse *p, Node *n) {
    Tok at = *lex_peek(p->x);
    const char *name, *text;
    int64_t i;
    Num f;
    if (!lex_ident(p->x, &name) || !lex_expect(p->x, '=')) return false;
    if (n->op == OP_compute && !strcmp(name, "body")) {
        p->compute = n;
        n->body = expr_parse(p->ctx, p->x, &p->scope, n->out[0]->type.dtype);
        p->compute = NULL;
        return n->body != NULL;
    }
    const AttrInfo *info = attr_info(n->op, name);
    if (!info && n->op != OP_call)
        return lex_error_at(p->x, &at, "%s has no attribute %s", op_info(n->op)->name, name);
    AttrKind kind = info ? info->kind : guess_kind(p);
    switch (kind) {
    case AT_INT:
        if (!lex_int(p->x, &i)) return false;
        node_set_int(p->g, n, name, i);
        return true;
    case AT_FLT:
        if (!lex_number(p->x, &f)) return false;
        node_set_flt(p->g, n, name, round_f32(p, &f));
        return true;
    case AT_STR:
        if (!lex_string(p->x, &text)) return false;
        node_set_str(p->g, n, name, text);
        return true;
    default: return parse_list(p, n, name, kind);
    }
}

bool graph_parse_attrs(Parse *p, Node *n) {
    if (!lex_accept(p->x, '{')) return true;
    if (lex_accept(p->x, '}')) return true;
    do {
        if (!parse_attr(p, n)) return false;
    } while (lex_accept(p->x, ','));
    return lex_expect(p->x, '}');
}
