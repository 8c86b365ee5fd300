/* Element types: the enum, what dtypes.def says about each, and f16/bf16 conversion.
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
#define DT_OF_bool DT_BOOL
#define DT_OF_f16 DT_F16
#define DT_OF_f64 DT_F64
#define DT_OF_u32 DT_U32
#define DT_OF_u64 DT_U64
#define DT_OF_bf16 DT_BF16
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
size_t dtype_bytes(DType);              /* 0 for DT_NONE */
const char *dtype_c(DType);             /* "float", "uint16_t" */
const char *dtype_llvm(DType);          /* "half", "{ptr,i64}" */
int dtype_onnx(DType);                  /* TensorProto.DataType; 0: has none */
DType dtype_from_onnx(int64_t code);    /* DT_NONE: not supported */
bool dtype_is_float(DType);             /* f16 bf16 f32 f64 */
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

#endif
