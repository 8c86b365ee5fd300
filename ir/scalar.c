/* The rows of scalar_ops.def as a table. */
#include "ir/expr.h"

#define COMM SF_COMM
#define FLT SF_FLT
#define INT SF_INT
#define MATH SF_MATH
#define SAME SR_SAME
#define CMP SR_CMP
#define SEL SR_SEL
#define CAST SR_CAST

const ScalarInfo scalar_info[SOP_COUNT] = {
#define S(name, arity, rule, flags, meaning) {#name, arity, rule, flags, #meaning},
#include "ir/scalar_ops.def"
#undef S
};

int scalar_by_name(const char *name) {
    for (int i = 0; i < SOP_COUNT; i++)
        if (!strcmp(scalar_info[i].name, name)) return i;
    return -1;
}
