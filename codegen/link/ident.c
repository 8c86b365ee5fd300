/* Names from models become C identifiers. */
#include "codegen/link/link.h"

#include <ctype.h>

/* What a member or prefix must not be called: keywords of C and C++, and macros that compilers or
 * the headers we include define. */
static const char *const reserved[] = {
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char8_t",
    "char16_t",
    "char32_t",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "errno",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "linux",
    "long",
    "main",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "offsetof",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "typeof_unqual",
    "union",
    "unix",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
    "NULL",
    "I",
    "EOF",
};

static bool is_reserved(const char *s) {
    for (int i = 0; i < LEN(reserved); i++)
        if (!strcmp(s, reserved[i])) return true;
    return false;
}

const char *link_ident(Arena *arena, Map *taken, const char *name) {
    Str s = str_new(arena);
    if (!*name || isdigit((unsigned char)*name)) str_char(&s, '_');
    for (; *name; name++)
        str_char(&s, isalnum((unsigned char)*name) && (unsigned char)*name < 128 ? *name : '_');
    if (is_reserved(str_c(&s))) str_char(&s, '_');
    const char *base = str_c(&s), *ident = base;
    for (int i = 2; taken && map_get(taken, ident); i++)
        ident = arena_printf(arena, "%s_%d", base, i);
    if (taken) map_set(taken, ident, (void *)(uintptr_t)ident);
    return ident;
}

const char *link_base_name(Arena *arena, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t n = dot && dot != name ? (size_t)(dot - name) : strlen(name);
    if (n > 3 && !strncmp(name, "lib", 3)) name += 3, n -= 3;
    return link_ident(arena, NULL, arena_strn(arena, name, n));
}
