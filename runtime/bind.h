/* What the host functions of generated C use besides the runtime: sizes that may overflow,
 * outputs whose size only the run knows, faults of kernels. Pasted behind abi.h and place.h. */
#ifndef ONNXCC_RUNTIME_BIND_H
#define ONNXCC_RUNTIME_BIND_H

#include "abi.h"

#if defined(__GNUC__)
#define ONNXCC_HELPER static inline __attribute__((unused))
#else
#define ONNXCC_HELPER static inline
#endif

/* a + b and a * b; *bad becomes 1 where they do not fit. */
ONNXCC_HELPER int64_t sum_checked(int64_t a, int64_t b, int *bad) {
    if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b) return *bad = 1;
    return a + b;
}
ONNXCC_HELPER int64_t product_checked(int64_t a, int64_t b, int *bad) {
    int64_t most = INT64_MAX, least = INT64_MIN;
    if (a == 0 || b == 0) return 0;
    if ((a == -1 && b == least) || (b == -1 && a == least)) return *bad = 1;
    if (a != -1 && b != -1 &&
        ((a > 0) == (b > 0) ? (a > 0 ? a > most / b : a < most / b)
                            : (a > 0 ? b < least / a : a < least / b)))
        return *bad = 1;
    return a * b;
}

ONNXCC_HELPER int onnxcc_at_site(int code, int site) {
    int lack = ONNXCC_AXIS(code), rest = code & ~(31 << 6);
    return rest == ONNXCC_FAULT_HERE ? ONNXCC_CODE(ONNXCC_E_FAULT, site, lack) : code;
}
ONNXCC_HELPER void onnxcc_name_fault(struct onnxcc_frame *f, int site) {
    f->fault = onnxcc_at_site(f->fault, site);
}

/* Output k of `bytes` above everything that is placed so far, unless the caller gave memory for
 * it. Slot `top` holds the end of what is placed. 0, or an error code. */
ONNXCC_HELPER int onnxcc_place_output(struct onnxcc_frame *f, int top, int k, int64_t bytes,
                                      void **at) {
    int bad = 0, code;
    int64_t from = f->syms[top], size = sum_checked(bytes, ONNXCC_ALIGN - 1, &bad);
    f->syms[top] = sum_checked(from, size / ONNXCC_ALIGN * ONNXCC_ALIGN, &bad);
    if (bad) return ONNXCC_E_OVERFLOW;
    if ((code = onnxcc_arena_fit(f, f->syms[top]))) return code;
    *at = onnxcc_out_place(f, k, f->arena + from);
    return ONNXCC_OK;
}

#endif
