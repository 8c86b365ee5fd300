/* Natural numbers of a fixed size (bignum.h). */
#include "bignum.h"

static void big_push(struct big *b, uint32_t word) {
    if (word && b->n < BIG_WORDS) b->at[b->n++] = word;
}

void big_set(struct big *b, uint64_t v) {
    b->n = 0;
    b->at[0] = (uint32_t)v;
    if (v) b->n = 1;
    if (v >> 32) b->at[1] = (uint32_t)(v >> 32), b->n = 2;
}

void big_mul_add(struct big *b, uint32_t factor, uint32_t more) {
    uint64_t carry = more;
    for (int i = 0; i < b->n; i++) {
        carry += (uint64_t)b->at[i] * factor;
        b->at[i] = (uint32_t)carry;
        carry >>= 32;
    }
    big_push(b, (uint32_t)carry);
}

void big_shift(struct big *b, int bits) {
    int words = bits / 32;
    if (!b->n || b->n + words >= BIG_WORDS) return;
    for (int i = b->n - 1; i >= 0; i--) b->at[i + words] = b->at[i];
    for (int i = 0; i < words; i++) b->at[i] = 0;
    b->n += words;
    if (bits % 32) big_mul_add(b, 1u << bits % 32, 0);
}

void big_pow10(struct big *b, int power) {
    for (; power >= 9; power -= 9) big_mul_add(b, 1000000000, 0);
    for (; power > 0; power--) big_mul_add(b, 10, 0);
}

int big_compare(const struct big *a, const struct big *b) {
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    for (int i = a->n - 1; i >= 0; i--)
        if (a->at[i] != b->at[i]) return a->at[i] < b->at[i] ? -1 : 1;
    return 0;
}

void big_add(struct big *a, const struct big *b) {
    uint64_t carry = 0;
    for (int i = 0; i < b->n || (carry && i < a->n); i++) {
        carry += (uint64_t)(i < a->n ? a->at[i] : 0) + (i < b->n ? b->at[i] : 0);
        a->at[i] = (uint32_t)carry;
        if (i >= a->n) a->n = i + 1;
        carry >>= 32;
    }
    big_push(a, (uint32_t)carry);
}

void big_sub(struct big *a, const struct big *b) {
    int64_t borrow = 0;
    for (int i = 0; i < a->n; i++) {
        borrow += (int64_t)a->at[i] - (i < b->n ? b->at[i] : 0);
        a->at[i] = (uint32_t)borrow;
        borrow >>= 32;
    }
    while (a->n && !a->at[a->n - 1]) a->n--;
}

int big_bits(const struct big *b) {
    return b->n ? 32 * b->n - __builtin_clz(b->at[b->n - 1]) : 0;
}
