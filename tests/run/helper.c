/* What shell scripts cannot do: looking into JSON; asking what this CPU has. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *at; /* the text still to be read */
static bool printed;

static void space(void) {
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') at++;
}

static bool take(const char *text) {
    size_t n = strlen(text);
    if (strncmp(at, text, n)) return false;
    at += n;
    return true;
}

static bool string(void) {
    if (!take("\"")) return false;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20) return false;
        if (*at == '\\' && !strchr("\"\\/bfnrtu", *++at)) return false;
    }
    return take("\"");
}

static bool number(void) {
    char *end;
    if (*at != '-' && !isdigit((unsigned char)*at)) return false; /* no inf, no nan */
    strtod(at, &end);
    bool any = end > at;
    at = end;
    return any;
}

static bool value(const char *wanted);

/* Behind "{" or "["; prints the member that is wanted. */
static bool members(bool object, const char *wanted) {
    const char *close = object ? "}" : "]";
    space();
    if (take(close)) return true;
    do {
        space();
        const char *name = at + 1;
        bool found = false;
        if (object) {
            if (!string()) return false;
            found = wanted && strlen(wanted) == (size_t)(at - 1 - name) &&
                    !strncmp(name, wanted, strlen(wanted));
            space();
            if (!take(":")) return false;
            space();
        }
        const char *from = at;
        if (!value(NULL)) return false;
        if (found) printed = printf("%.*s\n", (int)(at - from), from) > 0;
        space();
    } while (take(","));
    return take(close);
}

static bool value(const char *wanted) {
    if (take("{")) return members(true, wanted);
    if (take("[")) return members(false, NULL);
    return *at == '"' ? string() : take("true") || take("false") || take("null") || number();
}

/* json FILE MEMBER: the member's text; fails unless the file is one object and nothing else. */
static int json(const char *path, const char *wanted) {
    static char text[1 << 20];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = 0;
    at = text;
    space();
    bool ok = *at == '{' && value(wanted);
    space();
    return !ok || !printed || *at || (size_t)(at - text) != n;
}

/* cpu FEATURE: exit code 0 where /proc/cpuinfo has it. */
static int cpu(const char *feature) {
    char line[8192];
    FILE *f = fopen("/proc/cpuinfo", "r");
    bool found = false;
    size_t n = strlen(feature);
    while (f && !found && fgets(line, sizeof line, f))
        for (char *p = line; !found && (p = strstr(p, feature)); p += n)
            found = p > line && p[-1] == ' ' && isspace((unsigned char)p[n]);
    if (f) fclose(f);
    return !found;
}

/* npy DTYPE SHAPE VALUE...: a .npy file on stdout, e.g. npy "<i8" "(2,)" 3 4 */
static int npy(int n, char **arg) {
    char header[128];
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    int k = snprintf(header + 10, 117, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                     arg[0], arg[1]);
    header[10 + k] = ' ';
    header[127] = '\n';
    fwrite(header, 1, sizeof header, stdout);
    for (int i = 2; i < n; i++) {
        double d = atof(arg[i]);
        float f = (float)d;
        long long l = atoll(arg[i]);
        bool is_float = strchr(arg[0], 'f') != NULL;
        size_t bytes = (size_t)atoi(arg[0] + 2);
        fwrite(is_float ? (bytes == 4 ? (void *)&f : (void *)&d) : (void *)&l, bytes, 1, stdout);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && !strcmp(argv[1], "json")) return json(argv[2], argv[3]);
    if (argc == 3 && !strcmp(argv[1], "cpu")) return cpu(argv[2]);
    if (argc >= 4 && !strcmp(argv[1], "npy")) return npy(argc - 2, argv + 2);
    fprintf(stderr, "usage: helper json FILE MEMBER | cpu FEATURE | npy DTYPE SHAPE VALUE...\n");
    return 2;
}
