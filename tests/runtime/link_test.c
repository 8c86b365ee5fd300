/* What codegen/link writes, judged by the system: readelf, nm, cc, lld, and by running it. */
#include "codegen/link/link.h"
#include "codegen/link/spawn.h"

#include "test.h"

static Ctx *ctx;
static Str messages;

/* A command of the shell that must succeed. */
static void must(const char *command) {
    if (run_command(command)) {
        failures++;
        fprintf(stderr, "failed: %s\n%s\n", command, output);
    }
}
static bool have(const char *program) {
    return find_program(ctx->perm, program) != NULL;
}
/* Whether `text` was among the messages since the last call. */
static bool said(const char *text) {
    bool yes = strstr(str_c(&messages), text) != NULL;
    if (!yes) fprintf(stderr, "messages: %s\n", str_c(&messages));
    messages = str_new(ctx->perm);
    return yes;
}
static void write_text(const char *path, const char *text) {
    write_bytes(path, text, strlen(text));
}

static void test_ident(void) {
    Map *taken = map_new(ctx->perm);
    static const char *const pairs[][2] = {{"x", "x"},
                                           {"x", "x_2"},
                                           {"x", "x_3"},
                                           {"input.1", "input_1"},
                                           {"input:1", "input_1_2"},
                                           {"1", "_1"},
                                           {"int", "int_"},
                                           {"class", "class_"},
                                           {"", "_"},
                                           {"\xc3\xa9", "__"},
                                           {"a*/b", "a__b"},
                                           {"linux", "linux_"}};
    for (int i = 0; i < LEN(pairs); i++)
        EXPECT(!strcmp(link_ident(ctx->perm, taken, pairs[i][0]), pairs[i][1]));
    static const char *const names[][2] = {{"build/libdigits.a", "digits"},
                                           {"digits.o", "digits"},
                                           {"/x.y/model", "model"},
                                           {"lib.so", "lib"},
                                           {"a-b.v2.so", "a_b_v2"}};
    for (int i = 0; i < LEN(names); i++)
        EXPECT(!strcmp(link_base_name(ctx->perm, names[i][0]), names[i][1]));
}

static void test_header(void) {
    const LinkAxis nx3[] = {{-1, "N"}, {3, "3"}}, unknown[] = {{1, "1"}, {-1, "?"}},
                   evil[] = {{-1, "*/ int x; /*"}};
    const LinkTensor in[] = {{"x", 1, 2, nx3, false, "in [0, 1]", false},
                             {"class", 14, 1, nx3, false, NULL, false},
                             {"tokens", 8, 1, nx3, false, NULL, false},
                             {"*/ #error \n \\", 16, 1, evil, false, NULL, false}};
    const LinkTensor out[] = {{"arena_needed", 9, 2, nx3, false, NULL, false},
                              {"hits", 7, 2, unknown, true, NULL, false},
                              {"z", 15, 2, unknown, true, NULL, false}};
    const LinkDim dims[] = {{"N", 1, 64}, {"long", 0, INT64_MAX}};
    LinkEntry e[2] = {{.name = "m",
                       .model = "dir/m.onnx",
                       .inputs = in,
                       .outputs = out,
                       .dims = dims,
                       .n_inputs = 4,
                       .n_outputs = 3,
                       .n_dims = 2,
                       .arena_bytes = 4096,
                       .weights_bytes = 20,
                       .hosted = true},
                      {.name = "empty"}};
    uint64_t before = link_signature(e);
    EXPECT(link_header(ctx, "m.h", "m", e, 2) && link_header(ctx, "again.h", "m", e, 2));
    e[0].name = "other";
    EXPECT(link_header(ctx, "other.h", "other", e, 1));
    EXPECT(link_signature(e) != before);
    before = link_signature(e);
    e[0].device = true; /* "x" and the others lie in the host's memory all the same */
    EXPECT(link_header(ctx, "gpu.h", "gpu", e, 1) && link_signature(e) != before);
    must("grep -q 'void \\*context;' gpu.h && ! grep -q 'void \\*context;' m.h && "
         "grep -q 'other_run_device(' gpu.h && "
         "grep -q '\"x\": f32.N,3.; always in the host.s memory; in .0, 1.' gpu.h");
    must("cc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c gpu.h");
    must("cmp m.h again.h && ! grep -n '.\\{121\\}' m.h");
    write_text(
        "use.c",
        "#include \"m.h\"\n#include \"m.h\"\n#include \"other.h\"\n"
        "int f(m_ctx *c, m_inputs *i, m_outputs *o) {\n"
        "  m_config k = {0}; m_dims d; k.size = sizeof k; d.N = 1; d.long_ = 2;\n"
        "  i->x = 0; i->class_ = 0; o->arena_needed_2 = 0; o->hits.capacity = 3; o->arena_needed = "
        "0;\n"
        "  (void)o->z.data[0][1]; (void)d; (void)m_ARENA_BYTES; (void)empty_WEIGHTS_BYTES;\n"
        "  return m_open(c, &k) == ONNXCC_E_ABI ? (int)i->tokens[0].size : other_ARENA_ALIGN; }\n");
    must("cc -std=c99 -Wall -Wextra -Wpedantic -Werror -c use.c");
    must("cc -std=gnu17 -Wall -Wextra -Werror -c use.c");
    if (have("g++")) must("g++ -std=c++11 -Wall -Wextra -Werror -x c++ -fsyntax-only m.h");
    if (have("clang-19")) must("clang-19 -std=c99 -Wall -Wextra -Werror -Wpedantic -c use.c");
    must("nm -u use.o | grep m_open_signed");
}

static unsigned char pattern[3000000];
static LinkPart pieces[4];
static LinkParts payload(void) {
    for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (unsigned char)(i * 7 + i / 251);
    write_bytes("pattern.bin", pattern, sizeof pattern);
    pieces[0] = (LinkPart){.mem = pattern, .bytes = 1000};
    pieces[1] = (LinkPart){.file = "pattern.bin", .offset = 1000, .bytes = 24};
    pieces[2] = (LinkPart){.file = "pattern.bin", .offset = 1024, .bytes = sizeof pattern - 1024};
    pieces[3] = (LinkPart){.bytes = 100};
    return (LinkParts){pieces, 4};
}

static void test_stream(void) {
    uint64_t a = 1, b = 2;
    LinkParts p = payload();
    unsigned char *whole = arena_alloc(ctx->perm, sizeof pattern + 100);
    memcpy(whole, pattern, sizeof pattern);
    LinkPart one = {.mem = whole, .bytes = sizeof pattern + 100};
    EXPECT(link_parts_hash(ctx, p, &a) && link_parts_hash(ctx, (LinkParts){&one, 1}, &b) && a == b);
    whole[77]++;
    EXPECT(link_parts_hash(ctx, (LinkParts){&one, 1}, &b) && a != b);
    EXPECT(weights_file_write(ctx, "w.weights", a, p));
    must("test $(stat -c %s w.weights) = 3000164 && head -c 8 w.weights | grep -q ONNXCCW1 && "
         "tail -c +65 w.weights | head -c 3000000 | cmp - pattern.bin");
    EXPECT(link_write_file(ctx, "/dev/null", "x", 1));
    must("test -c /dev/null");
    must("echo old > target && ln -s target link");
    EXPECT(link_write_file(ctx, "link", "new", 3));
    must("test -L link && grep -q new target");
    EXPECT(!link_write_file(ctx, "no/such/dir/file", "x", 1) && said("No such file"));
    LinkPart missing = {.file = "missing.bin", .bytes = 8},
             beyond = {.file = "pattern.bin", .offset = 1, .bytes = 3000000};
    EXPECT(!weights_file_write(ctx, "bad", 0, (LinkParts){&missing, 1}) && said("missing.bin"));
    EXPECT(!weights_file_write(ctx, "bad", 0, (LinkParts){&beyond, 1}) && said("pattern.bin"));
    must("test ! -e bad && ! ls | grep -q tmp");
}

/* A program that compares blob with the file. */
static void write_user(void) {
    write_text("user.c",
               "#include <stdio.h>\n#include <stdint.h>\n"
               "extern const unsigned char m_blob[] __attribute__((visibility(\"hidden\")));\n"
               "const unsigned char *m_get(void) { return m_blob; }\n"
               "#ifndef LIBRARY\nint main(void) {\n"
               "  FILE *f = fopen(\"pattern.bin\", \"rb\"); size_t i = 0; int c;\n"
               "  while ((c = fgetc(f)) != EOF) if (m_blob[i++] != c) return 1;\n"
               "  for (int k = 0; k < 100; k++) if (m_blob[i++]) return 2;\n"
               "  return (uintptr_t)m_blob % 64 ? 3 : 0; }\n#endif\n");
    must("cc -O1 -fPIC -c user.c -o user.o && cc -O1 -fPIC -DLIBRARY -c user.c -o library.o");
}

static void test_elf(void) {
    static const char *const triples[] = {"x86_64-pc-linux-gnu", "aarch64-linux-gnu",
                                          "thumbv7em-none-unknown-eabihf",
                                          "riscv64-unknown-linux-gnu", "riscv32-unknown-none-elf"};
    static const char *const machine[] = {"X86-64", "AArch64", "ARM", "RISC-V", "RISC-V"};
    char command[256];
    for (int i = 0; i < LEN(triples); i++) {
        EXPECT(elf_write_data(ctx, "data.o", triples[i], "m_blob", NULL, payload()));
        snprintf(
            command, sizeof command,
            "LC_ALL=C readelf -hSsW data.o > re.txt 2>&1 && ! grep -i warning re.txt && "
            "grep -q 'Machine:.*%s' re.txt && grep -q 'OBJECT *GLOBAL HIDDEN *1 m_blob' re.txt",
            machine[i]);
        must(command);
    }
    EXPECT(!elf_write_data(ctx, "bad.o", "vax-unknown", "m_blob", NULL, payload()) &&
           said("vax-unknown"));
    EXPECT(elf_write_data(ctx, "data.o", "x86_64-pc-linux-gnu", "m_blob", ".lrodata", payload()));
    must("readelf -SW data.o | grep '\\.lrodata.* Al '");
    must("cc user.o data.o -o user && ./user");
    EXPECT(elf_write_data(ctx, "data.o", "x86_64-pc-linux-gnu", "m_blob", NULL, payload()));
    must("cc user.o data.o -o user && ./user && cc -static user.o data.o -o user && ./user");
}

static char *slurp(const char *path, size_t *n) {
    static char at[1 << 16];
    FILE *f = fopen(path, "rb");
    *n = f ? fread(at, 1, sizeof at, f) : 0;
    if (f) fclose(f);
    return at;
}

static void test_attach(void) {
    size_t n;
    char *object = slurp("user.o", &n);
    EXPECT(elf_attach_data(ctx, "both.o", object, n, "m_blob", NULL, payload()));
    must("LC_ALL=C readelf -aW both.o 2>&1 | (! grep -i warning) && ! nm -u both.o | grep blob");
    must("cc both.o -o user && ./user && cc -static both.o -o user && ./user");
    must("readelf -SW both.o | grep '\\.rodata\\.weights.*PROGBITS.* A '");
    if (have("ld.lld-19")) must("cc -fuse-ld=lld -B/usr/lib/llvm-19/bin both.o -o user && ./user");
    if (have("aarch64-linux-gnu-gcc")) {
        must("aarch64-linux-gnu-gcc -O1 -c user.c -o arm.o");
        object = slurp("arm.o", &n);
        EXPECT(elf_attach_data(ctx, "armboth.o", object, n, "m_blob", NULL, payload()));
        must("aarch64-linux-gnu-gcc -static armboth.o -o armuser");
        if (have("qemu-aarch64-static")) must("qemu-aarch64-static ./armuser");
    }
    EXPECT(!elf_attach_data(ctx, "bad.o", "junk", 4, "m_blob", NULL, payload()) &&
           said("kind of object"));
}

static void test_archive(void) {
    size_t n;
    LinkPart code = {.bytes = 0};
    LinkParts data, attached;
    char *object = slurp("library.o", &n);
    code = (LinkPart){.mem = object, .bytes = n};
    EXPECT(elf_data_parts(ctx, "x86_64-pc-linux-gnu", "m_blob", NULL, payload(), &data));
    LinkMember member[] = {{.name = "m.o", .parts = {&code, 1}},
                           {.name = "a_long_name_of_weights.o", .parts = data}};
    EXPECT(archive_write(ctx, "libm_blob.a", member, 2) &&
           archive_write(ctx, "again.a", member, 2));
    must("cmp libm_blob.a again.a && nm -s libm_blob.a | grep 'm_blob in a_long_name_of_weights.o' "
         "&& "
         "nm -s libm_blob.a | grep 'm_get in m.o' && ar t libm_blob.a | tr '\\n' ' ' | grep '^m.o "
         "a_long_name_of_weights.o $'");
    write_text(
        "main.c",
        "extern const unsigned char *m_get(void);\nint main(void) { return m_get()[1] != 7; }\n");
    must("cc main.c -L. -lm_blob -o user && ./user");
    EXPECT(elf_attach_parts(ctx, object, n, "m_blob", NULL, payload(), &attached));
    LinkMember one = {.name = "m.o", .parts = attached};
    EXPECT(archive_write(ctx, "libone.a", &one, 1));
    must("nm -s libone.a | grep 'm_blob in m.o' && nm -s libone.a | grep 'm_get in m.o'");
    must("cc main.c -L. -lone -o user && ./user && ar x libone.a && cc main.c m.o -o user && "
         "./user");
    if (have("ld.lld-19"))
        must("cc -fuse-ld=lld -B/usr/lib/llvm-19/bin main.c -L. -lone -o user && ./user");
    LinkMember text = {.name = "t", .parts = {&(LinkPart){.mem = "hello", .bytes = 5}, 1}};
    EXPECT(!archive_write(ctx, "bad.a", &text, 1) && said("not an ELF object"));
    EXPECT(archive_write(ctx, "empty.a", NULL, 0));
    must("ar t empty.a && test ! -e bad.a");
}

static bool link_with(const char *object, const char *out, LinkJob job) {
    job.objects = &object;
    job.n_objects = 1;
    job.out = out;
    return link_program(ctx, &job);
}

static void test_program(void) {
    const char *exports[] = {"m_get"}, *x86 = "x86_64-pc-linux-gnu";
    EXPECT(link_with("both.o", "prog", (LinkJob){.libm = true}));
    must("./prog && test -x prog");
    EXPECT(link_with("both.o", "prog",
                     (LinkJob){.triple = x86, .host_triple = x86, .is_static = true}));
    must("./prog");
    if (have("ld.lld-19")) {
        EXPECT(link_with("both.o", "prog",
                         (LinkJob){.triple = x86, .host_triple = x86, .linker = "ld.lld-19"}));
        must("./prog && LC_ALL=C readelf -d prog | grep -c NEEDED | grep -q '^1$'");
        EXPECT(link_with("both.o", "prog",
                         (LinkJob){.triple = x86, .linker = "ld.lld-19", .is_static = true}));
        must("./prog");
        EXPECT(link_with("both.o", "m.so",
                         (LinkJob){.triple = x86,
                                   .linker = "ld.lld-19",
                                   .shared = true,
                                   .exports = exports,
                                   .n_exports = 1}));
        must("nm -D --defined-only m.so | grep -v ' [AV] ' | grep -v m_get | (! grep .)");
    }
    EXPECT(link_with("both.o", "libm.so",
                     (LinkJob){.shared = true, .exports = exports, .n_exports = 1}));
    must("nm -D --defined-only libm.so | grep -v m_get | (! grep .) && cc main.c ./libm.so -o user "
         "&& "
         "LD_LIBRARY_PATH=. ./user && readelf -d libm.so | grep 'soname: .libm.so'");
    if (have("aarch64-linux-gnu-gcc")) {
        EXPECT(link_with("armboth.o", "armprog",
                         (LinkJob){.triple = "aarch64-unknown-linux-gnu",
                                   .host_triple = x86,
                                   .is_static = true}));
        if (have("qemu-aarch64-static")) must("qemu-aarch64-static ./armprog");
        if (have("ld.lld-19")) {
            EXPECT(link_with("armboth.o", "armprog",
                             (LinkJob){.triple = "aarch64-linux-gnu",
                                       .host_triple = x86,
                                       .linker = "ld.lld-19"}));
            if (have("qemu-aarch64-static"))
                must("qemu-aarch64-static -L /usr/aarch64-linux-gnu ./armprog");
        }
    }
}

static void test_program_errors(void) {
    const char *x86 = "x86_64-pc-linux-gnu";
    EXPECT(!link_with("both.o", "bad", (LinkJob){.linker = "no-such-linker"}) &&
           said("--linker=no-such-linker"));
    EXPECT(
        !link_with("both.o", "bad", (LinkJob){.triple = "riscv64-linux-gnu", .host_triple = x86}));
    EXPECT(said(have("riscv64-linux-gnu-gcc") || have("ld.lld-19") ? "libc6-dev"
                                                                   : "gcc-riscv64-linux-gnu"));
    EXPECT(!link_with("both.o", "bad", (LinkJob){.triple = "thumbv7em-none-unknown-eabihf"}) &&
           said("bare metal"));
    EXPECT(!link_with("both.o", "bad", (LinkJob){.triple = "wasm32-unknown-unknown"}) &&
           said("no executables"));
    EXPECT(!link_with("library.o", "bad", (LinkJob){.triple = x86, .host_triple = x86}) &&
           said("linking failed"));
    setenv("PATH", "/nowhere", 1);
    EXPECT(!link_with("both.o", "bad", (LinkJob){.triple = x86, .host_triple = x86}) &&
           said("package gcc"));
    EXPECT(
        !link_with("both.o", "bad", (LinkJob){.triple = "aarch64-linux-gnu", .host_triple = x86}) &&
        said("gcc-aarch64-linux-gnu"));
    setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
    must("test ! -e bad && ! ls | grep tmp");
}

int main(void) {
    ctx = ctx_new();
    messages = str_new(ctx->perm);
    ctx->capture = &messages;
    enter_test_dir();
    test_ident();
    test_header();
    test_stream();
    write_user();
    test_elf();
    test_attach();
    test_archive();
    test_program();
    test_program_errors();
    ctx_free(ctx);
    return leave_test_dir();
}
