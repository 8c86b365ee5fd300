/* The context: one per compilation; everything lives in its arena, the context itself included. */
#define _DEFAULT_SOURCE 1
#include "ir/base.h"
#include "ir/expr.h"

#include <stdlib.h>

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

const char *output_target(Ctx *ctx, const char *path) {
    char *real = realpath(path, NULL);
    const char *target = arena_str(ctx->perm, real ? real : path);
    free(real);
    return target;
}
