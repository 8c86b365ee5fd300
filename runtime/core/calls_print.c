/* Numbers to strings. Floats: the shortest decimal that reads back as the same number of their
 * type, written as Python and NumPy write it; NaN, INF, -INF. */
#include "bignum.h"

enum { MOST = 32 }; /* characters of a number */

/* The decimal digits of v, which is > 0: 0.d1d2d3... * 10^*point. `bits` of the significand and the
 * exponent of the smallest one say which neighbours the number has (Steele and White, 1990). */
static int shortest(double v, int bits, int lowest, char *digits, int *point) {
    uint64_t raw, m;
    memcpy(&raw, &v, sizeof raw);
    int e = (int)(raw >> 52 & 2047);
    m = raw & (((uint64_t)1 << 52) - 1);
    if (e) m |= (uint64_t)1 << 52;
    e = (e ? e : 1) - 1075;
    while (m % 2 == 0) m /= 2, e++;
    while (m < (uint64_t)1 << (bits - 1) && e > lowest) m *= 2, e--; /* as the type has it */
    bool even = m % 2 == 0, edge = m == (uint64_t)1 << (bits - 1) && e > lowest;
    struct big r, s, up, down; /* v = r / s; half the way to the neighbours: up / s, down / s */
    big_set(&r, m);
    big_set(&s, 1);
    big_set(&up, 1);
    big_shift(&r, (e > 0 ? e : 0) + 1 + edge);
    big_shift(&s, (e < 0 ? -e : 0) + 1 + edge);
    big_shift(&up, (e > 0 ? e : 0));
    down = up;
    if (edge) big_shift(&up, 1);
    int k = (int)((big_bits(&r) - big_bits(&s)) * 0.30103) - 1; /* not above the exponent */
    if (k >= 0) big_pow10(&s, k);
    else big_pow10(&r, -k), big_pow10(&up, -k), big_pow10(&down, -k);
    for (;; k++) { /* until (r + up) / s is below 1 */
        struct big high = r;
        big_add(&high, &up);
        int c = big_compare(&high, &s);
        if (even ? c < 0 : c <= 0) break;
        big_mul_add(&s, 10, 0);
    }
    *point = k;
    for (int n = 0;;) {
        int d = 0;
        big_mul_add(&r, 10, 0), big_mul_add(&up, 10, 0), big_mul_add(&down, 10, 0);
        for (; big_compare(&r, &s) >= 0; d++) big_sub(&r, &s);
        struct big high = r;
        big_add(&high, &up);
        int low = big_compare(&r, &down), top = big_compare(&high, &s);
        bool under = even ? low <= 0 : low < 0, over = even ? top >= 0 : top > 0;
        if (under || over) {
            struct big twice = r;
            big_shift(&twice, 1);
            int half = big_compare(&twice, &s); /* ties to an even digit */
            bool more = over && (!under || half > 0 || (half == 0 && d % 2));
            digits[n++] = (char)('0' + d + more);
            return n;
        }
        digits[n++] = (char)('0' + d);
    }
}

static int put(char *to, const char *text) {
    int n = 0;
    while (text[n]) to[n] = text[n], n++;
    return n;
}

static int put_exponent(char *to, int e) {
    int n = 0, size = e < 0 ? -e : e;
    to[n++] = 'e';
    to[n++] = e < 0 ? '-' : '+';
    if (size >= 100) to[n++] = (char)('0' + size / 100);
    to[n++] = (char)('0' + size / 10 % 10);
    to[n++] = (char)('0' + size % 10);
    return n;
}

/* Plain from 0.0001 to below 10^16, else with an exponent. */
static int put_float(char *to, double v, int bits, int lowest) {
    char digits[MOST];
    int n = 0, point, count;
    if (v != v) return put(to, "NaN");
    uint64_t raw;
    memcpy(&raw, &v, sizeof raw);
    if (raw >> 63) to[n++] = '-', v = -v;
    if (v > 1.7976931348623157e308) return n + put(to + n, "INF");
    if (v == 0) return n + put(to + n, "0.0");
    count = shortest(v, bits, lowest, digits, &point);
    if (point > 16 || point < -3) {
        to[n++] = digits[0];
        if (count > 1) to[n++] = '.';
        for (int i = 1; i < count; i++) to[n++] = digits[i];
        return n + put_exponent(to + n, point - 1);
    }
    if (point <= 0) to[n++] = '0', to[n++] = '.';
    for (int i = point; i < 0; i++) to[n++] = '0';
    for (int i = 0; i < count || i < point; i++) {
        if (i == point && i) to[n++] = '.';
        to[n++] = i < count ? digits[i] : '0';
    }
    if (count <= point) to[n++] = '.', to[n++] = '0';
    return n;
}

static int put_int(char *to, uint64_t v, bool negative) {
    char digits[MOST];
    int n = 0, count = 0;
    if (negative) to[n++] = '-', v = -v;
    do digits[count++] = (char)('0' + v % 10);
    while (v /= 10);
    while (count) to[n++] = digits[--count];
    return n;
}

/* bufs: f64 x, y. args: elements, bits of the type's significand, exponent of its smallest
 * number. */
int onnxcc_call_str_of_float(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const double *x = bufs[0];
    struct onnxcc_string *y = bufs[1];
    void *room;
    int code = core_bump(f, MOST * args[0], &room);
    for (int64_t i = 0; i < args[0] && !code; i++) {
        char *to = (char *)room + MOST * i;
        int n = put_float(to, x[i], (int)args[1], (int)args[2]);
        y[i] = (struct onnxcc_string){to, (size_t)n};
    }
    return code;
}

/* bufs: i64 or u64 x, y. args: elements, is it signed? */
int onnxcc_call_str_of_int(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const int64_t *x = bufs[0];
    struct onnxcc_string *y = bufs[1];
    void *room;
    int code = core_bump(f, MOST * args[0], &room);
    for (int64_t i = 0; i < args[0] && !code; i++) {
        char *to = (char *)room + MOST * i;
        int n = put_int(to, (uint64_t)x[i], args[1] && x[i] < 0);
        y[i] = (struct onnxcc_string){to, (size_t)n};
    }
    return code;
}
