/* Shared by carriers*.c: values of narrow types on the integers that carry them. */
#ifndef ONNXCC_PASSES_CARRIERS_H
#define ONNXCC_PASSES_CARRIERS_H

#include "passes/passes.h"

/* ---- carriers_code.c: expressions; carriers are u8 or i8 (dtype_carrier) ---- */
/* f32 of the code (u8) of a narrow float; the code of an f32. */
Expr *code_to_f32(Ctx *, DType, Expr *code);
Expr *code_of_f32(Ctx *, DType, Expr *x);
/* f64 to f32 so that rounding once more gives what rounding once would have given: what is inexact
 * is cut off and gets an odd last bit. */
Expr *f32_to_odd(Ctx *, Expr *x);
/* The carrier of a narrow type from its low bits in any u8 or i8. */
Expr *carrier_of_bits(Ctx *, DType, Expr *byte);
/* The low bits, in u8; all others are 0. */
Expr *bits_of_carrier(Ctx *, DType, Expr *carrier);

/* ---- carriers_pack.c: a variable that no symbol is called like; inputs and outputs of less than 8
 * bits ---- */
/* The tensor takes a place in the arena; a new one, packed, becomes the input or output, and a
 * kernel at the begin or the end of the program converts. `type`: what the tensor was. */
Var *carriers_var(Program *, const char *stem, int number, Expr *extent);
void unpack_input(Program *, int k, const Type *type);
void pack_output(Program *, int k, const Type *type);

#endif
