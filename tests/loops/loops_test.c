/* Reads a file of loops. Without "# error:" lines: printing gives the file again (from its first
 * line that is no comment), and the interpreter runs what says "# run". With them: the verifier
 * must say exactly these, where they stand. */
#include "ir/lex.h"
#include "ir/loops.h"

#include <stdlib.h>

static char *read_file(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *s = malloc(1 << 20);
    *n = fread(s, 1, (1 << 20) - 1, f);
    s[*n] = 0;
    fclose(f);
    return s;
}

/* Behind the comments at the top. */
static const char *first_line(const char *text) {
    while (*text == '#') {
        const char *end = strchr(text, '\n');
        if (!end) break;
        text = end + 1;
    }
    return text;
}

static int differ(const char *what, const char *want, const char *got) {
    int line = 1;
    for (; *want && *want == *got; want++, got++) line += *want == '\n';
    if (*want == *got) return 0;
    while (want[-1] != '\n' && line > 1) want--, got--;
    printf("%s differs at line %d:\n  want %.*s\n  got  %.*s\n", what, line,
           (int)strcspn(want, "\n"), want, (int)strcspn(got, "\n"), got);
    return 1;
}

static int check(Ctx *ctx, const char *path, const char *text, size_t n) {
    Loops *l = loops_parse(ctx, lex_open(ctx, path, text, n));
    if (!l) return 1;
    const char *want = first_line(text);
    if (!strstr(want, "# error:")) {
        if (!loops_verify(l, "as parsed")) return 1;
        Str once = str_new(ctx->perm), twice = str_new(ctx->perm);
        loops_print(&once, l);
        Loops *again = loops_parse(ctx, lex_open(ctx, "printed", str_c(&once), once.n));
        if (!again) return 1;
        loops_print(&twice, again);
        return differ("the text", want, str_c(&once)) |
               differ("the text, read again,", str_c(&once), str_c(&twice));
    }
    Str said = str_new(ctx->perm);
    ctx->capture = &said;
    if (loops_verify(l, "as parsed")) return printf("the verifier finds nothing\n"), 1;
    const char *body = strstr(str_c(&said), "loops \"");
    return body ? differ("the verifier's text", want, body) : 1;
}

int main(int argc, char **argv) {
    size_t n;
    char *text = argc > 1 ? read_file(argv[1], &n) : NULL;
    if (!text) return 1;
    Ctx *ctx = ctx_new();
    int code = check(ctx, argv[1], text, n);
    ctx_free(ctx);
    free(text);
    return code;
}
