/* Messages: the user's faults are collected here, the compiler's and the machine's end the
 * compilation.
 *
 * Nothing that a model names reaches a terminal unescaped: locations pass str_escape, and the text
 * of a message loses its control characters, so that no name can fake a line of output. */
#include "ir/base.h"

#include <stdlib.h>

enum { NAME_LIMIT = 200, MAX_SHOWN = 100 };

const char *diag_name(Ctx *ctx, const char *s) {
    Str out = str_new(ctx->perm);
    if (s) str_escape(&out, s, strlen(s), NAME_LIMIT);
    return str_c(&out);
}

void diag_lines(Ctx *ctx, const char *lines) {
    if (ctx->muted) return;
    if (ctx->capture) str_add(ctx->capture, lines);
    else if (ctx->log) fputs(lines, ctx->log);
}

/* `FILE:LINE:COLUMN: ` or `FILE: node "N" (Op, opset K): `, as far as known. */
static void add_loc(Str *out, const Ctx *ctx, const Loc *loc) {
    static const Loc nowhere;
    if (!loc) loc = &nowhere;
    const char *file = loc->file ? loc->file : ctx->file ? ctx->file : "onnxcc";
    str_escape(out, file, strlen(file), 4 * NAME_LIMIT);
    if (loc->line) str_fmt(out, ":%d:%d", loc->line, loc->column);
    str_add(out, ": ");
    if (!loc->node && !loc->op) return;
    str_add(out, "node");
    if (loc->node) {
        str_add(out, " \"");
        str_escape(out, loc->node, strlen(loc->node), NAME_LIMIT);
        str_char(out, '"');
    }
    if (loc->op) {
        str_add(out, " (");
        str_escape(out, loc->op, strlen(loc->op), NAME_LIMIT);
        if (loc->opset) str_fmt(out, ", opset %d", loc->opset);
        str_char(out, ')');
    }
    str_add(out, ": ");
}

static void add_text(Str *out, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    CHECK(n >= 0);
    char *text = arena_alloc(out->arena, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    for (char *p = text; *p; p++) {
        bool control = (unsigned char)*p < 0x20 || *p == 0x7f;
        if (control) str_fmt(out, "\\x%02x", (unsigned char)*p);
        else str_char(out, *p);
    }
    str_char(out, '\n');
}

static void report(Ctx *ctx, const Loc *loc, const char *kind, const char *fmt, va_list ap) {
    if (ctx->muted) return;
    Str out = str_new(ctx->perm);
    add_loc(&out, ctx, loc);
    str_fmt(&out, "%s: ", kind);
    add_text(&out, fmt, ap);
    diag_lines(ctx, str_c(&out));
}

bool diag_error(Ctx *ctx, const Loc *loc, const char *fmt, ...) {
    ctx->errors++;
    ctx->muted = ctx->errors > MAX_SHOWN;
    if (ctx->errors == MAX_SHOWN + 1) {
        ctx->muted = false;
        diag_lines(ctx, "onnxcc: note: there are more errors, which are not shown\n");
        ctx->muted = true;
    }
    va_list ap;
    va_start(ap, fmt);
    report(ctx, loc, "error", fmt, ap);
    va_end(ap);
    return false;
}

void diag_warn(Ctx *ctx, const Loc *loc, const char *fmt, ...) {
    ctx->warnings++;
    ctx->muted = ctx->quiet || ctx->warnings > MAX_SHOWN;
    va_list ap;
    va_start(ap, fmt);
    report(ctx, loc, "warning", fmt, ap);
    va_end(ap);
}

void diag_note(Ctx *ctx, const Loc *loc, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    report(ctx, loc, "note", fmt, ap);
    va_end(ap);
}

int diag_errors(const Ctx *ctx) {
    return ctx->errors;
}

/* ---- faults that end the compilation; no memory is allocated here ---- */

static void (*on_fatal)(int exit_code, const char *message);

void base_set_fatal(void (*handler)(int exit_code, const char *message)) {
    on_fatal = handler;
}

NORETURN static void fatal(int exit_code, const char *message) {
    if (on_fatal) on_fatal(exit_code, message);
    fprintf(stderr, "%s\n", message);
    abort();
}

void bug_at(const char *file, int line, const char *fmt, ...) {
    char what[1024], message[1400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    snprintf(message, sizeof message,
             "onnxcc: internal error: %.200s:%d: %s; this is a bug in the compiler; please report "
             "it with the model",
             file, line, what);
    fatal(2, message);
}

void die(const char *fmt, ...) {
    char message[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    fatal(1, message);
}
