/* Element types: the enum, what dtypes.def says about each, and conversion of floats of at most 16
 * bits.
 *
 * DT_NONE is 0, so that a zeroed struct has no type. DT_INDEX is the type of dimensions and
 * subscripts; it never names a tensor's elements. The upper-case spelling is the only thing about a
 * type that is not in dtypes.def. */
#ifndef ONNXCC_IR_DTYPE_H
#define ONNXCC_IR_DTYPE_H

#include "ir/base.h"

/* DT_OF(f32) is DT_F32: for code that expands dtypes.def itself. */
#define DT_OF(name) DT_OF_##name
#define DT_OF_f32 DT_F32
#define DT_OF_u8 DT_U8
#define DT_OF_i8 DT_I8
#define DT_OF_u16 DT_U16
#define DT_OF_i16 DT_I16
#define DT_OF_i32 DT_I32
#define DT_OF_i64 DT_I64
#define DT_OF_str DT_STR
#define DT_OF_seq DT_SEQ
#define DT_OF_bool DT_BOOL
#define DT_OF_f16 DT_F16
#define DT_OF_f64 DT_F64
#define DT_OF_u32 DT_U32
#define DT_OF_u64 DT_U64
#define DT_OF_c64 DT_C64
#define DT_OF_c128 DT_C128
#define DT_OF_bf16 DT_BF16
#define DT_OF_f8e4m3fn DT_F8E4M3FN
#define DT_OF_f8e4m3fnuz DT_F8E4M3FNUZ
#define DT_OF_f8e5m2 DT_F8E5M2
#define DT_OF_f8e5m2fnuz DT_F8E5M2FNUZ
#define DT_OF_f8e8m0 DT_F8E8M0
#define DT_OF_f4e2m1 DT_F4E2M1
#define DT_OF_u4 DT_U4
#define DT_OF_i4 DT_I4
#define DT_OF_u2 DT_U2
#define DT_OF_i2 DT_I2
#define DT_OF_index DT_INDEX

typedef enum DType {
    DT_NONE,
#define T(name, bits, class, c, onnx, llvm) DT_OF_##name,
#include "ir/dtypes.def"
#undef T
    N_DTYPES
} DType;

typedef enum DClass { DC_NONE, DC_F, DC_S, DC_U, DC_B, DC_X } DClass;

const char *dtype_name(DType);          /* "f32"; "none" for DT_NONE */
DType dtype_by_name(const char *name);  /* DT_NONE: no such type */
DClass dtype_class(DType);
int dtype_bits(DType);
size_t dtype_bytes(DType);              /* of one element alone: at least 1; 0 for DT_NONE */
const char *dtype_c(DType);             /* "float", "uint16_t" */
const char *dtype_llvm(DType);          /* "half", "{ptr,i64}" */
int dtype_onnx(DType);                  /* TensorProto.DataType, for seq ONNXCC_SEQUENCE; 0: none */
DType dtype_from_onnx(int64_t code);    /* DT_NONE: not supported */
bool dtype_has_pointers(DType);         /* str and seq: two words of a run's memory */
bool dtype_is_float(DType);             /* f16 bf16 f32 f64, and the narrow ones */
bool dtype_is_int(DType);               /* signed or unsigned, index included; not bool */
bool dtype_is_signed(DType);            /* signed integers, index included */
bool dtype_is_unsigned(DType);          /* unsigned integers; not bool */

/* Round to nearest, ties to even; overflow gives infinity; NaN stays NaN (quiet, sign kept). */
uint16_t f16_from_f32(float);
uint16_t f16_from_f64(double); /* one rounding, not two */
float f16_to_f32(uint16_t);
uint16_t bf16_from_f32(float);
uint16_t bf16_from_f64(double);
float bf16_to_f32(uint16_t);

/* Of a complex type: the type of its two parts, which lie next to each other; else DT_NONE. */
DType dtype_part(DType);

/* ---- narrow types (dtype_narrow.c): float8, float4, integers of 4 and 2 bits ----
 * In the compiler's memory an element takes a byte: the code of a float in the low bits, an integer
 * sign- or zero-extended. */
bool dtype_is_narrow(DType);
DType dtype_carrier(DType); /* i8 or u8 for narrow types; any other type itself */

/* A float of at most 8 bits: a sign bit, `exp` exponent bits, `mant` fraction bits; subnormals as
 * in IEEE 754. Magnitudes up to `max` are finite; what rounds beyond becomes `over` with its sign,
 * a NaN becomes `nan`. `uz`: there is no -0, and the code of it is the only NaN. */
typedef struct FloatFormat {
    int exp, mant, bias;
    unsigned max, inf, over, nan; /* inf 0: it has none */
    bool uz;
} FloatFormat;
const FloatFormat *dtype_format(DType); /* NULL for f8e8m0, and what is no narrow float */

/* Of a narrow float. To nearest, ties to even; beyond the range infinity, or NaN where the type has
 * none, but for f4e2m1, which saturates. f8e8m0 has powers of two alone: the next one not below the
 * magnitude, limited to 2^127. (ONNX: Cast, with saturate = 0 but for these two.) */
uint8_t narrow_from_f64(DType, double);
float narrow_to_f32(DType, uint8_t code);

#endif
