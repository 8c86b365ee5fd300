/* The dispatch table: every ONNX_OP line of frontend/ops/, collected by the build into
 * onnx_ops_table.inc. */
#include "frontend/import.h"

#define X(name, since) OnnxBuild onnx_##name##_##since;
#include "onnx_ops_table.inc"
#undef X

static const struct {
    const char *name;
    int since;
    OnnxBuild *build;
} rows[] = {
#define X(name, since) {#name, since, onnx_##name##_##since},
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

Map *operators_new(Ctx *ctx) {
    Map *map = map_new(ctx->perm);
    for (int i = 0; i < LEN(rows); i++) {
        OnnxOp op = {.name = rows[i].name, .since = rows[i].since, .build = rows[i].build};
        map_set(map, op.name, (void *)(uintptr_t)insert(ctx, map_get(map, op.name), &op));
    }
    return map;
}

const OnnxOp *operator_find(const Map *map, const char *name, int64_t opset, int *oldest) {
    *oldest = 0;
    for (const OnnxOp *op = map_get(map, name); op; op = op->next) {
        if (op->since <= opset) return op;
        *oldest = op->since;
    }
    return NULL;
}
