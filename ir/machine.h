/* What a schedule needs to know of a processor: one row per -mcpu level in machines.def. */
#ifndef ONNXCC_IR_MACHINE_H
#define ONNXCC_IR_MACHINE_H

#include "ir/base.h"

typedef struct Machine {
    const char *name;     /* x86-64-v3, x86-64-v4, aarch64, cortex-m4, generic, cuda ... */
    const char *family;   /* x86_64 aarch64 arm riscv64 wasm32 c cuda */
    int vector_bytes;     /* 0: no vectors */
    int vector_regs;
    bool masks;           /* masked loads and stores are cheap */
    bool fma;
    int l1, l2;           /* bytes per core */
    int max_stack;        /* bytes a kernel may put on its stack */
} Machine;
const Machine *machine_by_name(const char *); /* NULL: unknown */
extern const Machine machines[];
extern const int n_machines;

#endif
