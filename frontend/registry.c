/* The dispatch table: every ONNX_OP line of frontend/ops/, collected by the build into
 * onnx_ops_table.inc. */
#include "frontend/import.h"

#define X(domain, name, since) OnnxBuild onnx_##domain##_##name##_##since;
#include "onnx_ops_table.inc"
#undef X

/* The domains, by the short names that declarations use. */
static const struct {
    const char *name, *domain;
    int newest; /* version; of ai.onnx: MAX_OPSET, which frame_open checks */
} domains[] = {{"ai", "", MAX_OPSET},
               {"ml", "ai.onnx.ml", 5},
               {"preview", "ai.onnx.preview", 1},
               {"training", "ai.onnx.preview.training", 1}};

static const struct {
    const char *domain, *name;
    int since;
    OnnxBuild *build;
} rows[] = {
#define X(domain, name, since) {#domain, #name, since, onnx_##domain##_##name##_##since},
#include "onnx_ops_table.inc"
#undef X
};

/* Puts one version into its operator's list, newest first. */
static const OnnxOp *insert(Ctx *ctx, const OnnxOp *list, const OnnxOp *op) {
    OnnxOp *copy = arena_copy(ctx->perm, op, sizeof *op);
    if (!list || list->since < op->since) {
        copy->next = list;
        return copy;
    }
    OnnxOp *head = arena_copy(ctx->perm, list, sizeof *list);
    head->next = insert(ctx, list->next, op);
    return head;
}

static const char *domain_named(const char *name) {
    for (int i = 0; i < LEN(domains); i++)
        if (!strcmp(domains[i].name, name)) return domains[i].domain;
    BUG("no domain is called %s", name);
}

static const char *key_of(Ctx *ctx, const char *domain, const char *name) {
    return arena_printf(ctx->perm, "%s::%s", domain, name);
}

Map *operators_new(Ctx *ctx) {
    Map *map = map_new(ctx->perm);
    for (int i = 0; i < LEN(rows); i++) {
        OnnxOp op = {.name = rows[i].name, .since = rows[i].since, .build = rows[i].build};
        const char *key = key_of(ctx, domain_named(rows[i].domain), op.name);
        map_set(map, key, (void *)(uintptr_t)insert(ctx, map_get(map, key), &op));
    }
    return map;
}

int domain_newest(const char *domain) {
    for (int i = 0; i < LEN(domains); i++)
        if (!strcmp(domains[i].domain, domain)) return domains[i].newest;
    return 0;
}

const OnnxOp *operator_find(Import *im, const char *domain, const char *name, int64_t opset,
                            int *oldest) {
    *oldest = 0;
    for (const OnnxOp *op = map_get(im->operators, key_of(im->ctx, domain, name)); op;
         op = op->next) {
        if (op->since <= opset) return op;
        *oldest = op->since;
    }
    return NULL;
}
