/* Runs compiled kernels against the interpreter: lines "# run ..." of loops texts, data,
 * comparison. */
#ifndef ONNXCC_TESTS_C_RUNS_H
#define ONNXCC_TESTS_C_RUNS_H

enum { MAX_PARAMS = 16 };
typedef struct Run {
    LFunc *f;
    SymValue syms[16];
    int n_syms;
    int64_t elements[MAX_PARAMS], below[MAX_PARAMS];
} Run;
static int failures, runs;

static char *read_file(const char *path) {
    FILE *f = fopen(path, "rb");
    enum { MAX_BYTES = 1 << 20 };
    char *s = calloc(1, MAX_BYTES);
    if (!f || !fread(s, 1, MAX_BYTES - 1, f)) fprintf(stderr, "%s cannot be read\n", path), exit(1);
    fclose(f);
    return s;
}

/* ---- the run lines ---- */
static LFunc *kernel_named(const Loops *l, const char *name) {
    for (int i = 0; i < l->kernels.n; i++)
        if (!strcmp(l->kernels.at[i]->name, name)) return l->kernels.at[i];
    fprintf(stderr, "no kernel %s\n", name);
    exit(1);
}

static Sym *sym_named(Ctx *ctx, const Loops *l, const char *name) {
    LUses uses = {0};
    for (int i = 0; i < l->kernels.n; i++) lfunc_uses(ctx, l->kernels.at[i], &uses);
    for (int i = 0; i < uses.syms.n; i++)
        if (!strcmp(uses.syms.at[i]->name, name)) return uses.syms.at[i];
    fprintf(stderr, "no symbol %s\n", name);
    exit(1);
}

static void parse_param(Run *r, const char *word) {
    char name[64];
    long long n, below = 0;
    if (sscanf(word, "%63[^[][%lld]<%lld", name, &n, &below) < 2) exit(1);
    for (int i = 0; i < r->f->params.n; i++) {
        if (strcmp(r->f->params.at[i]->name, name)) continue;
        r->elements[i] = n, r->below[i] = below;
        return;
    }
    fprintf(stderr, "%s has no parameter %s\n", r->f->name, name);
    exit(1);
}

static void parse_run(Ctx *ctx, const Loops *l, char *line, Run *r) {
    char *save, *word = strtok_r(line, " ", &save), name[64];
    long long v;
    *r = (Run){.f = kernel_named(l, word)};
    while ((word = strtok_r(NULL, " ", &save)) && strcmp(word, ":")) {
        if (sscanf(word, "%63[^=]=%lld", name, &v) != 2) exit(1);
        r->syms[r->n_syms++] = (SymValue){sym_named(ctx, l, name), v};
    }
    while ((word = strtok_r(NULL, " ", &save))) parse_param(r, word);
}

/* ---- data ---- */
static uint64_t state = 1;
static uint64_t next_random(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 17;
}

/* Memory that ends where a page without access begins. */
static void *guarded(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (bytes + page - 1) / page * page;
    char *p = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mprotect(p + size, page, PROT_NONE)) exit(1);
    return p + size - bytes;
}

static void fill(DType t, char *p, int64_t n, int64_t below) {
    static const double special[] = {0, -0.0, INFINITY, -INFINITY, NAN, 1e-40, 65520, 3e38};
    if (t == DT_STR) {
        for (int64_t i = 0; i < 2 * n; i++) ((uint64_t *)(void *)p)[i] = next_random();
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        ScalarValue v = {0};
        uint64_t r = next_random();
        if (dtype_is_float(t)) {
            double d = (double)(int64_t)(r % 4000000) / 1e6 - 2;
            if (r % 23 == 0) d = special[r / 23 % LEN(special)];
            v = scalar_cast(DT_F64, t, (ScalarValue){.d = d});
        } else {
            int64_t x = below ? (int64_t)(r % (uint64_t)below) : (int64_t)(r % 40) - 20;
            if (!below && r % 31 == 0) x = INT64_MIN;
            v.i = scalar_wrap(t, x);
        }
        scalar_store(t, p + (size_t)i * dtype_bytes(t), v);
    }
}

static bool same_element(DType t, const char *a, const char *b) {
    if (t == DT_STR) return !memcmp(a, b, 16);
    ScalarValue x = scalar_load(t, a), y = scalar_load(t, b);
    if (!dtype_is_float(t)) return x.i == y.i;
    double p = scalar_double(t, x), q = scalar_double(t, y);
    if (isnan(p) || isnan(q)) return isnan(p) && isnan(q);
    return p == q && !signbit(p) == !signbit(q);
}

static void compare(const Run *r, int i, const char *want, const char *got) {
    const Tensor *t = r->f->params.at[i];
    size_t bytes = t->dtype == DT_STR ? 16 : dtype_bytes(t->dtype);
    for (int64_t k = 0; k < r->elements[i]; k++) {
        const char *a = want + (size_t)k * bytes, *b = got + (size_t)k * bytes;
        if (same_element(t->dtype, a, b)) continue;
        bool text = t->dtype == DT_STR;
        printf("FAIL %s: %%%s[%lld] is %.9g instead of %.9g\n", r->f->name, t->name, (long long)k,
               text ? 0 : scalar_double(t->dtype, scalar_load(t->dtype, b)),
               text ? 0 : scalar_double(t->dtype, scalar_load(t->dtype, a)));
        failures++;
        return;
    }
}

/* The parallel extent: a constant or one symbol in these tests. */
static int64_t total_of(const Run *r) {
    const Expr *n = r->f->parallel;
    for (int i = 0; i < r->n_syms; i++)
        if (n->kind == E_SYM && n->sym == r->syms[i].sym) return r->syms[i].value;
    return n->i;
}

/* In two halves of the parallel space. Kernels named *bad* must fault, others must not. */
static void run_one(Ctx *ctx, const Run *r, onnxcc_kernel_fn code) {
    void *want[MAX_PARAMS], *got[MAX_PARAMS];
    int64_t syms[64] = {0}, total = total_of(r);
    for (int i = 0; i < r->f->params.n; i++) {
        DType t = r->f->params.at[i]->dtype;
        size_t bytes = (size_t)r->elements[i] * (t == DT_STR ? 16 : dtype_bytes(t));
        want[i] = malloc(bytes + 1);
        got[i] = guarded(bytes);
        fill(t, want[i], r->elements[i], r->below[i]);
        memcpy(got[i], want[i], bytes);
    }
    for (int i = 0; i < r->n_syms; i++) syms[r->syms[i].sym->slot] = r->syms[i].value;
    if (!lfunc_interp(ctx, r->f, want, r->elements, r->syms, r->n_syms, next_random())) failures++;
    struct onnxcc_frame frame = {.scratch_stride = 1 << 20};
    struct onnxcc_kargs args = {got, syms, &frame};
    char *scratch = aligned_alloc(64, 1 << 20);
    code(&args, 0, total / 2, scratch);
    code(&args, total / 2, total, scratch);
    for (int i = 0; i < r->f->params.n; i++) {
        compare(r, i, want[i], got[i]);
        free(want[i]);
    }
    bool bad = strstr(r->f->name, "bad") != NULL;
    if (bad != (frame.fault != 0))
        printf("FAIL %s: fault is %d\n", r->f->name, frame.fault), failures++;
    free(scratch);
    runs++;
}

#endif
