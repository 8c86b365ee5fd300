/* The context: one per compilation; everything lives in its arena, the context itself included. */
#include "ir/base.h"
#include "ir/expr.h"

Ctx *ctx_new(void) {
    Arena *arena = arena_new();
    Ctx *ctx = NEW(arena, Ctx);
    ctx->perm = arena;
    ctx->log = stderr;
    ctx->exprs = expr_pool_new(ctx);
    return ctx;
}

void ctx_free(Ctx *ctx) {
    if (ctx) arena_free(ctx->perm);
}
