/* Transforms of known length n in stages (Cooley and Tukey 1965).
 *
 * Complex signals whose length has no other factors than 2, 3 and 5: butterflies, one stage for
 * each factor p, in Stockham's order (no reordering at the end). With l the product of the factors
 * in front, m = n / (l p), and w = exp(-2 pi i / n):
 *
 *   y[j, k, i] = w^(j l i) sum_s exp(-2 pi i j s / p) x[k, s, i]     j, s < p; k < l; i < m
 *
 * Factors (but for eights) and arithmetic are in the order of pocketfft, which NumPy uses, so that
 * the roundings are the same.
 *
 * Others: n = p m is m-point transforms of every p-th element, then p-point transforms that take
 * the twiddle factors into their matrix. Each stage is one contraction
 * [a, m, p, b, complex] x [m, p, complex, k, complex]. */
#include "frontend/ops/fourier.h"

enum { RADIX = 8 };

typedef struct Complex {
    Expr *re, *im;
} Complex;
typedef struct Stage {
    Fourier *f;
    Expr *a, *b;           /* extents around the axis */
    int64_t p, front, rest; /* p, l, m above */
} Stage;

void fourier_root(bool inverse, int64_t k, int64_t n, double *out) {
    double angle = 2 * FOURIER_PI * (double)(k % n) / (double)n;
    out[0] = cos(angle);
    out[1] = inverse ? sin(angle) : -sin(angle);
}

Value *fourier_constant(Fourier *f, const double *v, int64_t count, Expr *const *dims, int rank) {
    Ctx *ctx = f->n->ctx;
    char *data = arena_alloc(ctx->perm, (size_t)count * dtype_bytes(f->t) + 1);
    for (int64_t i = 0; i < count; i++) {
        if (f->t == DT_F64) ((double *)data)[i] = v[i];
        else ((float *)data)[i] = (float)v[i];
    }
    Type type = type_make(f->t, dims, rank);
    return graph_const(f->n->g, NULL, const_new(ctx, f->t, count, data), &type);
}

/* ---- butterflies ---- */
static Complex plus(OnnxNode *n, Complex a, Complex b) {
    return (Complex){E2(add, a.re, b.re), E2(add, a.im, b.im)};
}

static Complex minus(OnnxNode *n, Complex a, Complex b) {
    return (Complex){E2(sub, a.re, b.re), E2(sub, a.im, b.im)};
}

static Complex times(const Stage *s, double factor, Complex a) {
    OnnxNode *n = s->f->n;
    Expr *v = real(n, s->f->t, factor);
    return (Complex){E2(mul, v, a.re), E2(mul, v, a.im)};
}

/* a times i, or -i in the forward direction. */
static Complex turned(const Stage *s, Complex a) {
    OnnxNode *n = s->f->n;
    if (s->f->inverse) return (Complex){E1(neg, a.im), a.re};
    return (Complex){a.im, E1(neg, a.re)};
}

/* i times a, for a sum of multiples of sines. */
static Complex upright(OnnxNode *n, Complex a) {
    return (Complex){E1(neg, a.im), a.re};
}

static void butterfly3(const Stage *s, const Complex *x, Complex *y) {
    OnnxNode *n = s->f->n;
    double sine = (s->f->inverse ? 1 : -1) * 0.86602540378443864676;
    Complex sum = plus(n, x[1], x[2]), difference = minus(n, x[1], x[2]);
    Complex ca = plus(n, x[0], times(s, -0.5, sum)), cb = upright(n, times(s, sine, difference));
    y[0] = plus(n, x[0], sum);
    y[1] = plus(n, ca, cb);
    y[2] = minus(n, ca, cb);
}

static void butterfly4(const Stage *s, const Complex *x, Complex *y) {
    OnnxNode *n = s->f->n;
    Complex even = plus(n, x[0], x[2]), odd = minus(n, x[0], x[2]);
    Complex sum = plus(n, x[1], x[3]), side = turned(s, minus(n, x[1], x[3]));
    y[0] = plus(n, even, sum);
    y[1] = plus(n, odd, side);
    y[2] = minus(n, even, sum);
    y[3] = minus(n, odd, side);
}

static void butterfly5(const Stage *s, const Complex *x, Complex *y) {
    static const double cosine[] = {0.30901699437494742410, -0.80901699437494742410};
    static const double sine[] = {0.95105651629515357212, 0.58778525229247312917};
    OnnxNode *n = s->f->n;
    double sign = s->f->inverse ? 1 : -1;
    Complex t1 = plus(n, x[1], x[4]), t4 = minus(n, x[1], x[4]);
    Complex t2 = plus(n, x[2], x[3]), t3 = minus(n, x[2], x[3]);
    y[0] = plus(n, plus(n, x[0], t1), t2);
    for (int u = 0; u < 2; u++) {
        double second = sign * (u ? -sine[0] : sine[1]);
        Complex ca = plus(n, x[0], times(s, cosine[u], t1));
        ca = plus(n, ca, times(s, cosine[1 - u], t2));
        Complex cb = plus(n, times(s, sign * sine[u], t4), times(s, second, t3));
        cb = upright(n, cb);
        y[1 + u] = plus(n, ca, cb);
        y[4 - u] = minus(n, ca, cb);
    }
}

static void butterfly(const Stage *s, const Complex *x, Complex *y) {
    OnnxNode *n = s->f->n;
    if (s->p == 2) y[0] = plus(n, x[0], x[1]), y[1] = minus(n, x[0], x[1]);
    if (s->p == 3) butterfly3(s, x, y);
    if (s->p == 4) butterfly4(s, x, y);
    if (s->p == 5) butterfly5(s, x, y);
}

/* [p, m, 2]: w^(j l i) */
static Value *twiddles(const Stage *s) {
    OnnxNode *n = s->f->n;
    int64_t count = s->p * s->rest * 2;
    double *v = NEW_ARRAY(n->ctx->perm, double, count + 1);
    for (int64_t j = 0; j < s->p; j++)
        for (int64_t i = 0; i < s->rest; i++)
            fourier_root(s->f->inverse, j * s->front * i, s->p * s->front * s->rest,
                         v + 2 * (j * s->rest + i));
    Expr *dims[] = {ix(n, s->p), ix(n, s->rest), ix(n, 2)};
    return fourier_constant(s->f, v, count, dims, 3);
}

/* Part `part` of y[j, ...] as [a, 1, l m, b, 1]. */
static Value *one_output(const Stage *s, Value *x, Value *w, int j, int part) {
    OnnxNode *n = s->f->n;
    Ctx *ctx = n->ctx;
    Value *in[] = {x, w};
    Expr *dims[] = {s->a, ix(n, s->front), ix(n, s->rest), s->b}, *v[4];
    Node *c = build_compute_begin(n->g, in, 2, s->f->t, dims, 4);
    Complex from[5], to[5];
    for (int i = 0; i < 4; i++) v[i] = c->vars[i]->self;
    for (int k = 0; k < s->p; k++) {
        Expr *row = expr_addi(ctx, expr_muli(ctx, v[1], s->p), k);
        row = expr_add(ctx, expr_muli(ctx, row, s->rest), v[2]);
        Expr *re[] = {v[0], row, v[3], ix(n, 0)}, *im[] = {v[0], row, v[3], ix(n, 1)};
        from[k].re = expr_load(ctx, c->params[0], re, 4);
        from[k].im = expr_load(ctx, c->params[0], im, 4);
    }
    butterfly(s, from, to);
    Complex y = to[j];
    if (j && s->rest > 1) {
        Expr *re[] = {ix(n, j), v[2], ix(n, 0)}, *im[] = {ix(n, j), v[2], ix(n, 1)};
        Complex t = {expr_load(ctx, c->params[1], re, 3), expr_load(ctx, c->params[1], im, 3)};
        y = (Complex){E2(sub, E2(mul, to[j].re, t.re), E2(mul, to[j].im, t.im)),
                      E2(add, E2(mul, to[j].re, t.im), E2(mul, to[j].im, t.re))};
    }
    Expr *whole[] = {s->a, ix(n, 1), ix(n, s->front * s->rest), s->b, ix(n, 1)};
    return reshape_to(n, build_compute_end(n->g, c, part ? y.im : y.re), whole, 5);
}

static Value *butterflies(const Stage *s, Value *x) {
    OnnxNode *n = s->f->n;
    Value *w = twiddles(s), *part[2], *row[5];
    for (int c = 0; c < 2; c++) {
        for (int j = 0; j < s->p; j++)
            if (!(row[j] = one_output(s, x, w, j, c))) return NULL;
        if (!(part[c] = build_concat(n->g, row, (int)s->p, 1))) return NULL;
    }
    return build_concat(n->g, part, 2, 4);
}

/* ---- matrices ---- */
/* The matrix of one stage: [m, p, in, p, 2], element [k2, n1, c, k1, d] the factor of part c of
 * the input for part d of output m k1 + k2: exp(-2 pi i n1 (m k1 + k2) / (m p)). */
static Value *stage_matrix(Fourier *f, int64_t m, int64_t p, int in) {
    int64_t count = m * p * in * p * 2, at = 0;
    double *v = NEW_ARRAY(f->n->ctx->perm, double, count + 1), w[2];
    for (int64_t k2 = 0; k2 < m; k2++)
        for (int64_t n1 = 0; n1 < p; n1++)
            for (int c = 0; c < in; c++)
                for (int64_t k1 = 0; k1 < p; k1++) {
                    fourier_root(f->inverse, n1 * (m * k1 + k2), m * p, w);
                    v[at++] = c ? -w[1] : w[0];
                    v[at++] = c ? w[0] : w[1];
                }
    OnnxNode *n = f->n;
    Expr *dims[] = {ix(n, m), ix(n, p), ix(n, in), ix(n, p), ix(n, 2)};
    return fourier_constant(f, v, count, dims, 5);
}

/* A divisor of n: the largest up to RADIX, or else its smallest prime factor. */
static int64_t radix_of(int64_t n) {
    for (int64_t p = MIN(n, RADIX); p > 1; p--)
        if (n % p == 0) return p;
    for (int64_t p = RADIX + 1; p * p <= n; p++)
        if (n % p == 0) return p;
    return n;
}

/* x [a, n, b, parts] to [a, n, b, 2]; a and b are the extents around it. */
static Value *mixed_radix(Fourier *f, Value *x, Expr *a, int64_t n, Expr *b) {
    OnnxNode *node = f->n;
    if (!x) return NULL;
    int64_t p = radix_of(n), m = n / p, parts = 2;
    Expr *part = x->type.dims[3];
    if (m > 1) {
        Expr *apart[] = {a, ix(node, m), expr_muli(node->ctx, b, p), part};
        x = mixed_radix(f, reshape_to(node, x, apart, 4), a, m, apart[2]);
        part = ix(node, 2);
    }
    expr_is_int(part, &parts);
    Expr *split[] = {a, ix(node, m), ix(node, p), b, part},
         *whole[] = {a, ix(node, n), b, ix(node, 2)};
    Value *matrix = stage_matrix(f, m, p, (int)parts);
    x = reshape_to(node, x, split, 5);
    Value *y = x ? build_contract(node->g, x, matrix, NULL, "ampbc,mpckd->akmbd") : NULL;
    return reshape_to(node, y, whole, 4);
}

/* ---- all stages ---- */
/* In pocketfft's order: fours, a two that goes to the front, threes, fives; 0: there are others. */
static int factors_of(int64_t n, int64_t *out) {
    int count = 0;
    for (; n % 4 == 0; n /= 4) out[count++] = 4;
    if (n % 2 == 0) {
        n /= 2;
        out[count] = out[0];
        out[0] = 2;
        count++;
    }
    for (int64_t p = 3; p <= 5; p += 2)
        for (; n % p == 0; n /= p) out[count++] = p;
    return n == 1 ? count : 0;
}

Value *fourier_stages(Fourier *f, Value *x, Expr *a, int64_t n, Expr *b) {
    int64_t factor[64], front = 1;
    int count = x && expr_is(x->type.dims[3], 2) ? factors_of(n, factor) : 0;
    if (!count) return mixed_radix(f, x, a, n, b);
    for (int i = 0; x && i < count; front *= factor[i++]) {
        Stage s = {f, a, b, factor[i], front, n / front / factor[i]};
        Expr *whole[] = {a, ix(f->n, n), b, ix(f->n, 2)};
        x = reshape_to(f->n, butterflies(&s, x), whole, 4);
    }
    return x;
}
