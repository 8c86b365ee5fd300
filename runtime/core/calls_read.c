/* Strings to numbers, rounded once and to nearest. Blanks around a number are skipped; what is no
 * number is a fault. */
#include "bignum.h"

enum { DIGITS = 800 }; /* more cannot decide a rounding */

struct scan {
    const char *at, *end;
};

static bool accept_char(struct scan *s, char c) {
    if (s->at == s->end || *s->at != c) return false;
    s->at++;
    return true;
}

static bool is_digit(const struct scan *s) {
    return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static struct scan trimmed(const struct onnxcc_string *x) {
    struct scan s = {x->data, x->size ? x->data + x->size : x->data};
    while (s.at < s.end && (*s.at == ' ' || (*s.at >= '\t' && *s.at <= '\r'))) s.at++;
    while (s.end > s.at && (s.end[-1] == ' ' || (s.end[-1] >= '\t' && s.end[-1] <= '\r'))) s.end--;
    return s;
}

/* A word in any case. */
static bool accept_word(struct scan *s, const char *what) {
    const char *at = s->at;
    for (; *what; what++, at++)
        if (at == s->end || (*at | 32) != *what) return false;
    s->at = at;
    return true;
}

/* q * 2^e with 64 bits in q, and whether something is below it, to a double. Odd: what is cut off
 * sets the lowest bit, so that rounding to a narrower type comes out right. */
static double assemble(uint64_t q, int e, bool below, bool odd) {
    int drop = 11; /* to 53 bits, fewer near zero */
    if (e + drop < -1074) drop = -1074 - e;
    if (drop > 64) return 0;
    uint64_t m = drop == 64 ? 0 : q >> drop,
             rest = drop == 64 ? q : q & (((uint64_t)1 << drop) - 1),
             half = (uint64_t)1 << (drop - 1);
    if (odd) m |= rest || below;
    else if (rest > half || (rest == half && (below || m % 2))) m++;
    double v = (double)m;
    for (e += drop; e > 0; e -= e > 1000 ? 1000 : e) {
        uint64_t raw = (uint64_t)(1023 + (e > 1000 ? 1000 : e)) << 52;
        double scale;
        memcpy(&scale, &raw, sizeof scale);
        v *= scale;
    }
    for (; e < 0;) { /* exact: the bits that are left fit */
        int by = e < -1000 ? -1000 : e;
        uint64_t raw = (uint64_t)(1023 + by) << 52;
        double scale;
        memcpy(&scale, &raw, sizeof scale);
        v *= scale;
        e -= by;
    }
    return v;
}

/* a / b by long division; both are > 0. */
static double quotient(struct big *a, struct big *b, bool odd) {
    int e = big_bits(a) - big_bits(b) - 64;
    if (e < 0) big_shift(a, -e);
    else big_shift(b, e);
    uint64_t q = 0;
    big_shift(b, 64);
    for (int i = 0; i <= 64; i++) { /* 64 or 65 bits of a / b */
        bool one = big_compare(a, b) >= 0;
        if (one) big_sub(a, b);
        if (q >> 63) { /* the 65th */
            bool below = one || a->n;
            return assemble(q, e + 1, below, odd);
        }
        q = q << 1 | one;
        big_shift(a, 1);
    }
    return assemble(q, e, a->n != 0, odd);
}

/* The number of digits, they and their power of ten; false: there are none. */
static bool decimal(struct scan *s, struct big *m, int64_t *power, int *digits) {
    int kept = 0;
    bool any = false, fraction = false;
    big_set(m, 0);
    *power = 0;
    for (;; s->at++) {
        if (!fraction && s->at < s->end && *s->at == '.') {
            fraction = true;
            continue;
        }
        if (!is_digit(s)) break;
        uint32_t d = (uint32_t)(*s->at - '0');
        any = true;
        if (kept < DIGITS) {
            big_mul_add(m, 10, d);
            kept += m->n > 0;
            *power -= fraction;
        } else {
            if (d) m->at[0] |= 1; /* it is a little more */
            *power += !fraction;
        }
    }
    *digits = kept;
    return any;
}

static bool exponent(struct scan *s, int64_t *power) {
    if (!accept_char(s, 'e') && !accept_char(s, 'E')) return true;
    bool minus = accept_char(s, '-');
    int64_t e = 0;
    if (!minus) accept_char(s, '+');
    if (!is_digit(s)) return false;
    for (; is_digit(s); s->at++)
        if (e < 100000) e = e * 10 + (*s->at - '0');
    *power += minus ? -e : e;
    return true;
}

static bool read_float(const struct onnxcc_string *x, bool odd, double *out) {
    struct scan s = trimmed(x);
    struct big m, d;
    int64_t power;
    int digits;
    bool minus = accept_char(&s, '-');
    if (!minus) accept_char(&s, '+');
    if (accept_word(&s, "nan")) *out = __builtin_nan("");
    else if (accept_word(&s, "infinity") || accept_word(&s, "inf")) *out = __builtin_inf();
    else {
        if (!decimal(&s, &m, &power, &digits) || !exponent(&s, &power)) return false;
        if (!m.n || power + digits < -330) *out = 0;
        else if (power + digits > 310) *out = __builtin_inf();
        else {
            big_set(&d, 1);
            if (power > 0) big_pow10(&m, (int)power);
            else big_pow10(&d, (int)-power);
            *out = quotient(&m, &d, odd);
        }
    }
    if (minus) *out = -*out;
    return s.at == s.end;
}

/* bufs: x, f64 y. args: elements, is y rounded once more? */
int onnxcc_call_str_to_float(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_string *x = bufs[0];
    (void)f;
    for (int64_t i = 0; i < args[0]; i++)
        if (!read_float(&x[i], args[1] != 0, (double *)bufs[1] + i)) return ONNXCC_FAULT_HERE;
    return ONNXCC_OK;
}

/* bufs: x, i64 or u64 y. args: elements. Beyond 64 bits it is a fault. */
int onnxcc_call_str_to_int(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_string *x = bufs[0];
    uint64_t *y = bufs[1];
    (void)f;
    for (int64_t i = 0; i < args[0]; i++) {
        struct scan s = trimmed(&x[i]);
        bool minus = accept_char(&s, '-');
        uint64_t v = 0;
        if (!minus) accept_char(&s, '+');
        if (!is_digit(&s)) return ONNXCC_FAULT_HERE;
        for (; is_digit(&s); s.at++)
            if (__builtin_mul_overflow(v, 10, &v) ||
                __builtin_add_overflow(v, (uint64_t)(*s.at - '0'), &v))
                return ONNXCC_FAULT_HERE;
        if (s.at != s.end) return ONNXCC_FAULT_HERE;
        y[i] = minus ? -v : v;
    }
    return ONNXCC_OK;
}
