/* TensorProto to constants: raw data where it lies, typed data converted, every size checked
 * (model.h). */
#include "frontend/model.h"
#include "frontend/wire.h"
#include "ir/scalar_eval.h"

static const char *const onnx_types[] = {
    "undefined",      "float",    "uint8",        "int8",           "uint16",
    "int16",          "int32",    "int64",        "string",         "bool",
    "float16",        "double",   "uint32",       "uint64",         "complex64",
    "complex128",     "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
    "float8e5m2fnuz", "uint4",    "int4",         "float4e2m1",     "float8e8m0",
    "uint2",          "int2"};

const char *shown(Ctx *ctx, const char *name) {
    return arena_printf(ctx->perm, "\"%s\"", diag_name(ctx, name));
}

bool tensor_dtype_of(Ctx *ctx, const Loc *loc, int64_t code, const char *what, DType *out) {
    *out = dtype_from_onnx(code);
    if (*out != DT_NONE && *out != DT_INDEX) return true;
    if (code <= 0 || code >= LEN(onnx_types))
        return diag_error(ctx, loc, "element type %lld of %s is unknown", (long long)code, what);
    return diag_error(ctx, loc, "element type %s of %s is not supported yet", onnx_types[code],
                      what);
}

bool tensor_dims(Ctx *ctx, const Loc *loc, const char *name, const int64_t *dims, size_t rank,
                 DType dtype, Type *type, int64_t *elements) {
    *type = (Type){.dtype = dtype, .rank = (int)rank};
    if (rank > MAX_RANK)
        return diag_error(ctx, loc, "tensor %s has rank %zu, more than %d", shown(ctx, name), rank,
                          MAX_RANK);
    int64_t n = 1, bytes;
    bool empty = false, over = false;
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return diag_error(ctx, loc, "tensor %s has a dimension of %lld", shown(ctx, name),
                              (long long)dims[i]);
        if (dims[i] > MAX_DIM)
            return diag_error(ctx, loc, "tensor %s is too large: its size overflows",
                              shown(ctx, name));
        type->dims[i] = expr_int(ctx, dims[i]);
        empty = empty || !dims[i];
        over = over || __builtin_mul_overflow(n, dims[i], &n);
    }
    if (empty) return *elements = 0, true;
    if (over || __builtin_mul_overflow(n, (int64_t)dtype_bytes(dtype), &bytes))
        return diag_error(ctx, loc, "tensor %s is too large: its size overflows", shown(ctx, name));
    *elements = n;
    return true;
}

/* Elements that int32_data holds one per number: everything of at most 32 bits without a field of
 * its own. */
static void *narrow(Model *m, const int32_t *from, size_t n, DType dtype) {
    size_t unit = dtype_bytes(dtype);
    uint8_t *to = arena_alloc(m->arena, n * unit + 1);
    for (size_t i = 0; i < n; i++) {
        int32_t v = dtype == DT_BOOL ? from[i] != 0 : from[i];
        memcpy(to + i * unit, &v, unit); /* little endian, like the file */
    }
    return to;
}

static void *narrow_u32(Model *m, const uint64_t *from, size_t n) {
    uint32_t *to = NEW_ARRAY(m->arena, uint32_t, n + 1);
    for (size_t i = 0; i < n; i++) to[i] = (uint32_t)from[i];
    return to;
}

static void *strings(Model *m, const ProtobufCBinaryData *from, size_t n) {
    StrElement *to = NEW_ARRAY(m->arena, StrElement, n + 1);
    for (size_t i = 0; i < n; i++) to[i] = (StrElement){(const char *)from[i].data, from[i].len};
    return to;
}

/* Numbers that are the parts of complex ones; SIZE_MAX: one has no partner. */
static size_t pairs(size_t parts) {
    return parts % 2 ? SIZE_MAX : parts / 2;
}

/* The elements in the typed field that belongs to the type. */
static const void *typed_data(Model *m, const Onnx__TensorProto *t, DType dtype, size_t *n) {
    switch (dtype) {
    case DT_F32: return *n = t->n_float_data, t->float_data;
    case DT_F64: return *n = t->n_double_data, t->double_data;
    case DT_I64: return *n = t->n_int64_data, t->int64_data;
    case DT_U64: return *n = t->n_uint64_data, t->uint64_data;
    case DT_I32: return *n = t->n_int32_data, t->int32_data;
    case DT_U32: return *n = t->n_uint64_data, narrow_u32(m, t->uint64_data, *n);
    case DT_C64: return *n = pairs(t->n_float_data), t->float_data;
    case DT_C128: return *n = pairs(t->n_double_data), t->double_data;
    case DT_STR: return *n = t->n_string_data, strings(m, t->string_data, *n);
    default: return *n = t->n_int32_data, narrow(m, t->int32_data, *n, dtype);
    }
}

/* A bool is 0 or 1 from here on; anything else in the file counts as true. */
static const uint8_t *clean_bools(Model *m, const uint8_t *data, size_t n) {
    size_t i = 0;
    while (i < n && data[i] <= 1) i++;
    if (i == n) return data;
    uint8_t *clean = arena_alloc(m->arena, n);
    for (i = 0; i < n; i++) clean[i] = data[i] != 0;
    return clean;
}

/* Elements of less than a byte are packed, low bits first; here each gets a byte of its own. */
static uint8_t *unpack(Model *m, const uint8_t *from, int64_t elements, DType dtype) {
    int bits = dtype_bits(dtype), each = 8 / bits;
    uint8_t *to = arena_alloc(m->arena, (size_t)elements + 1);
    for (int64_t i = 0; i < elements; i++)
        to[i] = (uint8_t)scalar_wrap(dtype_is_float(dtype) ? DT_U4 : dtype,
                                     from[i / each] >> (i % each * bits));
    return to;
}

/* Bytes that elements take in a file. */
static size_t packed_bytes(DType dtype, int64_t elements) {
    int bits = dtype_bits(dtype);
    return bits < 8 ? (size_t)(elements / (8 / bits)) + (elements % (8 / bits) != 0)
                    : (size_t)elements * dtype_bytes(dtype);
}

static bool raw_data(Model *m, const Loc *loc, const Onnx__TensorProto *t, DType dtype,
                     int64_t elements, const void **data) {
    const uint8_t *at;
    size_t size, want = packed_bytes(dtype, elements);
    if (t->data_location == 1) {
        if (!external_bytes(m, loc, t, &at, &size)) return false;
    } else {
        RawRef ref;
        CHECK(t->raw_data.len == sizeof ref);
        memcpy(&ref, t->raw_data.data, sizeof ref);
        at = m->file.data + ref.offset;
        size = (size_t)ref.size;
    }
    if (dtype == DT_STR)
        return diag_error(m->ctx, loc, "tensor %s holds strings as raw data",
                          shown(m->ctx, t->name));
    if (size != want)
        return diag_error(m->ctx, loc, "tensor %s needs %zu bytes for its shape and has %zu",
                          shown(m->ctx, t->name), want, size);
    *data = dtype == DT_BOOL        ? clean_bools(m, at, size)
            : dtype_bits(dtype) < 8 ? unpack(m, at, elements, dtype)
                                    : at;
    return true;
}

bool tensor_read(Model *m, const Loc *loc, const Onnx__TensorProto *t, Const **out, Type *type) {
    Ctx *ctx = m->ctx;
    DType dtype;
    int64_t elements;
    const char *what = arena_printf(ctx->perm, "tensor %s", shown(ctx, t->name));
    if (!tensor_dtype_of(ctx, loc, t->data_type, what, &dtype)) return false;
    if (!tensor_dims(ctx, loc, t->name, t->dims, t->n_dims, dtype, type, &elements)) return false;
    if (t->segment) return diag_error(ctx, loc, "%s is stored in segments", what);
    const void *data = "";
    if (t->has_raw_data || t->data_location == 1) {
        if (!raw_data(m, loc, t, dtype, elements, &data)) return false;
    } else {
        bool packed = dtype_bits(dtype) < 8; /* int32_data then holds bytes of several elements */
        size_t n, want = packed ? packed_bytes(dtype, elements) : (size_t)elements;
        data = typed_data(m, t, packed ? DT_U8 : dtype, &n);
        if (n != want)
            return diag_error(ctx, loc, "%s needs %zu %s for its shape and has %zu", what,
                              want, packed ? "packed bytes" : "elements", n);
        if (packed) data = unpack(m, data, elements, dtype);
    }
    *out = const_new(ctx, dtype, elements, elements ? data : "");
    return true;
}
