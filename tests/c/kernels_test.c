/* Prints the kernels of loops texts as C, compiles them by the system's compiler, runs them on
 * buffers of exactly the right size, and compares every bit with the interpreter.
 *
 *     kernels_test DIR FILE.ir...
 *
 * Lines "# run NAME SYM=V ... : PARAM[ELEMENTS]<BELOW ..." say what to run. */
#include "codegen/c/gen.h"
#include "codegen/c/paste.h"
#include "ir/lex.h"
#include "ir/scalar_eval.h"
#include "runtime/abi.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/c/runs.h"

static const char *const flags =
    "-std=c99 -Wall -Werror -O2 -march=native -fPIC -shared -Wl,-z,defs";

static void *compile(Ctx *ctx, const Loops *l, const char *dir, int number) {
    Str s = str_new(ctx->perm);
    paste_text(&s, "runtime/abi.h");
    paste_text(&s, "runtime/ops.h");
    str_add(&s, "\nstatic inline void onnxcc_fail(struct onnxcc_frame *f, int code) {\n    if "
                "(!f->fault) f->fault = code;\n}\n"
                "#define onnxcc_fault onnxcc_fail\n");
    for (int i = 0; i < l->kernels.n; i++) {
        const LFunc *f = l->kernels.at[i];
        str_char(&s, '\n');
        c_kernel(ctx, &s, f, DIALECT_C,
                 &(KernelText){arena_printf(ctx->perm, "k_%s", f->name), NULL}, NULL);
        str_fmt(&s, "void (*p_%s)(const struct onnxcc_kargs *, int64_t, int64_t, char *) = k_%s;\n",
                f->name, f->name);
    }
    char path[300], so[300], command[900];
    snprintf(path, sizeof path, "%s/kernels%d.c", dir, number);
    snprintf(so, sizeof so, "%s/kernels%d.so", dir, number);
    FILE *out = fopen(path, "w");
    if (!out || fwrite(s.at, 1, s.n, out) != s.n || fclose(out)) exit(1);
    snprintf(command, sizeof command, "%s %s -o %s %s", getenv("CC") ? getenv("CC") : "cc", flags,
             so, path);
    if (system(command)) exit(1);
    void *lib = dlopen(so, RTLD_NOW);
    if (!lib) printf("%s\n", dlerror()), exit(1);
    return lib;
}

static void run_file(Ctx *ctx, const char *path, const char *dir, int number) {
    char *text = read_file(path);
    Loops *l = loops_parse(ctx, lex_open(ctx, path, text, strlen(text)));
    if (!l || !loops_verify(l, "as parsed")) exit(1);
    void *lib = compile(ctx, l, dir, number);
    char *at = text, *line;
    while ((line = strsep(&at, "\n"))) {
        Run r;
        if (strncmp(line, "# run ", 6) || strstr(line, "_in_place")) continue; /* no aliases in C */
        parse_run(ctx, l, line + 6, &r);
        onnxcc_kernel_fn *code = dlsym(lib, arena_printf(ctx->perm, "p_%s", r.f->name));
        for (int seed = 0; seed < 3; seed++) run_one(ctx, &r, *code);
    }
    free(text);
}

int main(int argc, char **argv) {
    Ctx *ctx = ctx_new();
    for (int i = 2; i < argc; i++) run_file(ctx, argv[i], argv[1], i);
    ctx_free(ctx);
    printf("%d runs, %d failures\n", runs, failures);
    return failures || !runs;
}
