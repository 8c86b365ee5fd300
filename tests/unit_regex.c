/* Regular expressions: which texts match as a whole, and what is said about patterns that are
 * wrong.
 *
 * Prints each failure; exits with 0 where there is none. */
#include "frontend/regex.h"

static int failures, checks;
static Arena *arena;

static void expect(bool ok, const char *pattern, const char *text) {
    checks++;
    if (ok) return;
    failures++;
    printf("unit_regex.c: failed: %s on \"%s\"\n", pattern, text);
}

static bool matches(const uint16_t *table, const char *text) {
    size_t row = 1 + (size_t)table[0], state = table[1];
    for (; *text; text++) state = table[258 + state * row + 1 + table[2 + (unsigned char)*text]];
    return table[258 + state * row];
}

/* Every text of `yes` matches, none of `no`. */
static void check(const char *pattern, const char *const *yes, const char *const *no) {
    int64_t length;
    const char *error;
    const uint16_t *table = regex_table(arena, pattern, strlen(pattern), &length, &error);
    expect(table != NULL, pattern, error ? error : "");
    for (; table && *yes; yes++) expect(matches(table, *yes), pattern, *yes);
    for (; table && *no; no++) expect(!matches(table, *no), pattern, *no);
}
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NONE ((const char *const[]){NULL})

static void refused(const char *pattern, const char *what) {
    int64_t length;
    const char *error = "";
    bool made = regex_table(arena, pattern, strlen(pattern), &length, &error) != NULL;
    expect(!made && strstr(error, what), pattern, error ? error : "");
}

static void test_syntax(void) {
    check("", LIST(""), LIST("a"));
    check("a|bc|", LIST("a", "bc", ""), LIST("b", "abc"));
    check("a*b+c?", LIST("b", "aabbc", "bc"), LIST("a", "abcc"));
    check("a{2,3}b{2}c{1,}", LIST("aabbc", "aaabbccc"), LIST("abbc", "aabbbc", "aabb"));
    check("(?:a|b)*?abb", LIST("abb", "babb"), LIST("ab", "abba"));
    check("(?P<name>x)(y)", LIST("xy"), LIST("x"));
    check("a{,2}", LIST("a{,2}"), LIST("aa", ""));
    check("\\Qa.b*\\Ec", LIST("a.b*c"), LIST("axbc"));
    check("[]a-]+", LIST("]a-"), LIST("b"));
    check("[^a-c\\d]", LIST("x", "\xc3\xa9"), LIST("b", "7", ""));
    check("[[:alpha:]_][[:^digit:]]", LIST("_x", "Zz"), LIST("1x", "a1"));
    check("\\x41\\x{e9}\\t", LIST("A\xc3\xa9\t"), LIST("A\xe9\t"));
    check("(?i)heLLo(?-i)X", LIST("HELLOX", "hellOX"), LIST("hellox"));
    check("a.b", LIST("axb", "a\xe4\xb8\xad" "b"), LIST("a\nb", "ab"));
    check("(?s)a.b", LIST("a\nb"), NONE);
}

static void test_unicode(void) {
    check("\xe4\xb8\xad+", LIST("\xe4\xb8\xad", "\xe4\xb8\xad\xe4\xb8\xad"), LIST("\xe4\xb8"));
    check("[\xce\xb1-\xcf\x89]+", LIST("\xce\xbb\xcf\x84", "\xce\xb1"), LIST("a", "\xce\x91"));
    check("[^x]", LIST("\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"),
          LIST("x", "\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80"));
    check("\\W", LIST("\xc3\xa9", " "), LIST("a", "_"));
}

static void test_assertions(void) {
    check("^a$", LIST("a"), LIST("", "aa"));
    check("a^b", NONE, LIST("ab", "b"));
    check("(?m)a$\\n^b", LIST("a\nb"), LIST("ab"));
    check("\\bab\\b", LIST("ab"), LIST("abc"));
    check("a\\b.\\bb", LIST("a b", "a-b"), LIST("axb"));
    check("a\\Bb", LIST("ab"), LIST("a b"));
    check("\\Aa\\z", LIST("a"), LIST("a\n"));
    check("(\\W|^)[\\w.\\-]{0,25}@(yahoo|gmail)\\.com(\\W|$)",
          LIST("account@gmail.com", " x.y-z@yahoo.com!"), LIST("a@hotmail.com", "not email"));
}

static void test_refusals(void) {
    refused("(a", "( has no )");
    refused("a)", ") has no (");
    refused("[a", "[ has no ]");
    refused("*a", "nothing to repeat");
    refused("a**", "needs a group");
    refused("a{3,2}", "repetition");
    refused("a{1001}", "1000");
    refused("[b-a]", "ends before it begins");
    refused("[[:nothing:]]", "no such class");
    refused("\\p{L}", "\\p");
    refused("(a)\\1", "references");
    refused("\\", "ends in a backslash");
    refused("\xff", "not UTF-8");
    refused("(?i)\xc3\xa9", "ASCII letters only");
    refused("((a{1,100}){1,100}){1,100}", "too many states");
    refused("(a|b)*a(a|b){20}", "too many states");
}

int main(void) {
    arena = arena_new();
    test_syntax();
    test_unicode();
    test_assertions();
    test_refusals();
    arena_free(arena);
    printf("%d checks, %d failures\n", checks, failures);
    return failures != 0;
}
