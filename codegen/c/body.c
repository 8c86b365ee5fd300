/* Statements of kernels. */
#include <math.h>

#include "codegen/c/gen.h"

enum { MAX_UNROLL = 64, MAX_COPIES = 1024 };

/* ---- loops ---- */
static const char *simple_bound(Printer *p, const Expr *e) {
    const char *text = c_expr(p, e, PREC_SUM);
    if (e->kind == E_INT || e->kind == E_SYM || e->kind == E_VAR || !expr_has_load(e)) return text;
    const char *name = name_top(p, NULL, arena_printf(p->arena, "t%d", ++p->n_temps));
    c_line(p, "const %s %s = %s;", c_value_type(p, DT_INDEX), name, text);
    return name;
}

/* CUDA: which iterations are this thread's. */
static const char *share_of(const Printer *p, const LStmt *l, const char **step) {
    *step = NULL;
    if (p->dialect != DIALECT_CUDA) return NULL;
    if (l->bind == BIND_GRID || (l->bind == BIND_THREAD && p->blocks)) {
        *step = "gridDim.x";
        return "blockIdx.x";
    }
    if (l->bind != BIND_THREAD) return NULL;
    *step = "grid_threads()";
    return "grid_thread()";
}

/* Subscripts of registers become constant only where the loops over them are unrolled; others
 * gain little. */
typedef struct Registers {
    const Var *var;
    bool used;
} Registers;

static void look_at_node(void *user, const Expr *e) {
    Registers *r = user;
    if (e->kind == E_LOAD && e->tensor->space == SP_REG)
        r->used |= expr_uses_var(e->arg[0], r->var);
}

static void look_at_expr(void *user, Expr *e) {
    expr_visit(e, look_at_node, user);
}

static void look_at_stmt(void *user, LStmt *l) {
    Registers *r = user;
    if ((l->kind == L_STORE || l->kind == L_COMBINE) && l->tensor->space == SP_REG)
        r->used |= expr_uses_var(l->index, r->var);
    lstmt_each_expr(l, look_at_expr, r);
}

static int64_t trips(const LStmt *l) {
    int64_t first, end;
    return expr_is_int(l->lo, &first) && expr_is_int(l->hi, &end) ? end - first : INT64_MAX;
}

/* CUDA: steps of a reduction, and copies to shared memory: addresses become constants, neighbours
 * are moved at once, and loads are under way together. */
static bool gains_from_copies(const LStmt *l, int64_t copies) {
    const LStmt *first = l->body.at.n ? l->body.at.at[0] : NULL;
    if (first && first->kind == L_ASYNC) return true;
    if (!first || first->kind != L_FOR) return false;
    if (first->bind != BIND_UNROLL && first->bind != BIND_VECTOR) return false;
    copies *= trips(first);
    if (first->body.at.n != 1 || copies > MAX_COPIES) return false;
    const LStmt *inside = first->body.at.at[0];
    if (inside->kind == L_FOR) return gains_from_copies(first, copies);
    return inside->kind == L_STORE && inside->tensor->space == SP_REG;
}

static bool should_unroll(const Printer *p, const LStmt *l) {
    Registers r = {l->var, false};
    bool cuda = p->dialect == DIALECT_CUDA, lanes = l->bind == BIND_VECTOR && cuda;
    if (l->bind != BIND_UNROLL && !lanes) return false;
    if (trips(l) < 2 || trips(l) > MAX_UNROLL) return false;
    lbody_each(&l->body, look_at_stmt, &r);
    return r.used || (cuda && gains_from_copies(l, trips(l)));
}

static void for_head(Printer *p, const LStmt *l, const char *v, const char *lo, const char *hi) {
    const char *type = c_value_type(p, DT_INDEX), *step, *own = share_of(p, l, &step);
    if (should_unroll(p, l)) c_line(p, "UNROLL(%lld)", (long long)(l->hi->i - l->lo->i));
    if (!own) {
        c_line(p, "for (%s %s = %s; %s < %s; %s++) {", type, v, lo, v, hi, v);
        return;
    }
    bool zero = !strcmp(lo, "0");
    c_line(p, "for (%s %s = %s%s%s; %s < %s; %s += %s) {", type, v, zero ? "" : lo,
           zero ? "" : " + ", own, v, hi, v, step);
}

/* A vector loop over pieces: the loop itself only touches registers. */
static void print_pieces(Printer *p, const LStmt *l, CPieces *pieces) {
    Str text;
    int64_t lanes = l->hi->i;
    c_pieces_load(p, pieces);
    c_stmt_end(p);
    level_open(p);
    const char *v = name_add(p, l->var, l->var->name), *type = c_value_type(p, DT_INDEX);
    c_body(p, &l->body);
    level_close(p, &text);
    c_line(p, "UNROLL(%lld)", (long long)lanes);
    c_line(p, "for (%s %s = 0; %s < %lld; %s++) {", type, v, v, (long long)lanes, v);
    level_add(p, &text);
    c_line(p, "}");
    c_pieces_store(p, pieces);
}

/* The chain of block loops: each thread of the block has one value of all their variables. */
static void print_block(Printer *p, const LStmt *l) {
    const char *type = c_value_type(p, DT_INDEX);
    int64_t above = lfunc_threads(p->func), below, extent;
    for (;; l = l->body.at.at[0], above = below) {
        CHECK(expr_is_int(l->hi, &extent));
        below = above / extent;
        Str share = str_new(p->arena);
        str_fmt(&share, "(%s)threadIdx.x", type);
        if (above < lfunc_threads(p->func)) str_fmt(&share, " %% %lld", (long long)above);
        if (below > 1) str_fmt(&share, " / %lld", (long long)below);
        c_line(p, "const %s %s = %s;", type, name_add(p, l->var, l->var->name), str_c(&share));
        if (!lstmt_is_chain(l)) break;
    }
    c_stmt_end(p);
    c_body(p, &l->body);
}

static void print_for(Printer *p, const LStmt *l) {
    Str text;
    CPieces pieces = {0};
    if (c_combine_all(p, l)) return;
    if (c_pieces(p, l, &pieces)) {
        print_pieces(p, l, &pieces);
        return;
    }
    if (l->bind == BIND_BLOCK) {
        CHECK(p->dialect == DIALECT_CUDA);
        print_block(p, l);
        return;
    }
    const char *lo = simple_bound(p, l->lo), *hi = simple_bound(p, l->hi);
    c_stmt_end(p);
    level_open(p);
    const char *v = name_add(p, l->var, l->var->name);
    c_body(p, &l->body);
    level_close(p, &text);
    for_head(p, l, v, lo, hi);
    level_add(p, &text);
    c_line(p, "}");
}

/* ---- branches ---- */
static void block(Printer *p, const LBody *body, Str *text) {
    level_open(p);
    c_body(p, body);
    level_close(p, text);
}

static void print_if(Printer *p, const LStmt *l) {
    Str yes, no;
    const char *cond = c_expr(p, l->cond, PREC_ANY);
    c_stmt_end(p);
    block(p, &l->body, &yes);
    block(p, &l->other, &no);
    c_line(p, "if (%s) {", cond);
    level_add(p, &yes);
    if (no.n) {
        c_line(p, "} else {");
        level_add(p, &no);
    }
    c_line(p, "}");
}

/* ---- buffers and stores ---- */
static void print_buffer(Printer *p, const LStmt *l) {
    const Tensor *t = l->tensor;
    int64_t n = 0;
    const char *type = c_memory_type(t->dtype), *at = NULL;
    if (t->space == SP_SCRATCH) at = c_expr(p, l->lo, PREC_SUM);
    else CHECK(expr_is_int(l->hi, &n));
    if (t->space == SP_SHARED && p->dialect == DIALECT_CUDA) {
        c_shared_buffer(p, l);
        return;
    }
    const char *name = name_add(p, t, t->name);
    if (!at) {
        c_line(p, "%s %s[%lld];", type, name, (long long)MAX(n, 1));
        return;
    }
    p->scratch = true;
    if (!strcmp(at, "0")) c_line(p, "%s *%s = (%s *)scratch;", type, name, type);
    else c_line(p, "%s *%s = (%s *)(scratch + %s);", type, name, type, at);
}


/* CUDA: a function of runtime/device. */
static void print_call(Printer *p, const LStmt *l) {
    Str args = str_new(p->arena), numbers = str_new(p->arena);
    const char *item = c_expr(p, l->iargs[0], PREC_ANY), *told = name_top(p, NULL, "args");
    for (int i = 0; i < l->n_args; i++) str_fmt(&args, "%s, ", name_find(p, l->args[i]));
    for (int i = 1; i < l->n_iargs; i++)
        str_fmt(&numbers, i > 1 ? ", %s" : "%s", c_expr(p, l->iargs[i], PREC_ANY));
    c_line(p, "const int64_t %s[] = {%s};", told, str_c(&numbers));
    c_line(p, "%s(%s, %s%s);", l->name, item, str_c(&args), told);
}

static void find_access(void *user, const Expr *e) {
    *(bool *)user |= e->kind == E_BOUND || e->kind == E_LOAD;
}

/* A subscript that may fail, or reads itself, would be computed in front of the guard. */
static bool needs_guard(const Expr *index) {
    bool found = false;
    expr_visit(index, find_access, &found);
    return found;
}

/* Two bytes that are only moved, or zero, need no conversion; NULL: they do. */
static const char *moved(Printer *p, const Expr *e) {
    if (e->kind == E_LOAD && !c_some(p, e->arg[0])) return c_element(p, e->tensor, e->arg[0]);
    if (e->kind != E_GUARD || expr_has_load(e->arg[0]) || e->arg[2]->kind != E_FLT) return NULL;
    if (e->arg[1]->kind != E_LOAD || e->arg[2]->f != 0 || signbit(e->arg[2]->f)) return NULL;
    if (needs_guard(e->arg[1]->arg[0])) return NULL;
    const char *cond = c_expr(p, e->arg[0], PREC_ATOM), *element = moved(p, e->arg[1]);
    return element ? arena_printf(p->arena, "%s ? %s : (uint16_t)0", cond, element) : NULL;
}

const char *c_stored(Printer *p, const Expr *value) {
    bool half = value->type == DT_F16 || value->type == DT_BF16;
    const char *same = half ? moved(p, value) : NULL;
    if (same) return same;
    p->root = value;
    const char *text = c_expr(p, value, PREC_ANY);
    p->root = NULL;
    if (half) return arena_printf(p->arena, "%s_of_f32(%s)", dtype_name(value->type), text);
    return text;
}

static void print_store(Printer *p, const LStmt *l) {
    const char *value = c_stored(p, l->value), *to = c_element(p, l->tensor, l->index);
    const char *some = c_some(p, l->index);
    if (some) c_line(p, "if (%s) %s = %s;", some, to, value);
    else c_line(p, "%s = %s;", to, value);
}

void c_body(Printer *p, const LBody *body) {
    for (int i = 0; i < body->at.n; i++) {
        const LStmt *l = body->at.at[i];
        c_stmt_begin(p, l);
        switch (l->kind) {
        case L_FOR:
            print_for(p, l);
            break;
        case L_IF:
            print_if(p, l);
            break;
        case L_STORE:
            print_store(p, l);
            break;
        case L_BUFFER:
            print_buffer(p, l);
            break;
        case L_COMBINE:
            c_combine(p, l);
            break;
        case L_CALL:
            print_call(p, l);
            break;
        case L_ASYNC:
        case L_COMMIT:
        case L_WAIT:
        case L_FRAGMENT:
        case L_MMA:
            c_leaf(p, l);
            break;
        case L_PRODUCTS:
        case L_PRODUCTS_WAIT:
            c_group(p, l);
            break;
        case L_BULK:
        case L_BOX:
        case L_BULK_WAIT:
            c_bulk(p, l);
            break;
        case L_BARRIER:
            if (p->dialect == DIALECT_CUDA) c_line(p, "__syncthreads();");
            break;
        default:
            BUG("a host statement in kernel %s", p->func->name);
        }
        c_stmt_end(p);
    }
}
