/* What dtypes.def says about each element type, and conversion of the 16-bit floats. */
#include "ir/dtype.h"

typedef struct Row {
    const char *name, *c, *llvm;
    int bits, onnx;
    DClass class;
} Row;

static const Row rows[N_DTYPES] = {
    [DT_NONE] = {"none", "void", "void", 0, 0, DC_NONE},
#define T(name, bits, class, c, onnx, llvm)                                                        \
    [DT_OF_##name] = {#name, c, llvm, bits, onnx, DC_##class},
#include "ir/dtypes.def"
#undef T
};

static const Row *row(DType t) {
    CHECK(t >= DT_NONE && t < N_DTYPES);
    return &rows[t];
}

const char *dtype_name(DType t) {
    return row(t)->name;
}

DType dtype_by_name(const char *name) {
    for (int t = DT_NONE + 1; t < N_DTYPES; t++)
        if (!strcmp(rows[t].name, name)) return (DType)t;
    return DT_NONE;
}

DClass dtype_class(DType t) {
    return row(t)->class;
}

int dtype_bits(DType t) {
    return row(t)->bits;
}

size_t dtype_bytes(DType t) {
    return (size_t)(row(t)->bits + 7) / 8;
}

const char *dtype_c(DType t) {
    return row(t)->c;
}

const char *dtype_llvm(DType t) {
    return row(t)->llvm;
}

int dtype_onnx(DType t) {
    return row(t)->onnx;
}

DType dtype_from_onnx(int64_t code) {
    for (int t = DT_NONE + 1; t < N_DTYPES; t++)
        if (rows[t].onnx && rows[t].onnx == code && t != DT_SEQ) return (DType)t;
    return DT_NONE;
}

DType dtype_part(DType t) {
    return t == DT_C64 ? DT_F32 : t == DT_C128 ? DT_F64 : DT_NONE;
}

bool dtype_has_pointers(DType t) {
    return t == DT_STR || t == DT_SEQ;
}

bool dtype_is_float(DType t) {
    return row(t)->class == DC_F;
}

bool dtype_is_int(DType t) {
    return row(t)->class == DC_S || row(t)->class == DC_U;
}

bool dtype_is_signed(DType t) {
    return row(t)->class == DC_S;
}

bool dtype_is_unsigned(DType t) {
    return row(t)->class == DC_U;
}

/* ---- 16-bit floats: one sign bit, 15 - mant exponent bits, mant fraction bits ---- */

/* v / 2^shift, rounded to nearest, ties to even; 1 <= shift <= 63. */
static uint64_t shift_round(uint64_t v, int shift) {
    uint64_t half = (uint64_t)1 << (shift - 1), low = v & (2 * half - 1), high = v >> shift;
    return high + (low > half || (low == half && (high & 1)));
}

static uint16_t pack16(double v, int mant) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    int exp_max = (1 << (15 - mant)) - 1, bias = exp_max >> 1;
    unsigned sign = (unsigned)(bits >> 63) << 15, inf = (unsigned)exp_max << mant;
    int exp = (int)(bits >> 52 & 0x7ff);
    uint64_t frac = bits & (((uint64_t)1 << 52) - 1);
    if (exp == 0x7ff && frac) {
        unsigned quiet = 1u << (mant - 1);
        return (uint16_t)(sign | inf | quiet | (unsigned)(frac >> (52 - mant)));
    }
    if (exp == 0x7ff) return (uint16_t)(sign | inf);
    int e = exp - 1023 + bias, shift = 52 - mant + (e < 1 ? 1 - e : 0);
    if (exp == 0 || shift > 54) return (uint16_t)sign; /* below half of the smallest subnormal */
    frac |= (uint64_t)1 << 52;
    /* A carry out of the fraction moves into the exponent, which is what rounding up means. */
    uint64_t r = shift_round(frac, shift) + ((uint64_t)(e < 1 ? 0 : e - 1) << mant);
    return (uint16_t)(sign | (r > inf ? inf : (unsigned)r));
}

uint16_t f16_from_f64(double v) {
    return pack16(v, 10);
}

uint16_t f16_from_f32(float v) {
    return pack16(v, 10);
}

float f16_to_f32(uint16_t v) {
    uint32_t exp = v >> 10 & 31, frac = v & 1023, bits = (uint32_t)(v >> 15) << 31;
    if (exp == 0) return (bits ? -0x1p-24f : 0x1p-24f) * (float)frac;
    bits |= exp == 31 ? 0x7f800000u | frac << 13 : (exp + 112) << 23 | frac << 13;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

uint16_t bf16_from_f64(double v) {
    return pack16(v, 7);
}

uint16_t bf16_from_f32(float v) {
    return pack16(v, 7);
}

float bf16_to_f32(uint16_t v) {
    uint32_t bits = (uint32_t)v << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
