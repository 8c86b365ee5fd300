/* Compiles the kernels of a loops text for every x86-64 level that this machine has, runs them
 * on buffers that end at a page without access, and compares every bit with the interpreter. */
#include "codegen/llvm/gen.h"
#include "ir/lex.h"
#include "ir/scalar_eval.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_PARAMS = 16 };
typedef struct Run {
    LFunc *f;
    SymValue syms[16];
    int n_syms;
    int64_t elements[MAX_PARAMS], below[MAX_PARAMS];
    int shares[MAX_PARAMS]; /* 1 + the parameter whose buffer it has, too */
    int line;
} Run;

static int failures, runs;

static char *read_file(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *s = malloc(1 << 20);
    *n = fread(s, 1, (1 << 20) - 1, f);
    s[*n] = 0;
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

static int param_named(const Run *r, const char *name) {
    for (int i = 0; i < r->f->params.n; i++)
        if (!strcmp(r->f->params.at[i]->name, name)) return i;
    fprintf(stderr, "%s has no parameter %s\n", r->f->name, name);
    exit(1);
}

static void parse_param(Run *r, const char *word) {
    char name[64], of[64];
    long long n, below = 0;
    if (sscanf(word, "%63[^=]=%63s", name, of) == 2) {
        int i = param_named(r, name), k = param_named(r, of);
        r->shares[i] = k + 1;
        r->elements[i] = r->elements[k];
        return;
    }
    if (sscanf(word, "%63[^[][%lld]<%lld", name, &n, &below) < 2) exit(1);
    int i = param_named(r, name);
    r->elements[i] = n, r->below[i] = below;
}

static bool parse_run(Ctx *ctx, const Loops *l, char *line, Run *r) {
    char *save, *word = strtok_r(line, " ", &save), name[64];
    long long v;
    *r = (Run){.f = kernel_named(l, word)};
    while ((word = strtok_r(NULL, " ", &save)) && strcmp(word, ":")) {
        if (sscanf(word, "%63[^=]=%lld", name, &v) != 2) exit(1);
        r->syms[r->n_syms++] = (SymValue){sym_named(ctx, l, name), v};
    }
    while ((word = strtok_r(NULL, " ", &save))) parse_param(r, word);
    return true;
}

/* ---- data ---- */
static uint64_t state = 1;
static uint64_t next_random(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 17;
}

static void *guarded(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (bytes + page - 1) / page * page;
    char *p = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mprotect(p + size, page, PROT_NONE)) exit(1);
    return p + size - bytes;
}

static void fill(DType t, char *p, int64_t n, int64_t below, bool extremes) {
    static const double special[] = {0, -0.0, INFINITY, -INFINITY, NAN, 1e-40, 65520, 3e38};
    for (int64_t i = 0; i < n; i++) {
        ScalarValue v = {0};
        uint64_t r = next_random();
        if (dtype_is_float(t)) {
            double d = (double)(int64_t)(r % 4000000) / 1e6 - 2;
            if (extremes && r % 23 == 0) d = special[r / 23 % LEN(special)];
            v = scalar_cast(DT_F64, t, (ScalarValue){.d = d});
        } else {
            int64_t x = below ? (int64_t)(r % (uint64_t)below) : (int64_t)(r % 40) - 20;
            if (!below && r % 31 == 0) x = INT64_MIN;
            v.i = scalar_wrap(t, x);
        }
        scalar_store(t, p + (size_t)i * dtype_bytes(t), v);
    }
}

static bool same_element(DType t, const char *a, const char *b, bool exact) {
    ScalarValue x = scalar_load(t, a), y = scalar_load(t, b);
    if (!dtype_is_float(t)) return x.i == y.i;
    double p = scalar_double(t, x), q = scalar_double(t, y);
    if (isnan(p) || isnan(q)) return isnan(p) && isnan(q);
    if (exact) return p == q && !signbit(p) == !signbit(q);
    return p == q || fabs(p - q) <= 1e-5 * fmax(fabs(p), fabs(q)) + 1e-5;
}

/* ---- one run ---- */
static void compare(const Run *r, const char *machine, int i, const char *want, const char *got,
                    bool exact) {
    DType t = r->f->params.at[i]->dtype;
    for (int64_t k = 0; k < r->elements[i]; k++) {
        const char *a = want + (size_t)k * dtype_bytes(t), *b = got + (size_t)k * dtype_bytes(t);
        if (same_element(t, a, b, exact)) continue;
        printf("FAIL %s on %s: %%%s[%lld] is %.9g instead of %.9g\n", r->f->name, machine,
               r->f->params.at[i]->name, (long long)k, scalar_double(t, scalar_load(t, b)),
               scalar_double(t, scalar_load(t, a)));
        failures++;
        return;
    }
}

static void run_one(Ctx *ctx, const Run *r, const char *machine, onnxcc_kernel_fn code,
                    bool exact) {
    void *want[MAX_PARAMS], *got[MAX_PARAMS];
    int64_t syms[64] = {0};
    for (int i = 0; i < r->f->params.n; i++) {
        DType t = r->f->params.at[i]->dtype;
        size_t bytes = (size_t)r->elements[i] * dtype_bytes(t);
        if (r->shares[i]) {
            want[i] = want[r->shares[i] - 1];
            got[i] = got[r->shares[i] - 1];
            continue;
        }
        want[i] = malloc(bytes + 1);
        got[i] = guarded(bytes);
        fill(t, want[i], r->elements[i], r->below[i], exact);
        memcpy(got[i], want[i], bytes);
    }
    for (int i = 0; i < r->n_syms; i++) syms[r->syms[i].sym->slot] = r->syms[i].value;
    if (!lfunc_interp(ctx, r->f, want, r->elements, r->syms, r->n_syms, next_random())) {
        failures++;
        return;
    }
    struct onnxcc_frame frame = {0};
    struct onnxcc_kargs args = {got, syms, &frame};
    int64_t total = 0, scratch_bytes = 4096;
    Run copy = *r;
    Expr *n = r->f->parallel;
    for (int i = 0; i < copy.n_syms; i++)
        if (n->kind == E_SYM && n->sym == copy.syms[i].sym) total = copy.syms[i].value;
    if (!total) expr_is_int(n, &total);
    char *scratch = aligned_alloc(64, (size_t)scratch_bytes);
    code(&args, 0, total / 2, scratch);
    code(&args, total / 2, total, scratch);
    for (int i = 0; i < r->f->params.n; i++) compare(r, machine, i, want[i], got[i], exact);
    for (int i = 0; i < r->f->params.n; i++)
        if (!r->shares[i]) free(want[i]);
    bool bad = !strcmp(r->f->name, "gather_bad");
    if (bad != (frame.fault != 0))
        printf("FAIL %s on %s: fault is %d\n", r->f->name, machine, frame.fault), failures++;
    free(scratch);
    runs++;
}

/* ---- one machine level ---- */
static void *compile(Ctx *ctx, const Loops *l, const char *name, const char *dir) {
    TargetSpec spec = {.triple = "x86_64-pc-linux-gnu",
                       .cpu = name,
                       .features = "",
                       .machine = machine_by_name(name),
                       .pic = true,
                       .debug = true};
    bool all[MAX_PARAMS];
    memset(all, true, sizeof all);
    Gen *g = gen_open(ctx, &spec, "kernels");
    for (int i = 0; i < l->kernels.n; i++) {
        const LFunc *k = l->kernels.at[i];
        LLVMValueRef f = emit_kernel(g, k, k->name, strstr(k->name, "in_place") ? all : NULL);
        LLVMSetVisibility(f, LLVMDefaultVisibility);
    }
    if (!gen_verify(g)) exit(1);
    gen_optimize(g, NULL);
    char object[200], so[200], command[500];
    snprintf(object, sizeof object, "%s/%s.o", dir, name);
    snprintf(so, sizeof so, "%s/%s.so", dir, name);
    if (!gen_object(g, object)) exit(1);
    gen_close(g);
    snprintf(command, sizeof command, "cc -shared -nostdlib -Wl,-z,defs -o %s %s", so, object);
    if (system(command)) exit(1); /* -z defs: the code calls nothing */
    void *lib = dlopen(so, RTLD_NOW);
    if (!lib) printf("%s\n", dlerror()), exit(1);
    return lib;
}

static bool has_level(const char *name) {
    __builtin_cpu_init();
    if (!strcmp(name, "x86-64-v4"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    if (!strcmp(name, "x86-64-v3"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return true;
}

/* ---- the generator's idea of the structs of runtime/abi.h ---- */
static void check_offset(Gen *g, AbiStruct s, int member, size_t want, const char *name) {
    int64_t got = abi_offset(g, s, member);
    if (got == (int64_t)want) return;
    printf("FAIL abi.h: %s lies at %zu, the generator has %lld\n", name, want, (long long)got);
    failures++;
}

static void check_abi(Ctx *ctx) {
    TargetSpec spec = {.triple = "x86_64-pc-linux-gnu", .machine = machine_by_name("x86-64")};
    Gen *g = gen_open(ctx, &spec, "abi");
#define AT(abi, i, s, m) check_offset(g, abi, i, offsetof(struct s, m), #s "." #m)
#define SIZE(abi, s)                                                                               \
    if (abi_bytes(g, abi) != (int64_t)sizeof(struct s))                                            \
    printf("FAIL abi.h: size of %s\n", #s), failures++
    AT(ABI_FRAME, FRAME_SYMS, onnxcc_frame, syms);
    AT(ABI_FRAME, FRAME_ARENA, onnxcc_frame, arena);
    AT(ABI_FRAME, FRAME_WEIGHTS, onnxcc_frame, weights);
    AT(ABI_FRAME, FRAME_IN, onnxcc_frame, in);
    AT(ABI_FRAME, FRAME_OUT, onnxcc_frame, out);
    AT(ABI_FRAME, FRAME_STATE, onnxcc_frame, state);
    AT(ABI_FRAME, FRAME_SCRATCH, onnxcc_frame, scratch);
    AT(ABI_FRAME, FRAME_SEED, onnxcc_frame, seed);
    AT(ABI_FRAME, FRAME_FAULT, onnxcc_frame, fault);
    AT(ABI_FRAME, FRAME_DEVICE_ARENA, onnxcc_frame, device_arena);
    AT(ABI_FRAME, FRAME_DEVICE_WEIGHTS, onnxcc_frame, device_weights);
    AT(ABI_KARGS, 2, onnxcc_kargs, frame);
    AT(ABI_MODEL, 12, onnxcc_model, signature);
    AT(ABI_MODEL, 15, onnxcc_model, name);
    AT(ABI_MODEL, 23, onnxcc_model, versions);
    AT(ABI_MODEL, 24, onnxcc_model, bind);
    AT(ABI_MODEL, 27, onnxcc_model, host);
    AT(ABI_TENSOR, 5, onnxcc_tensor, axes);
    SIZE(ABI_FRAME, onnxcc_frame);
    SIZE(ABI_AXIS, onnxcc_axis);
    SIZE(ABI_TENSOR, onnxcc_tensor);
    SIZE(ABI_DIM, onnxcc_dim);
    SIZE(ABI_KERNEL, onnxcc_kernel);
    SIZE(ABI_SITE, onnxcc_site);
    SIZE(ABI_VERSION, onnxcc_version);
    SIZE(ABI_MODEL, onnxcc_model);
    gen_close(g);
}

int main(int argc, char **argv) {
    Ctx *ctx = ctx_new();
    size_t n;
    const char *path = argc > 1 ? argv[1] : "kernels.ir", *dir = argc > 2 ? argv[2] : "/tmp";
    char *text = read_file(path, &n);
    if (!text) return 1;
    Loops *l = loops_parse(ctx, lex_open(ctx, path, text, n));
    if (!l || !loops_verify(l, "as parsed")) return 1;
    check_abi(ctx);
    for (int m = 0; m < n_machines; m++) {
        const Machine *machine = &machines[m];
        if (strcmp(machine->family, "x86_64") || !has_level(machine->name)) continue;
        void *lib = compile(ctx, l, machine->name, dir);
        char *copy = strdup(text), *at = copy, *line;
        while ((line = strsep(&at, "\n"))) {
            Run r;
            if (strncmp(line, "# run ", 6) ||
                (argc > 3 && strncmp(line + 6, argv[3], strlen(argv[3]))))
                continue;
            parse_run(ctx, l, line + 6, &r);
            for (int seed = 0; seed < 3; seed++)
                run_one(ctx, &r, machine->name, (onnxcc_kernel_fn)dlsym(lib, r.f->name),
                        machine->fma);
        }
        free(copy);
    }
    ctx_free(ctx);
    free(text);
    printf("%d runs, %d failures\n", runs, failures);
    return failures || !runs;
}
