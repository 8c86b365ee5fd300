/* The folder of results that are kept between runs.
 *
 * A file holds the magic, the payload's length and its SHA-256, and the payload. It is written
 * under a temporary name and renamed, so that a reader sees all of it or none, and its time of
 * modification is that of its last use. */
#include "codegen/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = "ONNXCCC1";
const uint64_t cache_most = (uint64_t)1 << 30;

typedef struct Head {
    char magic[sizeof magic];
    uint64_t bytes;
    uint8_t digest[SHA256_BYTES];
} Head;

/* ---- the folder ---- */
/* With the folders above it. */
static bool make_folder(Ctx *ctx, const char *path) {
    char *copy = arena_str(ctx->perm, path);
    for (char *p = copy + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(copy, 0700);
        *p = '/';
    }
    return !mkdir(path, 0700) || errno == EEXIST;
}

/* A relative $XDG_CACHE_HOME counts as none (XDG Base Directory Specification). */
Cache cache_open(Ctx *ctx, bool off) {
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (!base || *base != '/') base = NULL;
    if (off || (!base && (!home || *home != '/'))) return (Cache){ctx, NULL};
    if (!base) base = arena_printf(ctx->perm, "%s/.cache", home);
    const char *dir = arena_printf(ctx->perm, "%s/onnxcc", base);
    bool ok = make_folder(ctx, dir) && !access(dir, R_OK | W_OK | X_OK);
    return (Cache){ctx, ok ? dir : NULL};
}

static const char *path_of(const Cache *c, const char *name) {
    return arena_printf(c->ctx->perm, "%s/%s", c->dir, name);
}

/* ---- keys ---- */
/* The number that the linker gave this program (its build ID) is one of its notes. */
static void add_notes(Sha256 *h, const char *at, size_t bytes) {
    for (const char *end = at + bytes; at + sizeof(ElfW(Nhdr)) < end;) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof note);
        const char *name = at + sizeof note, *id = name + (note.n_namesz + 3) / 4 * 4;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp(name, "GNU", 4))
            sha256_add(h, id, note.n_descsz);
        at = id + (note.n_descsz + 3) / 4 * 4;
    }
}

static int add_build(struct dl_phdr_info *object, size_t size, void *user) {
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        const char *at = (const char *)object->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_NOTE && p->p_align <= 4) add_notes(user, at, p->p_memsz);
    }
    return 1; /* the program itself comes first */
}

void cache_key_begin(Sha256 *h) {
    sha256_begin(h);
    cache_key_text(h, ONNXCC_VERSION);
    dl_iterate_phdr(add_build, h);
}

void cache_key_text(Sha256 *h, const char *text) {
    sha256_add(h, text, strlen(text) + 1);
}

void cache_key_end(Sha256 *h, char name[CACHE_NAME]) {
    uint8_t digest[SHA256_BYTES];
    sha256_end(h, digest);
    for (int i = 0; i < SHA256_BYTES; i++) snprintf(name + 2 * i, 3, "%02x", digest[i]);
}

/* ---- entries ---- */
static bool read_all(int fd, void *to, size_t n) {
    for (char *p = to; n;) {
        ssize_t k = read(fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static bool write_all(int fd, const void *from, size_t n) {
    for (const char *p = from; n;) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static bool is_whole(const Head *h, const void *data) {
    uint8_t digest[SHA256_BYTES];
    sha256_of(data, h->bytes, digest);
    return !memcmp(digest, h->digest, sizeof digest);
}

bool cache_read(const Cache *c, const char *name, Str *out) {
    struct stat st;
    Head h;
    int fd = c->dir ? open(path_of(c, name), O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return false;
    bool ok = !fstat(fd, &st) && read_all(fd, &h, sizeof h) &&
              !memcmp(h.magic, magic, sizeof magic) &&
              h.bytes + sizeof h == (uint64_t)st.st_size;
    char *data = ok ? arena_alloc(c->ctx->perm, h.bytes + 1) : NULL;
    ok = ok && read_all(fd, data, h.bytes) && is_whole(&h, data);
    if (ok) str_addn(out, data, h.bytes);
    if (ok) futimens(fd, NULL);
    close(fd);
    return ok;
}

void cache_write(const Cache *c, const char *name, const void *data, size_t bytes) {
    Head h = {.bytes = bytes};
    if (!c->dir) return;
    char *temp = arena_printf(c->ctx->perm, "%s/new-XXXXXX", c->dir);
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0) return;
    memcpy(h.magic, magic, sizeof magic);
    sha256_of(data, bytes, h.digest);
    bool ok = write_all(fd, &h, sizeof h) && write_all(fd, data, bytes);
    ok = !close(fd) && ok;
    if (!ok || rename(temp, path_of(c, name))) unlink(temp);
}

/* ---- its size ---- */
typedef struct Entry {
    const char *path;
    struct timespec used;
    uint64_t bytes;
} Entry;

static int by_use(const void *a, const void *b) {
    const Entry *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec) return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    if (x->used.tv_nsec != y->used.tv_nsec) return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
    return strcmp(x->path, y->path);
}

void cache_trim(const Cache *c, uint64_t most) {
    VEC(Entry) all = {0};
    uint64_t bytes = 0;
    DIR *d = c->dir ? opendir(c->dir) : NULL;
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
        if (!S_ISREG(st.st_mode)) continue;
        Entry entry = {path_of(c, e->d_name), st.st_mtim, (uint64_t)st.st_size};
        vec_push(c->ctx->perm, &all, entry);
        bytes += entry.bytes;
    }
    closedir(d);
    if (bytes > most) qsort(all.at, (size_t)all.n, sizeof *all.at, by_use);
    for (int i = 0; i < all.n && bytes > most; i++) {
        unlink(all.at[i].path);
        bytes -= all.at[i].bytes;
    }
}
