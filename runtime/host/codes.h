/* Elements of at most 8 bits, and ONNX's numbers of the element types. */
#ifndef ONNXCC_HOST_CODES_H
#define ONNXCC_HOST_CODES_H

#include "host.h"

enum {
    F32 = 1,
    U8,
    I8,
    U16,
    I16,
    I32,
    I64,
    STR,
    BOOL,
    F16,
    F64,
    U32,
    U64,
    C64,
    C128,
    BF16,
    F8E4M3FN,
    F8E4M3FNUZ,
    F8E5M2,
    F8E5M2FNUZ,
    U4,
    I4,
    F4E2M1,
    F8E8M0,
    U2,
    I2
};

/* Element i of a type of so many bits; below 8 they are packed, low bits first. */
unsigned code_at(const void *, int bits, int64_t i);
void set_code(void *, int bits, int64_t i, unsigned code);
double code_value(int dtype, unsigned code); /* of a float of at most 8 bits */
unsigned code_of(int dtype, double);         /* the nearest */

#endif
