/* Unit tests of the ground in ir/: arena, vec, str, map, diag, dtype, lex.
 *
 * Prints each failure with its line; exits with 0 where there is none. */
#include "ir/base.h"
#include "ir/dtype.h"
#include "ir/lex.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

static int failures, checks;

static void expect(bool ok, int line, const char *what) {
    checks++;
    if (ok) return;
    failures++;
    printf("unit.c:%d: failed: %s\n", line, what);
}

static void expect_text(const char *got, const char *want, int line) {
    checks++;
    if (!strcmp(got, want)) return;
    failures++;
    printf("unit.c:%d: got  [%s]\n%*s want [%s]\n", line, got, 10, "", want);
}

#define EXPECT(cond) expect(cond, __LINE__, #cond)
#define EXPECT_TEXT(got, want) expect_text(got, want, __LINE__)

/* ---- memory ---- */

static void test_arena(void) {
    Arena *a = arena_new();
    char *last = NULL;
    for (size_t n = 0; n < 70000; n = n * 3 / 2 + 1) {
        char *p = arena_alloc(a, n);
        EXPECT(p && p != last && (uintptr_t)p % 16 == 0);
        for (size_t i = 0; i < n; i++)
            if (p[i]) EXPECT(!"zeroed");
        memset(p, 0xff, n);
        last = p;
    }
    EXPECT(arena_used(a) >= 70000);
    EXPECT_TEXT(arena_strn(a, "hello", 4), "hell");
    EXPECT_TEXT(arena_printf(a, "%d-%s", 7, "x"), "7-x");
    char *big = arena_alloc(a, 20 << 20); /* a chunk of its own */
    big[(20 << 20) - 1] = 1;
    EXPECT_TEXT(arena_copy(a, "abc", 4), "abc");
    arena_free(a);
}

static void test_vec(void) {
    Arena *a = arena_new();
    VEC(int) v = {0};
    VEC(const char *) w = {0};
    for (int i = 0; i < 1000; i++) {
        vec_push(a, &v, i * i);
        vec_push(a, &w, "w");
    }
    EXPECT(v.n == 1000 && v.at[999] == 999 * 999 && v.at[0] == 0 && v.at[31] == 961);
    EXPECT(w.n == 1000 && !strcmp(w.at[500], "w"));
    arena_free(a);
}

static void test_map(void) {
    Arena *a = arena_new();
    Map *m = map_new(a);
    EXPECT(!map_get(m, "x") && !map_get_int(m, 0));
    char key[16];
    static int value[5000];
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        map_set(m, key, &value[i]);
        map_set_int(m, (uint64_t)i, &value[4999 - i]);
    }
    bool all = true;
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        all &= map_get(m, key) == &value[i] && map_get_int(m, (uint64_t)i) == &value[4999 - i];
    }
    EXPECT(all);
    EXPECT(!map_get(m, "k5000") && !map_get_int(m, 5000));
    map_set(m, "k1", NULL);
    EXPECT(!map_get(m, "k1"));
    map_set(m, "", &value[3]);
    EXPECT(map_get(m, "") == &value[3]);
    arena_free(a);
}

/* The hash names kernels and constants in files: it must never change. */
static void test_hash(void) {
    EXPECT(hash_bytes("", 0, 0) == 0x15a37c8e4fd0588au);
    EXPECT(hash_bytes("onnxcc", 6, 0) == 0x5b1eb043d1c3ba85u);
    EXPECT(hash_bytes("0123456789abcdef!", 17, 42) == 0xab5031ba3a5b1209u);
    EXPECT(hash_bytes("a", 1, 0) != hash_bytes("a\0", 2, 0));
    EXPECT(hash_mix(1, 2) != hash_mix(2, 1));
}

/* ---- text ---- */

static void test_str(void) {
    Arena *a = arena_new();
    Str s = str_new(a);
    EXPECT_TEXT(str_c(&s), "");
    for (int i = 0; i < 100; i++) str_fmt(&s, "%d,", i);
    EXPECT(s.n == 290 && strlen(str_c(&s)) == 290);
    s = str_new(a);
    str_quote(&s, "a\"b\\c\n\t\x01\x7f\xc3\xa9\xff\xe2\x80\xae z");
    EXPECT_TEXT(str_c(&s), "\"a\\\"b\\\\c\\n\\t\\x01\\x7f\xc3\xa9\\xff\\xe2\\x80\\xae z\"");
    s = str_new(a);
    str_escape(&s, "abcdef", 6, 3);
    EXPECT_TEXT(str_c(&s), "abc...");
    arena_free(a);
}

static void test_float(void) {
    static const struct {
        double v;
        bool f32;
        const char *text;
    } rows[] = {
        {0.0, true, "0.0"},
        {-0.0, true, "-0.0"},
        {1, true, "1.0"},
        {100, false, "100.0"},
        {0.1, false, "0.1"},
        {0.1f, true, "0.1"},
        {1e-5, true, "1e-05"},
        {1e22, false, "1e+22"},
        {1.0 / 3, false, "0.3333333333333333"},
        {1.f / 3, true, "0.33333334"},
        {INFINITY, true, "inf"},
        {-INFINITY, false, "-inf"},
        {NAN, true, "nan"},
        {16777217, false, "16777217.0"},
        {5e-324, false, "5e-324"},
    };
    Arena *a = arena_new();
    for (int i = 0; i < LEN(rows); i++) {
        Str s = str_new(a);
        str_float(&s, rows[i].v, rows[i].f32);
        EXPECT_TEXT(str_c(&s), rows[i].text);
    }
    uint64_t seed = 1;
    bool all = true;
    for (int i = 0; i < 20000; i++) {
        seed = hash_mix(seed, (uint64_t)i);
        double v;
        memcpy(&v, &seed, sizeof v);
        Str s = str_new(a);
        if (!isnan(v)) str_float(&s, v, false);
        all &= isnan(v) || strtod(str_c(&s), NULL) == v;
    }
    EXPECT(all);
    arena_free(a);
}

static void test_dtype(void) {
    EXPECT(DT_NONE == 0 && DT_F32 == DT_OF(f32) && dtype_bytes(DT_NONE) == 0);
    EXPECT(dtype_bits(DT_BF16) == 16 && dtype_bytes(DT_F64) == 8 && dtype_bytes(DT_BOOL) == 1);
    EXPECT(dtype_from_onnx(16) == DT_BF16 && dtype_from_onnx(0) == DT_NONE);
    EXPECT(dtype_from_onnx(-1) == DT_NONE && dtype_from_onnx(1 << 20) == DT_NONE);
    EXPECT(!dtype_is_int(DT_BOOL) && dtype_is_signed(DT_INDEX) && dtype_is_unsigned(DT_U8));
    EXPECT(dtype_is_float(DT_F16) && !dtype_is_float(DT_STR) && dtype_class(DT_STR) == DC_X);
    for (int t = DT_NONE + 1; t < N_DTYPES; t++) {
        EXPECT(dtype_by_name(dtype_name((DType)t)) == (DType)t);
        if (dtype_onnx((DType)t) && t != DT_SEQ) /* whose number is no TensorProto.DataType */
            EXPECT(dtype_from_onnx(dtype_onnx((DType)t)) == (DType)t);
    }
    EXPECT(dtype_by_name("none") == DT_NONE && dtype_by_name("f31") == DT_NONE);
}

static void test_float16(void) {
    EXPECT(f16_from_f32(1) == 0x3c00 && f16_to_f32(0x3555) == 0x1.554p-2f);
    EXPECT(f16_from_f32(65504) == 0x7bff && f16_from_f32(65519.996f) == 0x7bff);
    EXPECT(f16_from_f32(65520) == 0x7c00 && f16_from_f32(-INFINITY) == 0xfc00);
    EXPECT(f16_from_f32(0x1p-24f) == 1 && f16_from_f32(0x1p-25f) == 0);
    EXPECT(f16_from_f32(0x1.000002p-25f) == 1 && f16_from_f32(-0x1p-30f) == 0x8000);
    EXPECT(f16_from_f64(1 + 0x1p-11 + 0x1p-40) == 0x3c01 && f16_from_f64(1 + 0x1p-11) == 0x3c00);
    EXPECT(bf16_from_f32(1) == 0x3f80 && bf16_from_f32(0x1.01p0f) == 0x3f80);
    EXPECT(bf16_from_f32(0x1.03p0f) == 0x3f82 && bf16_from_f32(3.4e38f) == 0x7f80);
    EXPECT(isnan(bf16_to_f32(bf16_from_f32(NAN))) && isnan(f16_to_f32(f16_from_f32(NAN))));
    bool all = true;
    for (int i = 0; i < 65536; i++) {
        float f = f16_to_f32((uint16_t)i), b = bf16_to_f32((uint16_t)i);
        all &= isnan(f) || f16_from_f32(f) == i;
        all &= isnan(b) || bf16_from_f32(b) == i;
    }
    EXPECT(all);
}

/* ---- messages ---- */

static jmp_buf fatal_jump;
static char fatal_message[2000];

static void on_fatal(int code, const char *message) {
    snprintf(fatal_message, sizeof fatal_message, "%s", message);
    longjmp(fatal_jump, code);
}

static void test_fatal(void) {
    base_set_fatal(on_fatal);
    int code = setjmp(fatal_jump);
    if (!code) BUG("group %d", 3);
    EXPECT(code == 2);
    EXPECT(strstr(fatal_message, "onnxcc: internal error: ") == fatal_message);
    EXPECT(strstr(fatal_message, "group 3; this is a bug in the compiler; please report it"));
    code = setjmp(fatal_jump);
    if (!code) die("onnxcc: disk full");
    EXPECT(code == 1);
    EXPECT_TEXT(fatal_message, "onnxcc: disk full");
    code = setjmp(fatal_jump);
    if (!code) CHECK(failures < 0);
    EXPECT(code == 2 && strstr(fatal_message, "check failed: failures < 0"));
    Arena *a = arena_new();
    code = setjmp(fatal_jump);
    if (!code) arena_alloc(a, PTRDIFF_MAX);
    EXPECT(code == 1 && strstr(fatal_message, "out of memory"));
    arena_free(a);
    base_set_fatal(NULL);
}

static void test_diag(void) {
    Ctx *ctx = ctx_new();
    Str out = str_new(ctx->perm);
    ctx->capture = &out;
    ctx->file = "m.onnx";
    Loc loc = {.node = "Conv\n\"1\"", .op = "Conv", .opset = 13};
    EXPECT(!diag_error(ctx, &loc, "group %d does not divide %d", 3, 64));
    diag_note(ctx, &(Loc){.node = "x"}, "input 0 is %s", "f32[1]\033[0m");
    diag_warn(ctx, NULL, "unused");
    ctx->quiet = true;
    diag_warn(ctx, NULL, "not shown");
    diag_note(ctx, NULL, "not shown either");
    EXPECT_TEXT(str_c(&out),
                "m.onnx: node \"Conv\\n\\\"1\\\"\" (Conv, opset 13): error: group 3 does not "
                "divide 64\n"
                "m.onnx: node \"x\": note: input 0 is f32[1]\\x1b[0m\n"
                "m.onnx: warning: unused\n");
    EXPECT(diag_errors(ctx) == 1 && ctx->warnings == 2);
    EXPECT_TEXT(diag_name(ctx, "a\"\n"), "a\\\"\\n");
    EXPECT_TEXT(diag_name(ctx, NULL), "");
    ctx_free(ctx);
}

/* Errors beyond a hundred are counted but not shown. */
static void test_many_errors(void) {
    Ctx *ctx = ctx_new();
    Str out = str_new(ctx->perm);
    ctx->capture = &out;
    for (int i = 0; i < 300; i++) diag_error(ctx, NULL, "e%d", i);
    EXPECT(diag_errors(ctx) == 300 && strstr(str_c(&out), "e99\n") &&
           !strstr(str_c(&out), "e100\n"));
    EXPECT(strstr(str_c(&out), "more errors"));
    ctx_free(ctx);
}

/* ---- the lexer ---- */

/* All tokens of a text as "KIND:TEXT " for comparison; messages are appended. */
static const char *lex_all(Ctx *ctx, const char *text) {
    static char buf[4000];
    Str out = str_new(ctx->perm), log = str_new(ctx->perm);
    ctx->capture = &log;
    Lexer *x = lex_open(ctx, "t.ir", text, strlen(text));
    for (Tok t = lex_next(x); t.kind; t = lex_next(x)) {
        if (t.kind == TOK_INT) str_fmt(&out, "i:%llu ", (unsigned long long)t.u);
        else if (t.kind == TOK_FLOAT) str_fmt(&out, "f:%g ", t.f);
        else if (t.kind == TOK_IDENT) str_fmt(&out, "w:%s ", t.s);
        else if (t.kind == TOK_VALUE) str_fmt(&out, "v:%s ", t.s);
        else if (t.kind == TOK_AT) str_fmt(&out, "a:%s ", t.s);
        else if (t.kind == TOK_STRING) str_fmt(&out, "s:%s ", t.s);
        else str_fmt(&out, "%.*s ", (int)t.n_raw, t.raw);
    }
    snprintf(buf, sizeof buf, "%s%s", str_c(&out), str_c(&log));
    ctx->capture = NULL;
    return buf;
}

static void test_tokens(void) {
    static const char *const rows[][2] = {
        {"graph g.0 x_$1", "w:graph w:g.0 w:x_$1 "},
        {"0..64 N..3 o.0..o.1", "i:0 .. i:64 w:N .. i:3 w:o.0 .. w:o.1 "},
        {"%x : %/m/Conv:0 %lo..%hi %n..4", "v:x : v:/m/Conv:0 v:lo .. v:hi v:n .. i:4 "},
        {"%x: %y-> %a-b %0 %\"q \\\"z\" @f @\"g h\"", "v:x : v:y -> v:a-b v:0 v:q \"z a:f a:g h "},
        {"a % b (a)%(b) %[", "w:a % w:b ( w:a ) % ( w:b ) % [ "},
        {"-9 18446744073709551615 0xff", "- i:9 i:18446744073709551615 i:255 "},
        {"1.5 1e-05 2.5E+10 0x1.8p3 0x1p-1 inf nan",
         "f:1.5 f:1e-05 f:2.5e+10 f:12 f:0.5 f:inf f:nan "},
        {"3:i64 9f1c33aa5c0d1e2f 1.x",
         "i:3 : w:i64 9f1c33aa5c0d1e2f i:1 t.ir:1:25: error: unexpected "
         "character '.'\n    3:i64 9f1c33aa5c0d1e2f 1.x\n"
         "                            ^\n"},
        {"== != <= >= -> .. = < > ! & | ^ * / +,;", "== != <= >= -> .. = < > ! & | ^ * / + , ; "},
        {"a # b\n # c\n\"s\\x41\\n\\t\\\\\" # end", "w:a s:sA\n\t\\ "},
        {"a\n  \"x",
         "w:a t.ir:2:3: error: the string is not closed on its line\n      \"x\n      ^\n"},
        {"\"a\\q\"",
         "t.ir:1:3: error: a backslash is followed by n, t, r, a quote, a backslash or xHH\n"
         "    \"a\\q\"\n      ^\n"},
        {"18446744073709551616", "t.ir:1:1: error: the integer does not fit into 64 bits\n"
                                 "    18446744073709551616\n    ^\n"},
        {"12ab", "t.ir:1:1: error: this is not a number\n    12ab\n    ^\n"},
        {"\t\x01", "t.ir:1:2: error: unexpected byte 0x01\n     ?\n     ^\n"},
        {"%\"a\\x00b\"",
         "t.ir:1:1: error: a name holds a NUL character\n    %\"a\\x00b\"\n    ^\n"},
    };
    for (int i = 0; i < LEN(rows); i++) {
        Ctx *ctx = ctx_new();
        EXPECT_TEXT(lex_all(ctx, rows[i][0]), rows[i][1]);
        ctx_free(ctx);
    }
}

static void test_parser_calls(void) {
    Ctx *ctx = ctx_new();
    const char *text = "kernel %x -9223372036854775808 -1.5 0x10 00000000000000ff \"n m\" , )";
    Lexer *x = lex_open(ctx, "t.ir", text, strlen(text));
    const char *s = NULL;
    int64_t i = 0;
    uint64_t h = 0;
    Num num = {0};
    EXPECT(lex_at_word(x, "kernel") && lex_peek2(x)->kind == TOK_VALUE);
    EXPECT(!lex_accept_word(x, "graph") && lex_accept_word(x, "kernel"));
    EXPECT(lex_value(x, &s) && !strcmp(s, "x"));
    EXPECT(lex_int(x, &i) && i == INT64_MIN);
    EXPECT(lex_number(x, &num) && num.is_float && num.f == -1.5);
    EXPECT(lex_hash(x, &h) && h == 16);
    EXPECT(lex_hash(x, &h) && h == 255);
    EXPECT(lex_name(x, &s) && !strcmp(s, "n m"));
    Str log = str_new(ctx->perm);
    ctx->capture = &log;
    EXPECT(!lex_expect(x, ')') && !lex_ok(x));
    EXPECT(strstr(str_c(&log), "t.ir:1:65: error: expected ')', found ','\n") == str_c(&log));
    EXPECT(!lex_expect(x, ',') && lex_next(x).kind == TOK_END && !lex_error(x, "again"));
    EXPECT(diag_errors(ctx) == 1);
    ctx_free(ctx);
}

static void test_depth(void) {
    Ctx *ctx = ctx_new();
    Str log = str_new(ctx->perm);
    ctx->capture = &log;
    Lexer *x = lex_open(ctx, "t.ir", "(", 1);
    int depth = 0;
    while (depth < 1000 && lex_enter(x)) depth++;
    EXPECT(depth == 256 && !lex_ok(x));
    ctx_free(ctx);
}

static void test_names_round_trip(void) {
    static const char *const names[] = {"x",  "/m/Conv:0", "a b", "",  "a..b",
                                        "x:", "\"",        "\n",  "-", "\xc3\xa9"};
    for (int i = 0; i < LEN(names); i++) {
        Ctx *ctx = ctx_new();
        Str text = str_new(ctx->perm);
        print_value(&text, names[i]);
        Lexer *x = lex_open(ctx, "t.ir", str_c(&text), text.n);
        const char *back = NULL;
        EXPECT(lex_value(x, &back) && !strcmp(back, names[i]) && lex_at(x, TOK_END));
        ctx_free(ctx);
    }
}

int main(void) {
    test_arena();
    test_vec();
    test_map();
    test_hash();
    test_str();
    test_float();
    test_dtype();
    test_float16();
    test_fatal();
    test_diag();
    test_many_errors();
    test_tokens();
    test_parser_calls();
    test_depth();
    test_names_round_trip();
    printf("%d checks, %d failures\n", checks, failures);
    return failures != 0;
}
