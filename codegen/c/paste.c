/* The runtime's texts inside generated C: runtime/abi.h, ops.h and what a program needs of
 * runtime/core, with every function made static, so that a file defines NAME_* alone. */
#include "codegen/c/paste.h"

#include <ctype.h>

#include "codegen/embedded.h"

static const char *text_of(const char *name) {
    const EmbeddedFile *f = embedded_find(name);
    if (!f) BUG("%s is not carried", name);
    return (const char *)f->data;
}

static bool starts(const char *s, const char *with) {
    return !strncmp(s, with, strlen(with));
}

static const char *next_line(const char *s) {
    const char *end = strchr(s, '\n');
    return end ? end + 1 : s + strlen(s);
}

/* `#...` with the lines that continue it. */
static const char *copy_directive(Str *out, const char *s) {
    const char *end = next_line(s);
    while (end - s > 2 && end[-1] == '\n' && end[-2] == '\\' && *end) end = next_line(end);
    if (!starts(s, "#include \"")) str_addn(out, s, (size_t)(end - s));
    return end;
}

/* ---- functions ---- */
typedef struct Declaration {
    bool is_function, is_definition;
    char name[80];
    const char *end; /* behind its ; or at its { */
} Declaration;

/* What begins here, at the start of a line. */
static Declaration look_at(const char *s) {
    Declaration d = {.end = s + strcspn(s, ";{")};
    const char *open = strpbrk(s, "(={;");
    d.is_definition = *d.end == '{';
    if (!open || *open != '(' || starts(s, "_Static_assert") || starts(s, "typedef")) return d;
    const char *name = open;
    while (name > s && (isalnum((unsigned char)name[-1]) || name[-1] == '_')) name--;
    if (name == s) return d;
    d.is_function = true;
    snprintf(d.name, sizeof d.name, "%.*s", (int)(open - name), name);
    return d;
}

static bool is_called(const char *name, const char *const *calls, int n) {
    if (!starts(name, "onnxcc_call_")) return true;
    for (int i = 0; i < n; i++)
        if (!strcmp(name + strlen("onnxcc_call_"), calls[i])) return true;
    return false;
}

typedef struct Paste {
    Str *out;
    const char *const *calls;
    int n_calls;
} Paste;

static const char *copy_lines(Str *out, const char *s, const char *last) {
    const char *end = next_line(last);
    str_addn(out, s, (size_t)(end - s));
    return end;
}

static const char *copy_declaration(Paste *p, const char *s) {
    Declaration d = look_at(s);
    bool fixed = starts(s, "static") || starts(s, "extern") || starts(d.name, "mem");
    if (!d.is_function || fixed) return copy_lines(p->out, s, s);
    bool absent = starts(d.name, "onnxcc_host_") || !is_called(d.name, p->calls, p->n_calls);
    if (absent && !d.is_definition) return next_line(d.end);
    str_add(p->out, "ONNXCC_CORE ");
    return copy_lines(p->out, s, d.end);
}

static void paste(Paste *p, const char *name) {
    for (const char *s = text_of(name); *s;) {
        if (*s == '#') s = copy_directive(p->out, s);
        else if (isalpha((unsigned char)*s) || *s == '_') s = copy_declaration(p, s);
        else s = copy_lines(p->out, s, s);
    }
}

/* ---- files ---- */
static bool is_header(const char *name) {
    size_t n = strlen(name);
    return n > 2 && !strcmp(name + n - 2, ".h");
}

/* Of calls_*.c only what the program calls; of cpu_*.c nothing: the C compiler decided. */
static bool is_needed(const Paste *p, const char *name) {
    if (starts(name, "runtime/core/cpu_")) return false;
    if (!starts(name, "runtime/core/calls_")) return true;
    for (int i = 0; i < p->n_calls; i++) {
        char wanted[120];
        snprintf(wanted, sizeof wanted, "\nint onnxcc_call_%s(", p->calls[i]);
        if (strstr(text_of(name), wanted)) return true;
    }
    return false;
}

static const char core_head[] =
    "#if defined(__GNUC__)\n#define ONNXCC_CORE static __attribute__((unused))\n"
    "#else\n#define ONNXCC_CORE static\n#endif\n\n";
static const char cpu_stub[] = "\n/* The C compiler was told which processor it is. */\n"
                               "ONNXCC_CORE bool core_cpu_has(const char *name, size_t n) {\n"
                               "    (void)name, (void)n;\n    return true;\n}\n";

void paste_core(Str *out, const char *const *calls, int n_calls) {
    Paste p = {out, calls, n_calls};
    str_add(out, core_head);
    paste(&p, "runtime/abi.h");
    for (int headers = 1; headers >= 0; headers--)
        for (const EmbeddedFile *f = embedded_files; f->name; f++) {
            if (!starts(f->name, "runtime/core/") || is_header(f->name) != headers) continue;
            if (!is_needed(&p, f->name)) continue;
            str_fmt(out, "\n/* ---- %s ---- */\n", f->name);
            paste(&p, f->name);
        }
    str_add(out, cpu_stub);
}

void paste_text(Str *out, const char *name) {
    for (const char *s = text_of(name); *s;)
        s = *s == '#' ? copy_directive(out, s) : copy_lines(out, s, s);
}
