/* SparseTensorProto to a dense constant. */
#include "frontend/model.h"

enum { MAX_DENSE_MB = 1024 };

/* The linear position of non-zero k, -1 where an index is out of range. */
static int64_t position(const Const *indices, const int64_t *dims, int rank, bool linear,
                        int64_t elements, int64_t k) {
    if (linear) {
        int64_t at = const_get_int(indices, k);
        return at >= 0 && at < elements ? at : -1;
    }
    int64_t at = 0;
    for (int d = 0; d < rank; d++) {
        int64_t i = const_get_int(indices, k * rank + d);
        if (i < 0 || i >= dims[d]) return -1;
        at = at * dims[d] + i;
    }
    return at;
}

/* Checks [nnz] values against indices [nnz] or [nnz, rank]. */
static bool check_parts(Ctx *ctx, const Loc *loc, const char *name, const Type *values,
                        const Type *indices, int rank) {
    bool linear = indices->rank == 1;
    bool ok = values->rank == 1 && indices->dtype == DT_I64 && (linear || indices->rank == 2) &&
              values->dims[0] == indices->dims[0] && (linear || expr_is(indices->dims[1], rank));
    return ok || diag_error(ctx, loc, "sparse tensor %s: values and indices do not fit together",
                            shown(ctx, name));
}

bool sparse_read(Model *m, const Loc *loc, const Onnx__SparseTensorProto *s, Const **out,
                 Type *type) {
    Ctx *ctx = m->ctx;
    const char *name = s->values ? s->values->name : NULL;
    if (!s->values || !s->indices)
        return diag_error(ctx, loc, "sparse tensor %s has no values or no indices",
                          shown(ctx, name));
    Const *values, *indices;
    Type value_type, index_type;
    int64_t elements;
    if (!tensor_read(m, loc, s->values, &values, &value_type) ||
        !tensor_read(m, loc, s->indices, &indices, &index_type) ||
        !tensor_dims(ctx, loc, name, s->dims, s->n_dims, values->dtype, type, &elements) ||
        !check_parts(ctx, loc, name, &value_type, &index_type, type->rank))
        return false;
    size_t unit = dtype_bytes(values->dtype);
    if (values->dtype == DT_STR)
        return diag_error(ctx, loc, "sparse tensor %s holds strings", shown(ctx, name));
    if ((uint64_t)elements > ((uint64_t)MAX_DENSE_MB << 20) / unit)
        return diag_error(ctx, loc, "sparse tensor %s is larger than %d MB when dense",
                          shown(ctx, name), MAX_DENSE_MB);
    uint8_t *dense = arena_alloc(m->arena, (size_t)elements * unit + 1);
    for (int64_t k = 0; k < values->elements; k++) {
        int64_t at = position(indices, s->dims, type->rank, index_type.rank == 1, elements, k);
        if (at < 0)
            return diag_error(ctx, loc, "sparse tensor %s: index %lld is out of range",
                              shown(ctx, name), (long long)k);
        memcpy(dense + (size_t)at * unit, (const uint8_t *)values->data + (size_t)k * unit, unit);
    }
    *out = const_new(ctx, values->dtype, elements, dense);
    return true;
}
