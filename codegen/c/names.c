/* Identifiers of generated C: made from names of the IR, unique among what is in scope. */
#include "codegen/c/gen.h"

#include "codegen/link/link.h"

/* What a local name must not hide: names that the text of kernels and host functions uses itself.
 * */
static const char *const taken[] = {
    "call",    "f",         "lo",     "hi",     "scratch", "fault", "bufs",     "syms",
    "code",    "bad",       "args",   "live",   "offset",  "work",  "blockIdx", "blockDim",
    "gridDim", "threadIdx", "total",  "stride", "unroll",  "round", "fma",      "fmaf",
    "OPS",     "main",      "memcpy", "memset", "weights",
};

void level_open(Printer *p) {
    int depth = p->levels.n ? p->levels.at[p->levels.n - 1].depth + 1 : 0;
    CLevel l = {.text = str_new(p->arena), .depth = depth, .names = p->names.n};
    vec_push(p->arena, &p->levels, l);
}

void level_close(Printer *p, Str *text) {
    CLevel *l = &p->levels.at[--p->levels.n];
    *text = l->text;
    p->names.n = l->names;
}

void level_add(Printer *p, const Str *text) {
    if (text->n) str_addn(&p->levels.at[p->levels.n - 1].text, text->at, text->n);
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && !strcmp(s + n - m, end);
}

/* OPERATION_TYPE is a function of runtime/ops.h, NAME_t a type. */
static bool is_taken(const Printer *p, const char *name) {
    for (int i = 0; i < LEN(taken); i++)
        if (!strcmp(taken[i], name)) return true;
    for (int t = DT_NONE + 1; t < N_DTYPES; t++) {
        const char *type = dtype_name((DType)t);
        size_t n = strlen(name), m = strlen(type);
        if (n > m && name[n - m - 1] == '_' && ends_with(name, type)) return true;
    }
    if (ends_with(name, "_t") || !strncmp(name, "onnxcc", 6)) return true;
    for (int i = 0; i < p->names.n; i++)
        if (!strcmp(p->names.at[i].name, name)) return true;
    for (int i = 0; i < p->tops.n; i++)
        if (!strcmp(p->tops.at[i].name, name)) return true;
    return p->prefix && !strncmp(name, p->prefix, strlen(p->prefix)) &&
           name[strlen(p->prefix)] == '_';
}

static const char *fresh(Printer *p, const char *base) {
    const char *id = link_ident(p->arena, NULL, base), *name = id;
    for (int i = 2; is_taken(p, name); i++) name = arena_printf(p->arena, "%s_%d", id, i);
    return name;
}

const char *name_add(Printer *p, const void *what, const char *base) {
    const char *name = fresh(p, base);
    vec_push(p->arena, &p->names, ((CName){what, name, p->levels.n - 1}));
    return name;
}

const char *name_top(Printer *p, const void *what, const char *base) {
    const char *name = fresh(p, base);
    vec_push(p->arena, &p->tops, ((CName){what, name, 0}));
    return name;
}

const char *name_find(Printer *p, const void *what) {
    for (int i = p->names.n - 1; i >= 0; i--)
        if (p->names.at[i].what == what) return p->names.at[i].name;
    for (int i = 0; i < p->tops.n; i++)
        if (p->tops.at[i].what == what) return p->tops.at[i].name;
    return NULL;
}

/* ---- text from models ---- */
void c_comment(Str *out, const char *text) {
    for (const char *s = text; s && *s; s++) {
        unsigned char c = (unsigned char)*s;
        str_char(out, c < 0x20 || c == 0x7f || c == '\\' ? '?' : (char)c);
        bool ends = (c == '*' && s[1] == '/') || (c == '/' && s[1] == '*');
        if (ends || (c == '?' && s[1] == '?')) str_char(out, ' ');
    }
}

const char *c_comment_of(Arena *arena, const char *text) {
    Str s = str_new(arena);
    c_comment(&s, text);
    return str_c(&s);
}

const char *c_symbol(Arena *arena, const char *name) {
    return link_ident(arena, NULL, name);
}

void c_origin(Str *out, const Origin *o, int n) {
    for (int i = 0; i < n; i++) {
        const char *node = o[i].node ? o[i].node : "", *op = o[i].op ? o[i].op : "";
        if (i) str_char(out, ' ');
        str_add(out, *node ? node : op);
        if (*node && *op) str_fmt(out, " (%s)", op);
    }
}

void c_string(Str *out, const char *text) {
    str_char(out, '"');
    for (const char *s = text; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') str_fmt(out, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f || c == '?') str_fmt(out, "\\%03o", c);
        else str_char(out, (char)c);
    }
    str_char(out, '"');
}

/* Where a line may end: behind a comma or in front of an operator, at most `room` bytes away; a
 * comment stays behind what it is about. */
static size_t break_at(const char *s, size_t room) {
    size_t at = 0;
    for (size_t i = 1; i < room && s[i]; i++) {
        bool behind = s[i - 1] == ',' && strncmp(s + i + 1, "/*", 2);
        if (s[i] == ' ' && (behind || strchr("+-?:&|", s[i + 1]))) at = i;
    }
    return at;
}

/* One line of text, on several where it is long. */
static void add_line(Str *out, size_t indent, const char *text) {
    enum { COLUMNS = 100 };
    for (bool first = true;; first = false) {
        size_t room = indent < COLUMNS / 2 ? COLUMNS - indent : COLUMNS / 2, end = 0;
        for (size_t i = 0; i < indent + (first ? 0 : 4); i++) str_char(out, ' ');
        if (strlen(text) > room) end = break_at(text, room);
        if (!end) break;
        str_addn(out, text, end);
        str_char(out, '\n');
        text += end + 1;
    }
    str_add(out, text);
    str_char(out, '\n');
}

void c_line_at(Printer *p, int level, const char *text) {
    size_t indent = 4 * (size_t)p->levels.at[level].depth;
    for (;;) {
        size_t n = strcspn(text, "\n");
        add_line(&p->levels.at[level].text, indent, arena_strn(p->arena, text, n));
        if (!text[n]) return;
        text += n + 1;
        indent = 0;
    }
}

void c_line(Printer *p, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *text = arena_alloc(p->arena, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    c_line_at(p, p->levels.n - 1, text);
}
