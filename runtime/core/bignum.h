/* Natural numbers of a fixed size, for exact conversion between decimal and binary: large enough
 * for the longest decimal that matters (800 digits) at either end of a double's range. */
#ifndef ONNXCC_RUNTIME_BIGNUM_H
#define ONNXCC_RUNTIME_BIGNUM_H

#include "core.h"

enum { BIG_WORDS = 136 };
struct big {
    int n; /* words in use; the highest is not 0 */
    uint32_t at[BIG_WORDS];
};
void big_set(struct big *, uint64_t);
void big_mul_add(struct big *, uint32_t factor, uint32_t more);
void big_shift(struct big *, int bits);  /* left */
void big_pow10(struct big *, int power); /* times 10^power */
int big_compare(const struct big *, const struct big *);
void big_add(struct big *, const struct big *);
void big_sub(struct big *, const struct big *); /* must not be larger */
int big_bits(const struct big *);

#endif
