/* Checks what the threads of a block do: block loops form one chain directly inside thread loops,
 * of the same number of threads everywhere; everything that is computed is computed inside; what
 * belongs to one thread is declared inside, what belongs to all outside; all threads come to every
 * barrier. */
#include "ir/loops_verify.h"

enum { MOST_THREADS = 1024, MOST_SHARED = 99 << 10 };

static void check_chain(Verify *v, const LStmt *l) {
    int64_t n = 0;
    if (!expr_is(l->lo, 0) || !expr_is_int(l->hi, &n) || n < 1)
        complain(v, "the bounds of a block loop are not 0 and a constant");
    if (v->blocks.loop) complain(v, "a block loop inside of a loop that is no thread loop");
    v->blocks.inside = MAX(v->blocks.inside, 1) * MAX(n, 1);
    bool more = false;
    for (int i = 0; i < l->body.at.n; i++)
        more |= l->body.at.at[i]->kind == L_FOR && l->body.at.at[i]->bind == BIND_BLOCK;
    if (more && l->body.at.n > 1) complain(v, "a block loop does not stand alone in another");
    if (!more && v->blocks.inside != v->blocks.threads)
        complain(v, "%lld threads here, %lld elsewhere", (long long)v->blocks.inside,
                 (long long)v->blocks.threads);
    if (v->blocks.inside > MOST_THREADS)
        complain(v, "a block has %lld threads", (long long)v->blocks.inside);
}

/* Nothing but declarations may stand beside a chain: its threads do not wait at its ends. */
void verify_block_body(Verify *v, const LBody *body) {
    int chains = 0, others = 0;
    for (int i = 0; i < body->at.n; i++) {
        const LStmt *l = body->at.at[i];
        bool block = l->kind == L_FOR && l->bind == BIND_BLOCK;
        chains += block;
        others += !block && l->kind != L_BUFFER;
    }
    if (v->blocks.threads && !v->blocks.inside && chains && chains + others > 1)
        complain(v, "block loops do not stand alone");
}

Blocks verify_block_for(Verify *v, const LStmt *l) {
    Blocks outside = v->blocks;
    if (!v->blocks.threads) return outside;
    if (l->bind == BIND_BLOCK) check_chain(v, l);
    else if (l->bind != BIND_THREAD) v->blocks.loop = true;
    if (l->bind != BIND_BLOCK)
        v->blocks.apart |= lfunc_differs(v->func, l->lo) || lfunc_differs(v->func, l->hi);
    return outside;
}

Blocks verify_block_if(Verify *v, const LStmt *l) {
    Blocks outside = v->blocks;
    v->blocks.apart |= v->blocks.threads && lfunc_differs(v->func, l->cond);
    return outside;
}

static void add_shared(void *user, LStmt *l) {
    int64_t n, *bytes = user;
    if (l->kind == L_BUFFER && l->tensor->space == SP_SHARED && expr_is_int(l->hi, &n))
        *bytes += n * (int64_t)dtype_bytes(l->tensor->dtype);
}

static void check_buffer(Verify *v, const Tensor *t) {
    bool own = t->space == SP_REG || t->space == SP_STACK;
    int64_t bytes = 0;
    if (own && !v->blocks.inside) complain(v, "%%%s is no thread's own here", t->name);
    if (!own && v->blocks.inside) complain(v, "%%%s is declared by each thread", t->name);
    lbody_each(&v->func->body, add_shared, &bytes);
    if (t->space == SP_SHARED && bytes > MOST_SHARED)
        complain(v, "%lld bytes of shared memory", (long long)bytes);
}

void verify_block_stmt(Verify *v, const LStmt *l) {
    const Blocks *b = &v->blocks;
    bool shared = l->kind == L_BUFFER && l->tensor->space == SP_SHARED;
    if (!b->threads) {
        if (l->kind == L_BARRIER || shared) complain(v, "there are no block loops");
        return;
    }
    if (l->kind == L_BUFFER) check_buffer(v, l->tensor);
    else if (!b->inside) complain(v, "outside of the block's threads");
    else if (l->kind == L_BARRIER && b->apart) complain(v, "not all threads come to this barrier");
}

void verify_block_call(Verify *v, const LStmt *l) {
    if (!v->blocks.inside) complain(v, "%s is called outside of the block's threads", l->name);
    if (v->blocks.apart) complain(v, "not all threads come to this call");
}

static bool is_power_of_two(int64_t n) {
    return n > 0 && (n & (n - 1)) == 0;
}

static bool is_own(const Tensor *t) {
    return t->space == SP_REG || t->space == SP_STACK;
}

void verify_block_combine(Verify *v, const LStmt *l) {
    const LStmt *loop = lfunc_find_loop(v->func, l->var);
    int64_t n = 1;
    if (!loop || loop->bind != BIND_BLOCK || !v->blocks.inside) {
        complain(v, "%s is no block loop around this", l->var->name);
        return;
    }
    if (v->blocks.apart) complain(v, "not all threads come to this combination");
    if (v->blocks.threads % 32)
        complain(v, "%lld threads are no whole warps", (long long)v->blocks.threads);
    for (;; loop = loop->body.at.at[0]) {
        if (expr_is_int(loop->hi, &n) && !is_power_of_two(n))
            complain(v, "%lld threads along %s are no power of two", (long long)n, loop->var->name);
        if (!lstmt_is_chain(loop)) break;
    }
    if (l->prefix && lstmt_is_chain(lfunc_find_loop(v->func, l->var)))
        complain(v, "threads along %s are no neighbours", l->var->name);
    if (!is_own(l->tensor) || (l->n_args && !is_own(l->args[0])))
        complain(v, "what is combined is no thread's own");
}
