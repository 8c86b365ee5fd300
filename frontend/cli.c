/* Parsing of the command line (cli.h). Nothing here prints but diagnostics. */
#include "frontend/cli.h"

#include <errno.h>
#include <stdlib.h>

#ifndef ONNXCC_VERSION
#define ONNXCC_VERSION "0"
#endif

typedef enum Form { ALONE, VALUE, NEXT, JOINED } Form;
typedef bool Parser(Cli *, const char *option, void *field, const char *value);
typedef struct Option {
    const char *spelling;
    Form form;
    Parser *parser;
    size_t field;
    const char *argument;
    bool shown;
    const char *help;
} Option;

/* ---- parsers ---- */

static bool wrong(Cli *cli, const char *option, const char *value, const char *expected) {
    return diag_error(cli->ctx, NULL, "option %s: \"%s\" is not %s", option,
                      diag_name(cli->ctx, value), expected);
}

static bool parse_flag(Cli *cli, const char *option, void *field, const char *value) {
    (void)cli, (void)option, (void)value;
    return *(bool *)field = true;
}

static bool parse_string(Cli *cli, const char *option, void *field, const char *value) {
    if (!*value) return diag_error(cli->ctx, NULL, "option %s needs a value", option);
    *(const char **)field = value;
    return true;
}

/* A list separated by commas; repeated options add to it. */
static bool parse_words(Cli *cli, const char *option, void *field, const char *value) {
    Words *w = field;
    while (*value) {
        size_t n = strcspn(value, ",");
        if (n) vec_push(cli->ctx->perm, &w->list, arena_strn(cli->ctx->perm, value, n));
        value += n + (value[n] == ',');
    }
    return w->list.n > 0 || diag_error(cli->ctx, NULL, "option %s needs a value", option);
}

typedef struct Choice {
    const char *word;
    int value;
} Choice;

static bool choose(Cli *cli, const char *option, const Choice *choices, int n, const char *value,
                   int *out) {
    Str all = str_new(cli->ctx->perm);
    for (int i = 0; i < n; i++) {
        if (!strcmp(choices[i].word, value)) return *out = choices[i].value, true;
        str_fmt(&all, "%s%s", i ? ", " : "one of ", choices[i].word);
    }
    return wrong(cli, option, value, str_c(&all));
}

static bool parse_emit(Cli *cli, const char *option, void *field, const char *value) {
    static const Choice kinds[] = {{"exe", EMIT_EXE},
                                   {"obj", EMIT_OBJ},
                                   {"staticlib", EMIT_STATICLIB},
                                   {"sharedlib", EMIT_SHAREDLIB},
                                   {"graph", EMIT_GRAPH},
                                   {"kernels", EMIT_KERNELS},
                                   {"plan", EMIT_PLAN},
                                   {"loops", EMIT_LOOPS},
                                   {"llvm", EMIT_LLVM},
                                   {"asm", EMIT_ASM},
                                   {"c", EMIT_C},
                                   {"cuda", EMIT_CUDA},
                                   {"ptx", EMIT_PTX},
                                   {"cubin", EMIT_CUBIN}};
    return choose(cli, option, kinds, LEN(kinds), value, field);
}

static bool parse_object(Cli *cli, const char *option, void *field, const char *value) {
    (void)cli, (void)option, (void)value;
    return *(int *)field = EMIT_OBJ, true;
}

static bool parse_level(Cli *cli, const char *option, void *field, const char *value) {
    (void)cli, (void)value;
    return *(int *)field = option[2] - '0', true;
}

static bool parse_device(Cli *cli, const char *option, void *field, const char *value) {
    static const Choice devices[] = {
        {"cpu", ON_CPU}, {"cuda", ON_CUDA}, {"cuda-emu", ON_CUDA_EMU}};
    return choose(cli, option, devices, LEN(devices), value, field);
}

static bool parse_fp(Cli *cli, const char *option, void *field, const char *value) {
    static const Choice modes[] = {
        {"strict", FP_STRICT}, {"default", FP_DEFAULT}, {"fast", FP_FAST}};
    return choose(cli, option, modes, LEN(modes), value, field);
}

static bool parse_precision(Cli *cli, const char *option, void *field, const char *value) {
    static const Choice types[] = {{"f32", DT_F32}, {"f16", DT_F16}, {"bf16", DT_BF16}};
    return choose(cli, option, types, LEN(types), value, field);
}

static bool parse_weights(Cli *cli, const char *option, void *field, const char *value) {
    static const Choice places[] = {{"embed", 0}, {"file", 1}, {"extern", 2}};
    int which;
    if (!choose(cli, option, places, LEN(places), value, &which)) return false;
    *(const char **)field = places[which].word;
    return true;
}

static bool parse_number(const char *s, size_t n, int64_t *out) {
    char *end;
    errno = 0;
    *out = strtoll(s, &end, 10);
    return n && s[0] >= '0' && s[0] <= '9' && end == s + n && !errno;
}

static bool parse_count(Cli *cli, const char *option, void *field, const char *value) {
    int64_t n;
    if (!parse_number(value, strlen(value), &n) || n < 1 || n > 1024)
        return wrong(cli, option, value, "a number from 1 to 1024");
    *(int *)field = (int)n;
    return true;
}

/* NAME=N, NAME=LO..HI, NAME=..HI, NAME=LO.. */
static bool parse_dim(Cli *cli, const char *option, void *field, const char *value) {
    Dims *dims = field;
    const char *equals = strrchr(value, '='), *from = equals ? equals + 1 : value,
               *dots = strstr(from, "..");
    DimOption d = {.lo = 0, .hi = INT64_MAX};
    bool ok = equals && equals > value && *from;
    if (ok && dots) {
        ok = (dots == from || parse_number(from, (size_t)(dots - from), &d.lo)) &&
             (!dots[2] || parse_number(dots + 2, strlen(dots + 2), &d.hi));
    } else if (ok) {
        ok = parse_number(from, strlen(from), &d.lo);
        d.hi = d.lo;
    }
    if (!ok || d.lo > d.hi) return wrong(cli, option, value, "NAME=N or NAME=LO..HI");
    d.name = arena_strn(cli->ctx->perm, value, (size_t)(equals - value));
    vec_push(cli->ctx->perm, &dims->list, d);
    return true;
}

/* ---- the table ---- */

static const Option options[] = {
#define O(spelling, form, parser, field, argument, shown, help)                                    \
    {spelling, form, parse_##parser, offsetof(Cli, field), argument, shown, help},
#include "frontend/options.def"
#undef O
};

/* Does the word spell this option? Then *value is what follows in the same word, NULL where nothing
 * does. */
static bool spells(const Option *o, const char *word, const char **value) {
    size_t n = strlen(o->spelling);
    *value = NULL;
    if (strncmp(word, o->spelling, n)) return false;
    if (!word[n]) return true;
    if (o->form == VALUE && word[n] == '=') return *value = word + n + 1, true;
    if (o->form == NEXT || o->form == JOINED) return *value = word + n, true;
    return false;
}

static bool take_option(Cli *cli, const char *word, const char *next, bool *took_next) {
    for (int i = 0; i < LEN(options); i++) {
        const Option *o = &options[i];
        const char *value;
        if (!spells(o, word, &value)) continue;
        bool needs = o->form != ALONE && !value;
        if (needs && !next)
            return diag_error(cli->ctx, NULL, "option %s needs a value", o->spelling);
        *took_next = needs;
        return o->parser(cli, o->spelling, (char *)cli + o->field, needs ? next : value);
    }
    return diag_error(cli->ctx, NULL, "unknown option %s; --help lists them",
                      diag_name(cli->ctx, word));
}

bool cli_parse(Cli *cli, int argc, char **argv) {
    bool ok = true, only_files = false;
    cli->level = 2;
    cli->fp = FP_DEFAULT;
    cli->weights = "embed";
    for (int i = 1; i < argc; i++) {
        bool took_next = false, option = argv[i][0] == '-' && argv[i][1] && !only_files;
        if (!option) vec_push(cli->ctx->perm, &cli->models.list, argv[i]);
        else if (!strcmp(argv[i], "--")) only_files = true;
        else if (!take_option(cli, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &took_next))
            ok = false;
        i += took_next;
    }
    return ok;
}

const char *cli_version(void) {
    return ONNXCC_VERSION;
}

void cli_help(FILE *out, bool all) {
    fputs("onnxcc MODEL.onnx [-o OUT] [options]: compiles ONNX models ahead of time\n", out);
    for (int i = 0; i < LEN(options); i++) {
        const Option *o = &options[i];
        char left[64];
        const char *between = !o->argument ? "" : o->form == VALUE ? "=" : " ";
        if (!o->shown && !all) continue;
        snprintf(left, sizeof left, "%s%s%s", o->spelling, between, o->argument ? o->argument : "");
        fprintf(out, "  %-22s %s\n", left, o->help);
    }
}
