/* RE2's syntax to a tree (regex.h). */
#include "frontend/regex.h"

enum { MAX_REPEAT = 1000, MAX_NESTING = 200, LAST_CHAR = 0x10ffff };

typedef struct Parser {
    Arena *arena;
    const char *at, *end, *error;
    bool fold, dot_all, lines; /* (?i) (?s) (?m) */
    bool literal;              /* inside \Q...\E */
    int depth;
} Parser;

static Regex *fail(Parser *p, const char *error) {
    if (!p->error) p->error = error;
    return NULL;
}

static Regex *make(Parser *p, RegexKind kind, Regex *a, Regex *b) {
    Regex *r = NEW(p->arena, Regex);
    *r = (Regex){.kind = kind, .a = a, .b = b};
    return r;
}

static bool accept(Parser *p, char c) {
    if (p->at == p->end || *p->at != c) return false;
    p->at++;
    return true;
}

/* The next character of the pattern. */
static bool character(Parser *p, uint32_t *out) {
    const unsigned char *s = (const unsigned char *)p->at;
    int n = *s < 0x80 ? 1 : *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : *s >= 0xc0 ? 2 : 0;
    if (!n || p->end - p->at < n) return fail(p, "the pattern is not UTF-8"), false;
    *out = n == 1 ? *s : *s & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return fail(p, "the pattern is not UTF-8"), false;
        *out = *out << 6 | (s[i] & 63);
    }
    p->at += n;
    return true;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Behind \x: two digits, or any number in braces. */
static bool hex(Parser *p, uint32_t *out) {
    bool braces = accept(p, '{');
    int digits = 0;
    *out = 0;
    while (p->at < p->end && hex_digit(*p->at) >= 0 && (braces || digits < 2) && *out < 1 << 24) {
        *out = *out * 16 + (uint32_t)hex_digit(*p->at++);
        digits++;
    }
    bool ok = digits && *out <= LAST_CHAR && (braces ? accept(p, '}') : digits == 2);
    return ok || (fail(p, "\\x needs two hexadecimal digits, or some in braces"), false);
}

/* Behind a backslash: a character that stands for itself or is named. */
static bool escaped(Parser *p, uint32_t *out) {
    static const char names[] = "afnrtv", codes[] = "\a\f\n\r\t\v";
    const char *name = p->at < p->end && *p->at ? strchr(names, *p->at) : NULL;
    if (p->at == p->end) return fail(p, "the pattern ends in a backslash"), false;
    if (name) return p->at++, *out = (unsigned char)codes[name - names], true;
    if (accept(p, 'x')) return hex(p, out);
    if (*p->at >= '0' && *p->at <= '7') {
        if (*p->at != '0' && (p->end - p->at < 2 || p->at[1] < '0' || p->at[1] > '7'))
            return fail(p, "references to groups are not supported"), false;
        *out = 0;
        for (int i = 0; i < 3 && p->at < p->end && *p->at >= '0' && *p->at <= '7'; i++)
            *out = *out * 8 + (uint32_t)(*p->at++ - '0');
        return true;
    }
    unsigned char c = (unsigned char)*p->at;
    if (c >= 0x80) return character(p, out);
    bool word = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    if (word || c == '_')
        return fail(p, (c | 32) == 'p' ? "classes of Unicode (\\p) are not supported"
                                       : "an escape that is unknown or not supported"),
               false;
    p->at++;
    *out = c;
    return true;
}

static Regex *of_set(Parser *p, CharSet set, bool folds) {
    Regex *r = make(p, RX_SET, NULL, NULL);
    for (int i = 0; folds && i < set.at.n; i++)
        if (set.at.at[i].hi >= 0x80 && set.at.at[i].hi != LAST_CHAR)
            return fail(p, "(?i) is supported for ASCII letters only");
    if (folds) set_fold(p->arena, &set);
    set_normal(p->arena, &set);
    r->set = set;
    return r;
}

static Regex *of_char(Parser *p, uint32_t c) {
    CharSet set = {0};
    set_add(p->arena, &set, c, c);
    return of_set(p, set, p->fold);
}

static Regex *of_assert(Parser *p, RegexAssert kind) {
    Regex *r = make(p, RX_ASSERT, NULL, NULL);
    r->assert = kind;
    return r;
}

/* ---- [...] ---- */

/* One end of a range. */
static bool class_char(Parser *p, uint32_t *out) {
    if (p->at == p->end) return fail(p, "[ has no ]"), false;
    return accept(p, '\\') ? escaped(p, out) : character(p, out);
}

static bool class_item(Parser *p, CharSet *set) {
    uint32_t lo, hi;
    if (p->end - p->at > 1 && p->at[0] == '[' && p->at[1] == ':') {
        const char *name = p->at + 2, *stop = name;
        while (p->end - stop > 1 && !(stop[0] == ':' && stop[1] == ']')) stop++;
        p->at = stop + 2 <= p->end ? stop + 2 : p->end;
        return set_posix(p->arena, set, name, (int)(stop - name)) ||
               (fail(p, "there is no such class of characters"), false);
    }
    if (p->end - p->at > 1 && p->at[0] == '\\' && set_named(p->arena, set, p->at[1]))
        return p->at += 2, true;
    if (!class_char(p, &lo)) return false;
    hi = lo;
    if (p->end - p->at > 1 && p->at[0] == '-' && p->at[1] != ']') {
        p->at++;
        if (!class_char(p, &hi)) return false;
        if (hi < lo) return fail(p, "a range of characters that ends before it begins"), false;
    }
    set_add(p->arena, set, lo, hi);
    return true;
}

static Regex *char_class(Parser *p) {
    CharSet set = {0};
    bool negated = accept(p, '^'), first = true;
    for (; first || p->at == p->end || *p->at != ']'; first = false)
        if (p->at == p->end) return fail(p, "[ has no ]");
        else if (!class_item(p, &set)) return NULL;
    p->at++;
    Regex *r = of_set(p, set, p->fold);
    if (r && negated) set_negate(p->arena, &r->set);
    return r;
}

/* ---- atoms ---- */

static Regex *alternatives(Parser *p);

/* Behind "(?": flags up to ) or :, or the name of a group. *alone: they hold from here on. */
static bool group_head(Parser *p, bool *alone) {
    bool on = true;
    *alone = false;
    if (accept(p, 'P') || (p->at < p->end && *p->at == '<')) {
        while (p->at < p->end && *p->at != '>') p->at++;
        return accept(p, '>') || (fail(p, "the name of a group has no end"), false);
    }
    for (; p->at < p->end; p->at++) {
        if (*p->at == 'i') p->fold = on;
        else if (*p->at == 's') p->dot_all = on;
        else if (*p->at == 'm') p->lines = on;
        else if (*p->at == '-') on = false;
        else if (*p->at != 'U') break;
    }
    *alone = accept(p, ')');
    return *alone || accept(p, ':') ||
           (fail(p, "(? is not followed by a group that is supported"), false);
}

static Regex *group(Parser *p) {
    Parser before = *p;
    bool alone;
    if (++p->depth > MAX_NESTING) return fail(p, "groups are nested too deep");
    if (accept(p, '?')) {
        if (!group_head(p, &alone)) return NULL;
        if (alone) return p->depth--, make(p, RX_EMPTY, NULL, NULL);
    }
    Regex *r = alternatives(p);
    if (!r) return NULL;
    p->depth--;
    p->fold = before.fold, p->dot_all = before.dot_all, p->lines = before.lines;
    return accept(p, ')') ? r : fail(p, "( has no )");
}

static Regex *escape(Parser *p) {
    CharSet set = {0};
    uint32_t c;
    if (p->at < p->end && set_named(p->arena, &set, *p->at)) return p->at++, of_set(p, set, false);
    if (accept(p, 'b')) return of_assert(p, AS_WORD);
    if (accept(p, 'B')) return of_assert(p, AS_NO_WORD);
    if (accept(p, 'A')) return of_assert(p, AS_BEGIN);
    if (accept(p, 'z')) return of_assert(p, AS_END);
    if (accept(p, 'Q')) return p->literal = true, make(p, RX_EMPTY, NULL, NULL);
    return escaped(p, &c) ? of_char(p, c) : NULL;
}

static Regex *any_char(Parser *p) {
    CharSet set = {0};
    if (!p->dot_all) set_add(p->arena, &set, '\n', '\n');
    set_negate(p->arena, &set);
    return of_set(p, set, false);
}

static Regex *atom(Parser *p) {
    uint32_t c;
    if (p->literal) return character(p, &c) ? of_char(p, c) : NULL;
    switch (*p->at) {
    case '(':
        return p->at++, group(p);
    case '[':
        return p->at++, char_class(p);
    case '\\':
        return p->at++, escape(p);
    case '.':
        return p->at++, any_char(p);
    case '^':
        return p->at++, of_assert(p, p->lines ? AS_LINE_BEGIN : AS_BEGIN);
    case '$':
        return p->at++, of_assert(p, p->lines ? AS_LINE_END : AS_END);
    case '*':
    case '+':
    case '?':
        return fail(p, "there is nothing to repeat");
    default:
        return character(p, &c) ? of_char(p, c) : NULL;
    }
}

/* ---- repetition ---- */

static bool number(const char **at, const char *end, int *out) {
    const char *from = *at;
    for (*out = 0; *at < end && **at >= '0' && **at <= '9' && *out <= MAX_REPEAT; (*at)++)
        *out = *out * 10 + **at - '0';
    return *at > from;
}

/* {n} {n,} {n,m}; anything else stands for itself. */
static bool braces(Parser *p, int *min, int *max) {
    const char *at = p->at + 1;
    if (p->at == p->end || *p->at != '{' || !number(&at, p->end, min)) return false;
    *max = *min;
    if (at < p->end && *at == ',') {
        at++;
        if (!number(&at, p->end, max)) *max = -1;
    }
    if (at == p->end || *at != '}') return false;
    p->at = at + 1;
    return true;
}

static bool quantifier(Parser *p, int *min, int *max) {
    *min = 0;
    *max = -1;
    if (accept(p, '*')) return true;
    if (accept(p, '+')) return *min = 1, true;
    if (accept(p, '?')) return *max = 1, true;
    return braces(p, min, max);
}

static Regex *repeated(Parser *p) {
    Regex *r = atom(p);
    int min, max;
    bool twice = false;
    while (r && !p->literal && quantifier(p, &min, &max)) {
        if (twice) return fail(p, "a repetition of a repetition needs a group");
        if (min > MAX_REPEAT || max > MAX_REPEAT || (max >= 0 && max < min))
            return fail(p, "a repetition of more than 1000, or of less than none");
        accept(p, '?'); /* lazy: the same texts match as a whole */
        r = make(p, RX_REPEAT, r, NULL);
        r->min = min, r->max = max;
        twice = true;
    }
    return r;
}

static Regex *sequence(Parser *p) {
    Regex *all = make(p, RX_EMPTY, NULL, NULL);
    while (p->at < p->end && (p->literal || (*p->at != '|' && *p->at != ')'))) {
        if (p->literal && p->end - p->at > 1 && p->at[0] == '\\' && p->at[1] == 'E') {
            p->at += 2;
            p->literal = false;
            continue;
        }
        Regex *r = repeated(p);
        if (!r) return NULL;
        all = all->kind == RX_EMPTY ? r : make(p, RX_CAT, all, r);
    }
    return all;
}

static Regex *alternatives(Parser *p) {
    Regex *r = sequence(p);
    while (r && accept(p, '|')) {
        Regex *other = sequence(p);
        r = other ? make(p, RX_ALT, r, other) : NULL;
    }
    return r;
}

Regex *regex_parse(Arena *arena, const char *pattern, size_t size, const char **error) {
    Parser p = {.arena = arena, .at = pattern, .end = pattern + size};
    Regex *r = alternatives(&p);
    if (r && p.at < p.end) r = fail(&p, ") has no (");
    *error = p.error;
    return r;
}
