/* SHA-256 against the examples of FIPS 180-4, and the cache: entries come back as they were
 * written, damaged ones count as absent, the longest unused go first. */
#include "codegen/cache.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int failures;
#define EXPECT(cond)                                                                               \
    ((cond) ? (void)0 : (void)(failures++, printf("FAIL line %d: %s\n", __LINE__, #cond)))

/* ---- the hash ---- */
static bool hashes_to(const char *text, size_t repeated, const char *hex) {
    uint8_t digest[SHA256_BYTES];
    char got[CACHE_NAME];
    Sha256 h;
    sha256_begin(&h);
    for (size_t i = 0; i < repeated; i++) sha256_add(&h, text, strlen(text));
    sha256_end(&h, digest);
    for (int i = 0; i < SHA256_BYTES; i++) snprintf(got + 2 * i, 3, "%02x", digest[i]);
    return !strcmp(got, hex);
}

static void check_hash(void) {
    EXPECT(hashes_to("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    EXPECT(hashes_to("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    EXPECT(hashes_to("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
                     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
    EXPECT(hashes_to("a", 1000000,
                     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
    EXPECT(hashes_to("abcdefg", 143000, /* pieces that do not divide a block */
                     "5214866e69c61d654db0e4e4b4474f1350df12d51894c0284b4688c38709c5d7"));
}

/* ---- entries ---- */
static void name_of(const char *text, char name[CACHE_NAME]) {
    Sha256 h;
    cache_key_begin(&h);
    cache_key_text(&h, text);
    cache_key_end(&h, name);
}

static bool holds(const Cache *c, const char *name, const char *text) {
    Str s = str_new(c->ctx->perm);
    return cache_read(c, name, &s) && !strcmp(str_c(&s), text);
}

static bool absent(const Cache *c, const char *name) {
    Str s = str_new(c->ctx->perm);
    return !cache_read(c, name, &s) && s.n == 0;
}

static const char *path_of(const Cache *c, const char *name) {
    return arena_printf(c->ctx->perm, "%s/%s", c->dir, name);
}

static void check_names(void) {
    char a[CACHE_NAME], b[CACHE_NAME];
    name_of("a", a), name_of("b", b);
    EXPECT(strcmp(a, b));
    name_of("a", b);
    EXPECT(!strcmp(a, b) && strlen(a) == CACHE_NAME - 1);
}

/* Every byte of an entry matters, and so does each one that is missing or too much. */
static void check_damage(const Cache *c, const char *name) {
    struct stat st;
    const char *path = path_of(c, name);
    EXPECT(!stat(path, &st));
    for (off_t i = 0; i < st.st_size; i++) {
        char byte;
        int fd = open(path, O_RDWR);
        EXPECT(fd >= 0 && pread(fd, &byte, 1, i) == 1);
        byte = (char)(byte ^ 4);
        EXPECT(pwrite(fd, &byte, 1, i) == 1);
        EXPECT(absent(c, name));
        byte = (char)(byte ^ 4);
        EXPECT(pwrite(fd, &byte, 1, i) == 1 && !close(fd));
        EXPECT(holds(c, name, "some text"));
    }
    for (off_t n = st.st_size + 1; n >= 0; n -= n > st.st_size ? 2 : 1) {
        EXPECT(!truncate(path, n));
        EXPECT(absent(c, name));
    }
    cache_write(c, name, "some text", 9);
    EXPECT(holds(c, name, "some text"));
}

static void check_entries(const Cache *c) {
    char a[CACHE_NAME], b[CACHE_NAME];
    name_of("a", a), name_of("b", b);
    EXPECT(absent(c, a));
    cache_write(c, a, "some text", 9);
    cache_write(c, b, "", 0);
    EXPECT(holds(c, a, "some text") && holds(c, b, ""));
    check_damage(c, a);
    cache_write(c, a, "other", 5);
    EXPECT(holds(c, a, "other"));
}

static void check_trim(const Cache *c) {
    char name[4][CACHE_NAME], data[1000] = {0};
    cache_trim(c, 0);
    for (int i = 0; i < 4; i++) {
        struct timespec when[2] = {{1000 + i, 0}, {1000 + i, 0}};
        name_of(arena_printf(c->ctx->perm, "%d", i), name[i]);
        cache_write(c, name[i], data, sizeof data);
        EXPECT(!utimensat(AT_FDCWD, path_of(c, name[i]), when, 0));
    }
    cache_trim(c, 5000);
    EXPECT(!absent(c, name[0])); /* which is a use */
    cache_trim(c, 2500);
    EXPECT(absent(c, name[1]) && absent(c, name[2]));
    EXPECT(!absent(c, name[0]) && !absent(c, name[3]));
}

static void check_folder(Ctx *ctx, const char *dir) {
    const char *deep = arena_printf(ctx->perm, "%s/not/there/yet", dir);
    setenv("XDG_CACHE_HOME", deep, 1);
    EXPECT(!cache_open(ctx, true).dir);
    Cache c = cache_open(ctx, false);
    EXPECT(c.dir && !access(deep, F_OK));
    if (!c.dir) return;
    check_entries(&c);
    check_trim(&c);
    setenv("XDG_CACHE_HOME", "relative", 1);
    setenv("HOME", dir, 1);
    c = cache_open(ctx, false);
    EXPECT(c.dir && !strcmp(c.dir, arena_printf(ctx->perm, "%s/.cache/onnxcc", dir)));
    setenv("HOME", "/dev/null", 1);
    EXPECT(!cache_open(ctx, false).dir);
    unsetenv("HOME");
    c = cache_open(ctx, false);
    EXPECT(!c.dir);
    cache_write(&c, "name", "x", 1);
    EXPECT(absent(&c, "name"));
    cache_trim(&c, 0);
}

int main(void) {
    char dir[] = "/tmp/onnxcc-cache-XXXXXX";
    Ctx *ctx = ctx_new();
    EXPECT(mkdtemp(dir));
    check_hash();
    check_names();
    check_folder(ctx, dir);
    if (system(arena_printf(ctx->perm, "rm -rf '%s'", dir))) failures++;
    ctx_free(ctx);
    printf("%d failures\n", failures);
    return failures != 0;
}
