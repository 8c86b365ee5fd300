/* Runs the tests that a file of textual IR carries: check OPT FILE [--update].
 *
 * A file holds any number of tests. Each begins with a line `# test VERB` and goes on to the next:
 *
 *   # test opt(algebra, dce -O1)   OPT runs these passes, with these options; the directives are
 *                                  matched against what it prints
 *   # test roundtrip               what OPT prints is the text itself, comments and blanks aside
 *   # test verify                  OPT must report every `# error:`
 *
 *   # check: TEXT                  some line behind the last match holds TEXT
 *   # next: TEXT                   the very next line does
 *   # not: TEXT                    no line between the neighbouring matches (or ends) does
 *   ... # error: TEXT              a message with this text points to this line (on a line of its
 *                                  own: to any)
 *
 * TEXT is literal, but blanks match any number of blanks, {{REGEX}} matches an extended regular
 * expression, [[x:REGEX]] gives what it matches a name, and [[x]] stands for it. What a test's
 * passes print is read once more and must print the same. --update replaces the check and next
 * lines of `opt` tests by what OPT prints. */
#define _POSIX_C_SOURCE 200809L
#include <regex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LINES = 20000, MAX_NAMES = 32, MAX_TEXT = 1 << 16 };

typedef struct Lines {
    char *at[MAX_LINES];
    int n;
} Lines;

typedef struct Test {
    char verb[32], passes[256], options[256];
    int from, to; /* lines of the file, from the `# test` line on */
} Test;

static const char *opt_program, *file_name;
static Lines file;
static char capture_name[MAX_NAMES][32], *capture_text[MAX_NAMES];
static int n_captures, failures;
static char **kept; /* every string here: those of the file, then those of the test at hand */
static size_t n_kept;

static char *keep(char *s) {
    kept = realloc(kept, (n_kept + 1) * sizeof *kept);
    return kept[n_kept++] = s;
}

static void release(size_t mark) {
    while (n_kept > mark) free(kept[--n_kept]);
}

static void fail(int line, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "%s:%d: ", file_name, line + 1);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    failures++;
}

static void read_lines(FILE *f, Lines *out) {
    static char buffer[MAX_TEXT];
    out->n = 0;
    while (out->n < MAX_LINES && fgets(buffer, sizeof buffer, f)) {
        buffer[strcspn(buffer, "\n")] = 0;
        out->at[out->n++] = keep(strdup(buffer));
    }
}

/* ---- running ---- */

/* Writes some lines with as many empty ones in front as they have in the file, so that messages
 * point to the file's. */
static void write_temp(const char *path, char *const *line, int from, int to) {
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        exit(1);
    }
    for (int i = 0; i < from; i++) fputc('\n', f);
    for (int i = from; i < to; i++) fprintf(f, "%s\n", line[i]);
    fclose(f);
}

static int run_opt(const char *input, const char *passes, const char *options, Lines *out) {
    char command[4096];
    snprintf(command, sizeof command, "'%s' '%s' --passes='%s' %s 2>&1", opt_program, input, passes,
             options);
    FILE *p = popen(command, "r");
    if (!p) {
        perror(command);
        exit(1);
    }
    read_lines(p, out);
    return pclose(p);
}

static void show(const Lines *out) {
    fprintf(stderr, "---- output:\n");
    for (int i = 0; i < out->n && i < 200; i++) fprintf(stderr, "%s\n", out->at[i]);
    fprintf(stderr, "----\n");
}

/* ---- patterns ---- */

typedef struct Pattern {
    char regex[8192];
    int named[MAX_NAMES], n_named; /* captures that its groups fill, and those groups */
    int group[MAX_NAMES], groups;
} Pattern;

static void put(Pattern *p, const char *s, size_t n) {
    size_t at = strlen(p->regex);
    if (at + n + 8 >= sizeof p->regex) exit(2);
    memcpy(p->regex + at, s, n);
    p->regex[at + n] = 0;
}

static void put_literal(Pattern *p, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char escaped[] = {'[', s[i], ']', 0};
        if (s[i] == ' ' && i && s[i - 1] == ' ') continue;
        if (s[i] == ' ') put(p, "[ ]+", 4);
        else if (s[i] == '^') put(p, "\\^", 2);
        else put(p, escaped, 3);
    }
}

static int name_index(const char *name, size_t n) {
    for (int i = 0; i < n_captures; i++)
        if (strlen(capture_name[i]) == n && !memcmp(capture_name[i], name, n)) return i;
    if (n_captures == MAX_NAMES || n >= sizeof capture_name[0]) exit(2);
    memcpy(capture_name[n_captures], name, n);
    return n_captures++;
}

static int count_groups(const char *s, size_t n) {
    int groups = 0;
    for (size_t i = 0; i < n; i++) groups += s[i] == '(' && (!i || s[i - 1] != '\\');
    return groups;
}

static void put_regex(Pattern *p, const char *s, size_t n) {
    put(p, "(", 1);
    put(p, s, n);
    put(p, ")", 1);
    p->groups += 1 + count_groups(s, n);
}

/* [[x:REGEX]] or [[x]] */
static void put_capture(Pattern *p, const char *s, size_t n) {
    const char *colon = memchr(s, ':', n);
    int index = name_index(s, colon ? (size_t)(colon - s) : n);
    if (!colon) {
        const char *known = capture_text[index] ? capture_text[index] : "";
        put_literal(p, known, strlen(known));
        return;
    }
    p->named[p->n_named] = index;
    p->group[p->n_named++] = p->groups + 1;
    put_regex(p, colon + 1, n - (size_t)(colon + 1 - s));
}

static void compile(const char *text, Pattern *p) {
    memset(p, 0, sizeof *p);
    while (*text) {
        const char *brace = strstr(text, "{{"), *square = strstr(text, "[[");
        const char *next = !brace ? square : !square ? brace : brace < square ? brace : square;
        const char *end = next ? strstr(next + 2, next == brace ? "}}" : "]]") : NULL;
        if (!end) {
            put_literal(p, text, strlen(text));
            return;
        }
        while (next != brace && end[2] == ']') end++; /* a character class at the end */
        put_literal(p, text, (size_t)(next - text));
        if (next == brace) put_regex(p, next + 2, (size_t)(end - next - 2));
        else put_capture(p, next + 2, (size_t)(end - next - 2));
        text = end + 2;
    }
}

static bool matches(const char *line, const char *text) {
    Pattern p;
    regex_t r;
    regmatch_t m[MAX_NAMES];
    compile(text, &p);
    if (regcomp(&r, p.regex, REG_EXTENDED)) {
        fprintf(stderr, "bad pattern: %s\n", text);
        exit(2);
    }
    bool hit = !regexec(&r, line, MAX_NAMES, m, 0);
    for (int i = 0; hit && i < p.n_named; i++) {
        const regmatch_t *g = &m[p.group[i]];
        size_t n = (size_t)(g->rm_eo - g->rm_so);
        capture_text[p.named[i]] = keep(strndup(line + g->rm_so, n));
    }
    regfree(&r);
    return hit;
}

/* ---- directives ---- */

/* The text behind `# word: `, without blanks at its end; NULL: the line has none. */
static char *directive(const char *line, const char *word) {
    char head[32];
    snprintf(head, sizeof head, "# %s:", word);
    const char *at = strstr(line, head);
    if (!at) return NULL;
    at += strlen(head);
    at += strspn(at, " ");
    char *text = keep(strdup(at));
    for (size_t n = strlen(text); n && text[n - 1] == ' ';) text[--n] = 0;
    return text;
}

typedef struct Not {
    char *text;
    int line;
} Not;

static void none_between(const Lines *out, int from, int to, const Not *nots, int n) {
    for (int k = 0; k < n; k++)
        for (int i = from; i < to; i++)
            if (matches(out->at[i], nots[k].text))
                fail(nots[k].line, "found, but must not be there: %s", out->at[i]);
}

static void match_output(const Test *t, const Lines *out) {
    Not nots[64];
    int at = 0, n_nots = 0;
    for (int i = t->from; i < t->to; i++) {
        char *check = directive(file.at[i], "check"), *next = directive(file.at[i], "next");
        char *no = directive(file.at[i], "not"), *want = check ? check : next;
        if (no && n_nots < 64) nots[n_nots++] = (Not){no, i};
        if (!want) continue;
        int hit = at;
        while (check && hit < out->n && !matches(out->at[hit], want)) hit++;
        bool found = hit < out->n && (check || matches(out->at[hit], want));
        if (!found) {
            fail(i, "not found%s: %s", next ? " on the next line" : "", want);
            if (next && at < out->n) fprintf(stderr, "  the next line is: %s\n", out->at[at]);
            show(out);
            return;
        }
        none_between(out, at, hit, nots, n_nots);
        n_nots = 0;
        at = hit + 1;
    }
    none_between(out, at, out->n, nots, n_nots);
}

static bool is_text(const char *line) {
    line += strspn(line, " ");
    return *line && *line != '#';
}

static void match_errors(const Test *t, const Lines *out) {
    for (int i = t->from; i < t->to; i++) {
        char *want = directive(file.at[i], "error"), place[32];
        bool found = !want;
        snprintf(place, sizeof place, ":%d:", i + 1);
        for (int k = 0; k < out->n && !found; k++) {
            const char *message = strstr(out->at[k], "error: ");
            bool located = !is_text(file.at[i]) || strstr(out->at[k], place) ||
                           strstr(out->at[k], "# error: ");
            found = message && located && matches(message + 7, want);
        }
        if (found) continue;
        fail(i, "no such error: %s", want);
        show(out);
    }
}

/* ---- verbs ---- */

static void strip_comment(char *line) {
    char *hash = strstr(line, " # ");
    if (hash) *hash = 0;
    for (size_t n = strlen(line); n && line[n - 1] == ' ';) line[--n] = 0;
}

static void same_text(const Test *t, const Lines *out) {
    int k = 0;
    for (int i = t->from; i < t->to; i++) {
        if (!is_text(file.at[i])) continue;
        char *line = keep(strdup(file.at[i]));
        strip_comment(line);
        if (k < out->n && !strcmp(line, out->at[k++])) continue;
        fail(i, "is printed as: %s", k ? out->at[k - 1] : "");
        return;
    }
    if (k != out->n) fail(t->to - 1, "more is printed: %s", out->at[k]);
}

/* What was printed must be read and printed as the same text. */
static void reprint(const Test *t, const Lines *out) {
    char path[] = "check-again-XXXXXX";
    static Lines again;
    close(mkstemp(path));
    write_temp(path, out->at, 0, out->n);
    int code = run_opt(path, "", "", &again);
    unlink(path);
    for (int i = 0; i < out->n || i < again.n; i++) {
        if (i < out->n && i < again.n && !strcmp(out->at[i], again.at[i])) continue;
        fail(t->from, "what it prints is read or printed in another way: %s",
             i < again.n ? again.at[i] : "");
        return;
    }
    if (code) fail(t->from, "what it prints cannot be read");
}

static void run_test(const Test *t, Lines *out) {
    char path[] = "check-XXXXXX";
    n_captures = 0;
    memset(capture_name, 0, sizeof capture_name);
    memset(capture_text, 0, sizeof capture_text);
    close(mkstemp(path));
    write_temp(path, file.at, t->from, t->to);
    int code = run_opt(path, t->passes, t->options, out);
    unlink(path);
    bool expects_error = !strcmp(t->verb, "verify");
    for (int i = t->from; i < t->to; i++) expects_error |= strstr(file.at[i], "# error:") != NULL;
    match_errors(t, out);
    if (expects_error) {
        if (!code) fail(t->from, "an error is expected, but all is well");
        return;
    }
    if (code) {
        fail(t->from, "%s failed", opt_program);
        show(out);
        return;
    }
    if (!strcmp(t->verb, "roundtrip")) same_text(t, out);
    match_output(t, out);
    reprint(t, out);
}

static void append(char *to, size_t size, const char *s, size_t n) {
    size_t at = strlen(to);
    snprintf(to + at, size - at, "%.*s", (int)n, s);
}

/* `# test verb(a, b -option)`; false: another line */
static bool parse_test(const char *line, Test *t) {
    if (strncmp(line, "# test ", 7)) return false;
    line += 7;
    size_t n = strcspn(line, "( ");
    memset(t, 0, sizeof *t);
    snprintf(t->verb, sizeof t->verb, "%.*s", (int)n, line);
    line += n;
    if (*line != '(') return true;
    for (line++; line += strspn(line, ", "), *line && *line != ')'; line += n) {
        bool option = *line == '-';
        n = strcspn(line, option ? " )" : ", )");
        char *to = option ? t->options : t->passes;
        if (*to) append(to, sizeof t->passes, option ? " " : ",", 1);
        append(to, sizeof t->passes, line, n);
    }
    return true;
}

static int next_test(int from, Test *t) {
    while (from < file.n && !parse_test(file.at[from], t)) from++;
    t->from = from;
    Test other;
    for (t->to = from + 1; t->to < file.n && !parse_test(file.at[t->to], &other);) t->to++;
    return from < file.n;
}

/* ---- --update ---- */

static void print_updated(FILE *f, const Test *t, const Lines *out) {
    bool replaces = !strcmp(t->verb, "opt"), done = false;
    for (int i = t->from; i < t->to; i++) {
        char *at = directive(file.at[i], "check");
        bool expectation = replaces && (at || directive(file.at[i], "next"));
        if (!expectation) {
            fprintf(f, "%s\n", file.at[i]);
            continue;
        }
        for (int k = 0; !done && k < out->n; k++)
            fprintf(f, "# %s: %s\n", k ? "next" : "check", out->at[k]);
        done = true;
    }
}

int main(int argc, char **argv) {
    static Lines out;
    Test t;
    bool update = argc == 4 && !strcmp(argv[3], "--update");
    if (argc != 3 && !update) return fputs("usage: check OPT FILE [--update]\n", stderr), 2;
    opt_program = argv[1];
    file_name = argv[2];
    FILE *f = fopen(file_name, "r");
    if (!f) return perror(file_name), 1;
    read_lines(f, &file);
    fclose(f);
    FILE *to = update ? fopen(file_name, "w") : NULL;
    int tests = 0, at = 0;
    size_t mark = n_kept;
    for (; next_test(at, &t); at = t.to, tests++) {
        for (int i = at; to && i < t.from; i++) fprintf(to, "%s\n", file.at[i]);
        run_test(&t, &out);
        if (to) print_updated(to, &t, &out);
        release(mark);
    }
    release(0);
    free(kept);
    if (to) return fclose(to);
    printf("%d tests, %d failures\n", tests, failures);
    return failures || !tests;
}
