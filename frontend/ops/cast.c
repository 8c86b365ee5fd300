/* Conversion to the narrow types, as Cast and QuantizeLinear define it. All other conversions are
 * the scalar operation `cast`. */
#include "frontend/ops.h"

#include <math.h>

static Value *bits_as(OnnxNode *n, Value *v, DType t) {
    if (!v) return NULL;
    Node *bits = node_draft(n->g, (Op)(OP_SCALAR + SOP_bits), &v, 1, 1);
    node_set_str(n->g, bits, "to", dtype_name(t));
    return node_finish(n->g, bits) ? bits->out[0] : NULL;
}

/* A magnitude in f32 to a power of two, by cutting the fraction off its bits; what is added before
 * makes it round. */
static Value *cut(OnnxNode *n, Value *size, Value *added) {
    Value *bits = bits_as(n, size, DT_I32);
    if (added) bits = bin(n, SOP_add, bits, added);
    return bits_as(n, bin(n, SOP_and, bits, num(n, bits, 0x7f800000)), DT_F32);
}

/* Powers of two: cast rounds up and limits to 2^127, the rest is done here. Signs do not count. */
static Value *to_power(OnnxNode *n, Value *x, bool saturate, const char *mode) {
    Value *size = un(n, SOP_abs, cast_to(n, x, DT_F32)), *power = size;
    if (!size) return NULL;
    if (!strcmp(mode, "down")) power = cut(n, size, NULL);
    if (!strcmp(mode, "nearest")) {
        /* Half the distance to the next power; 2^-127 itself is a subnormal number of f32. */
        Value *tiny = bin(n, SOP_lt, size, flt(n, size, 0x1p-126));
        power = cut(n, size, sel(n, tiny, graph_const_i(n->g, DT_I32, 0x200000),
                                 graph_const_i(n->g, DT_I32, 0x400000)));
    }
    Value *lost = un(n, SOP_isnan, size);
    if (!saturate) {
        Value *over = bin(n, SOP_gt, size, flt(n, size, 0x1p127)),
              *under = bin(n, SOP_lt, size, flt(n, size, 0x1p-127));
        lost = bin(n, SOP_or, lost, bin(n, SOP_or, over, under));
    }
    return cast_to(n, sel(n, lost, flt(n, size, NAN), power), DT_F8E8M0);
}

Value *cast_as_onnx(OnnxNode *n, Value *x, DType to, bool saturate, const char *round_mode) {
    const FloatFormat *f = dtype_format(to);
    if (!x || x->type.dtype == to) return x;
    if (to == DT_F8E8M0) return to_power(n, x, saturate, round_mode);
    DType from = x->type.dtype;
    /* Out of range nothing is defined; ONNX's test data has the low bits. */
    if (dtype_is_float(from) && dtype_is_int(to) && dtype_is_narrow(to)) x = cast_to(n, x, DT_I32);
    if (!f || !saturate) return cast_to(n, x, to);
    if (!dtype_is_float(from) || dtype_is_narrow(from)) x = cast_to(n, x, DT_F32);
    double max = narrow_to_f32(to, (uint8_t)f->max);
    x = bin(n, SOP_max, bin(n, SOP_min, x, flt(n, x, max)), flt(n, x, -max));
    return cast_to(n, x, to);
}
