/* The discrete Fourier transform of a length that only the run knows: stages of its factors, in
 * Stockham's order, with the factors (but for eights) and the arithmetic of pocketfft, which NumPy
 * uses. A large prime factor p costs p operations per element.
 *
 * Values are doubles here; for f32 each operation is rounded to float, which gives what float
 * arithmetic would (a double has more than twice its bits). */
#include "core.h"

struct complex {
    double re, im;
};
struct plan {
    const struct complex *root; /* exp(-+2 pi i k / n), n of them */
    int64_t n;
    bool narrow, inverse;
};

static double rounded(const struct plan *p, double v) {
    return p->narrow ? (double)(float)v : v;
}

static struct complex plus(const struct plan *p, struct complex a, struct complex b) {
    return (struct complex){rounded(p, a.re + b.re), rounded(p, a.im + b.im)};
}

static struct complex minus(const struct plan *p, struct complex a, struct complex b) {
    return (struct complex){rounded(p, a.re - b.re), rounded(p, a.im - b.im)};
}

static struct complex times(const struct plan *p, double factor, struct complex a) {
    factor = rounded(p, factor);
    return (struct complex){rounded(p, factor * a.re), rounded(p, factor * a.im)};
}

static struct complex product(const struct plan *p, struct complex a, struct complex b) {
    double rr = rounded(p, a.re * b.re), ii = rounded(p, a.im * b.im);
    double ri = rounded(p, a.re * b.im), ir = rounded(p, a.im * b.re);
    return (struct complex){rounded(p, rr - ii), rounded(p, ri + ir)};
}

static struct complex upright(struct complex a) {
    return (struct complex){-a.im, a.re};
}

/* ---- roots of unity ---- */
/* sin and cos of pi/4 * x, 0 <= x <= 1: series of Taylor, whose next terms are below 1e-17. */
static void eighth(double x, double *s, double *c) {
    double t = x * 0.78539816339744830962, q = t * t;
    *s = 1, *c = 1;
    for (int k = 18; k >= 2; k -= 2) {
        *s = 1 - q / (double)(k * (k + 1)) * *s;
        *c = 1 - q / (double)((k - 1) * k) * *c;
    }
    *s *= t;
}

/* exp(2 pi i k / n), 0 <= k < n: by eighths of a turn, every second one mirrored. */
static struct complex root_of(int64_t k, int64_t n) {
    int64_t part = 8 * k / n, rest = 8 * k % n;
    double s, c, swap;
    eighth((double)(part % 2 ? n - rest : rest) / (double)n, &s, &c);
    int quarter = (int)((part + 1) / 2 % 4);
    if (part % 2) s = -s;
    for (; quarter > 0; quarter--) swap = c, c = -s, s = swap;
    return (struct complex){c, s};
}

/* ---- stages ---- */
static void butterfly3(const struct plan *p, const struct complex *x, struct complex *y) {
    double sine = (p->inverse ? 1 : -1) * 0.86602540378443864676;
    struct complex sum = plus(p, x[1], x[2]), side = minus(p, x[1], x[2]);
    struct complex ca = plus(p, x[0], times(p, -0.5, sum)), cb = upright(times(p, sine, side));
    y[0] = plus(p, x[0], sum);
    y[1] = plus(p, ca, cb);
    y[2] = minus(p, ca, cb);
}

static void butterfly4(const struct plan *p, const struct complex *x, struct complex *y) {
    struct complex even = plus(p, x[0], x[2]), odd = minus(p, x[0], x[2]);
    struct complex sum = plus(p, x[1], x[3]), side = upright(minus(p, x[1], x[3]));
    if (!p->inverse) side = (struct complex){-side.re, -side.im};
    y[0] = plus(p, even, sum);
    y[1] = plus(p, odd, side);
    y[2] = minus(p, even, sum);
    y[3] = minus(p, odd, side);
}

static void butterfly5(const struct plan *p, const struct complex *x, struct complex *y) {
    static const double cosine[] = {0.30901699437494742410, -0.80901699437494742410};
    static const double sine[] = {0.95105651629515357212, 0.58778525229247312917};
    double sign = p->inverse ? 1 : -1;
    struct complex t1 = plus(p, x[1], x[4]), t4 = minus(p, x[1], x[4]);
    struct complex t2 = plus(p, x[2], x[3]), t3 = minus(p, x[2], x[3]);
    y[0] = plus(p, plus(p, x[0], t1), t2);
    for (int u = 0; u < 2; u++) {
        double second = sign * (u ? -sine[0] : sine[1]);
        struct complex ca = plus(p, x[0], times(p, cosine[u], t1));
        ca = plus(p, ca, times(p, cosine[1 - u], t2));
        struct complex cb = plus(p, times(p, sign * sine[u], t4), times(p, second, t3));
        cb = upright(cb);
        y[1 + u] = plus(p, ca, cb);
        y[4 - u] = minus(p, ca, cb);
    }
}

struct stage {
    int64_t p, front, rest; /* the factor, the product of those in front, of those behind */
};

/* y[j, k, i] = w^(j front i) sum_s exp(-+2 pi i j s / p) x[k, s, i] */
static void small_stage(const struct plan *p, struct stage s, const struct complex *x,
                        struct complex *y) {
    struct complex in[5], out[5];
    for (int64_t k = 0; k < s.front; k++)
        for (int64_t i = 0; i < s.rest; i++) {
            for (int64_t j = 0; j < s.p; j++) in[j] = x[(k * s.p + j) * s.rest + i];
            if (s.p == 2) out[0] = plus(p, in[0], in[1]), out[1] = minus(p, in[0], in[1]);
            if (s.p == 3) butterfly3(p, in, out);
            if (s.p == 4) butterfly4(p, in, out);
            if (s.p == 5) butterfly5(p, in, out);
            for (int64_t j = 0; j < s.p; j++) {
                struct complex v = out[j];
                if (i && j) v = product(p, v, p->root[j * s.front * i]);
                y[(j * s.front + k) * s.rest + i] = v;
            }
        }
}

static void large_stage(const struct plan *p, struct stage s, const struct complex *x,
                        struct complex *y) {
    int64_t turn = p->n / s.p;
    for (int64_t k = 0; k < s.front; k++)
        for (int64_t i = 0; i < s.rest; i++)
            for (int64_t j = 0; j < s.p; j++) {
                struct complex sum = x[k * s.p * s.rest + i];
                for (int64_t q = 1; q < s.p; q++) {
                    int64_t at = j * q % s.p * turn;
                    sum = plus(p, sum, product(p, x[(k * s.p + q) * s.rest + i], p->root[at]));
                }
                if (i && j) sum = product(p, sum, p->root[j * s.front * i]);
                y[(j * s.front + k) * s.rest + i] = sum;
            }
}

static int factors_of(int64_t n, int64_t *out) {
    int count = 0;
    for (; n % 4 == 0; n /= 4) out[count++] = 4;
    if (n % 2 == 0) {
        n /= 2;
        out[count] = out[0];
        out[0] = 2;
        count++;
    }
    for (int64_t p = 3; p * p <= n; p += 2)
        for (; n % p == 0; n /= p) out[count++] = p;
    if (n > 1) out[count++] = n;
    return count;
}

/* Transforms x; the result is in x or in y, whichever is returned. */
static struct complex *transform(const struct plan *p, struct complex *x, struct complex *y) {
    int64_t factor[64], front = 1;
    int count = factors_of(p->n, factor);
    for (int i = 0; i < count; front *= factor[i++]) {
        struct stage s = {factor[i], front, p->n / front / factor[i]};
        struct complex *from = x;
        if (s.p <= 5) small_stage(p, s, x, y);
        else large_stage(p, s, x, y);
        x = y, y = from;
    }
    return x;
}

static double element(const void *data, int dtype, int64_t i) {
    return dtype == 1 ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

static void store(void *data, int dtype, int64_t i, double v) {
    if (dtype == 1) ((float *)data)[i] = (float)v;
    else ((double *)data)[i] = v;
}

/* bufs: x[a][n][b][2], y of the same shape, f64 room[6 n]. args: element type (1: f32, 11: f64), a,
 * n, b, inverse (the result is not divided by n), wide (f32 is computed in f64). */
int onnxcc_call_fourier(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    (void)f;
    int dtype = (int)args[0];
    int64_t a = args[1], n = args[2], b = args[3];
    struct complex *root = bufs[2], *x = root + n, *y = x + n;
    struct plan p = {root, n, dtype == 1 && !args[5], args[4] != 0};
    for (int64_t k = 0; k < n; k++) {
        struct complex r = root_of(k, n);
        root[k] = (struct complex){rounded(&p, r.re), rounded(&p, p.inverse ? r.im : -r.im)};
    }
    for (int64_t line = 0; line < a * b && n; line++) {
        int64_t first = line / b * n * b + line % b;
        for (int64_t k = 0; k < n; k++)
            x[k] = (struct complex){element(bufs[0], dtype, 2 * (first + k * b)),
                                    element(bufs[0], dtype, 2 * (first + k * b) + 1)};
        const struct complex *done = transform(&p, x, y);
        for (int64_t k = 0; k < n; k++) {
            store(bufs[1], dtype, 2 * (first + k * b), done[k].re);
            store(bufs[1], dtype, 2 * (first + k * b) + 1, done[k].im);
        }
    }
    return ONNXCC_OK;
}
