/* Texts as files: read whole, written whole or not at all. */
#define _DEFAULT_SOURCE 1
#include "frontend/cli.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static char *read_all(Ctx *ctx, FILE *f, size_t *n) {
    Str s = str_new(ctx->perm);
    char chunk[1 << 16];
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, f)) > 0;) str_addn(&s, chunk, got);
    *n = s.n;
    return arena_strn(ctx->perm, str_c(&s), s.n);
}

char *read_text(Ctx *ctx, const char *path, size_t *n) {
    if (!strcmp(path, "-")) return read_all(ctx, stdin, n);
    FILE *f = fopen(path, "rb");
    if (!f) {
        diag_error(ctx, NULL, "cannot open %s: %s", diag_name(ctx, path), strerror(errno));
        return NULL;
    }
    char *text = read_all(ctx, f, n);
    fclose(f);
    return text;
}

static int cannot_write(Ctx *ctx, const char *path) {
    ctx->file = NULL;
    diag_error(ctx, NULL, "cannot write %s: %s", diag_name(ctx, path), strerror(errno));
    return 1;
}

/* A device or a pipe is written to; replacing it by a file would take it from everyone. */
static bool is_special(const char *path) {
    struct stat st;
    return !stat(path, &st) && !S_ISREG(st.st_mode);
}

static int write_into(Ctx *ctx, const char *path, const char *text, size_t n) {
    FILE *f = fopen(path, "w");
    bool ok = f && fwrite(text, 1, n, f) == n;
    if (f) ok = !fclose(f) && ok;
    return ok ? 0 : cannot_write(ctx, path);
}

/* The whole text at once: to stdout, or to a file that is only there when complete. */
int write_text(Ctx *ctx, const char *path, const char *text, size_t n) {
    if (!path || !strcmp(path, "-")) {
        bool ok = fwrite(text, 1, n, stdout) == n && !fflush(stdout);
        return ok ? 0 : cannot_write(ctx, "stdout");
    }
    if (is_special(path)) return write_into(ctx, path, text, n);
    path = output_target(ctx, path);
    char *temporary = arena_printf(ctx->perm, "%s.%ld.tmp", path, (long)getpid());
    FILE *f = fopen(temporary, "w");
    if (!f) return cannot_write(ctx, path);
    bool ok = fwrite(text, 1, n, f) == n;
    ok = !fclose(f) && ok && !rename(temporary, path);
    if (ok) return 0;
    int code = cannot_write(ctx, path);
    remove(temporary);
    return code;
}
