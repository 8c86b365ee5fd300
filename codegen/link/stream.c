/* Payloads in pieces, and output files that appear complete or not at all.
 *
 * A file grows under a temporary name beside its own and is renamed at the end. What stands there
 * already and is no regular file (a pipe, /dev/null) is written directly. Ranges of other files are
 * copied by the kernel where it can. */
#include "codegen/link/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 1 << 20 };

struct LinkFile {
    Ctx *ctx;
    const char *path, *temp; /* temp NULL: written in place */
    int fd;
    bool bad;
    const char *source; /* the input file that is open */
    int source_fd;
    size_t n; /* bytes in the buffer */
    unsigned char *buffer;
};

uint64_t link_parts_bytes(LinkParts p) {
    uint64_t n = 0;
    for (int i = 0; i < p.n; i++) n += p.at[i].bytes;
    return n;
}

static void fail(LinkFile *f, const char *path) {
    if (!f->bad) diag_error(f->ctx, &(Loc){.file = path}, "%s", strerror(errno));
    f->bad = true;
}

static void write_all(LinkFile *f, const void *data, size_t n) {
    for (const char *p = data; n && !f->bad;) {
        ssize_t k = write(f->fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) {
            fail(f, f->path);
            return;
        }
        p += k;
        n -= (size_t)k;
    }
}

static void flush(LinkFile *f) {
    write_all(f, f->buffer, f->n);
    f->n = 0;
}

LinkFile *link_file_open(Ctx *ctx, const char *path, int mode) {
    LinkFile *f = NEW(ctx->perm, LinkFile);
    struct stat st;
    f->ctx = ctx;
    f->path = output_target(ctx, path);
    f->source_fd = -1;
    f->buffer = arena_alloc(ctx->perm, BUFFER);
    bool special = !stat(path, &st) && !S_ISREG(st.st_mode);
    if (!special) f->temp = arena_printf(ctx->perm, "%s.%ld.tmp", f->path, (long)getpid());
    if (f->temp) unlink(f->temp);
    f->fd = open(special ? f->path : f->temp,
                 O_WRONLY | O_CLOEXEC | (special ? 0 : O_CREAT | O_EXCL), mode);
    if (f->fd >= 0) return f;
    fail(f, path);
    return NULL;
}

void link_file_write(LinkFile *f, const void *data, size_t n) {
    if (!f || f->bad || !n) return;
    if (n > BUFFER - f->n) flush(f);
    if (n > BUFFER) {
        write_all(f, data, n);
        return;
    }
    memcpy(f->buffer + f->n, data, n);
    f->n += n;
}

void link_file_zeros(LinkFile *f, uint64_t bytes) {
    static const char zeros[4096];
    for (; bytes; bytes -= MIN(bytes, sizeof zeros))
        link_file_write(f, zeros, MIN(bytes, sizeof zeros));
}

/* Opens an input file unless it is the one that is open. */
static bool open_source(LinkFile *f, const char *path) {
    if (f->source && !strcmp(f->source, path)) return true;
    if (f->source_fd >= 0) close(f->source_fd);
    f->source = path;
    f->source_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->source_fd < 0) {
        fail(f, path);
        f->source = NULL;
    }
    return f->source_fd >= 0;
}

/* By read and write, where the kernel cannot copy by itself. The buffer is empty. */
static void copy_slowly(LinkFile *f, uint64_t offset, uint64_t bytes) {
    while (bytes && !f->bad) {
        ssize_t n = pread(f->source_fd, f->buffer, MIN(bytes, (uint64_t)BUFFER), (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n == 0) errno = ENODATA;
            fail(f, f->source);
            return;
        }
        write_all(f, f->buffer, (size_t)n);
        offset += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
}

static void copy_range(LinkFile *f, const LinkPart *p) {
    if (p->bytes <= BUFFER / 4) { /* small ones gather in the buffer */
        if (p->bytes > BUFFER - f->n) flush(f);
        ssize_t n = pread(f->source_fd, f->buffer + f->n, p->bytes, (off_t)p->offset);
        if (n >= 0 && (uint64_t)n == p->bytes) {
            f->n += (size_t)n;
            return;
        }
    }
    flush(f);
    off_t at = (off_t)p->offset;
    uint64_t left = p->bytes;
    while (left && !f->bad) {
        ssize_t n =
            copy_file_range(f->source_fd, &at, f->fd, NULL, MIN(left, (uint64_t)1 << 30), 0);
        if (n <= 0) break;
        left -= (uint64_t)n;
    }
    copy_slowly(f, (uint64_t)at, left);
}

void link_file_parts(LinkFile *f, LinkParts parts) {
    for (int i = 0; f && i < parts.n && !f->bad; i++) {
        const LinkPart *p = &parts.at[i];
        if (p->mem) link_file_write(f, p->mem, p->bytes);
        else if (!p->file) link_file_zeros(f, p->bytes);
        else if (open_source(f, p->file)) copy_range(f, p);
    }
}

static void close_all(LinkFile *f) {
    if (f->source_fd >= 0) close(f->source_fd);
    if (f->fd >= 0 && close(f->fd)) fail(f, f->path);
    f->fd = f->source_fd = -1;
}

bool link_file_done(LinkFile *f) {
    if (!f) return false;
    flush(f);
    close_all(f);
    if (!f->bad && f->temp && rename(f->temp, f->path)) fail(f, f->path);
    if (f->bad && f->temp) unlink(f->temp);
    return !f->bad;
}

void link_file_drop(LinkFile *f) {
    if (!f) return;
    f->bad = true; /* nothing more to say */
    close_all(f);
    if (f->temp) unlink(f->temp);
}

bool link_write_file(Ctx *ctx, const char *path, const void *data, size_t bytes) {
    LinkFile *f = link_file_open(ctx, path, 0666);
    link_file_write(f, data, bytes);
    return link_file_done(f);
}

/* Fills `to` with the next bytes of a part; false: reported. */
static bool read_part(Ctx *ctx, const LinkPart *p, uint64_t at, void *to, size_t n) {
    if (p->mem) memcpy(to, (const char *)p->mem + at, n);
    else if (!p->file) memset(to, 0, n);
    else {
        int fd = open(p->file, O_RDONLY | O_CLOEXEC);
        ssize_t k = fd < 0 ? -1 : pread(fd, to, n, (off_t)(p->offset + at));
        if (k >= 0 && (size_t)k < n) errno = ENODATA;
        if (fd >= 0) close(fd);
        if (k < 0 || (size_t)k < n)
            return diag_error(ctx, &(Loc){.file = p->file}, "%s", strerror(errno));
    }
    return true;
}

bool link_parts_hash(Ctx *ctx, LinkParts parts, uint64_t *hash) {
    unsigned char *buffer = malloc(BUFFER);
    size_t n = 0;
    bool good = buffer != NULL;
    *hash = 0;
    if (!good) die("out of memory");
    for (int i = 0; i < parts.n; i++)
        for (uint64_t at = 0; good && at < parts.at[i].bytes;) {
            size_t k = MIN(parts.at[i].bytes - at, (uint64_t)(BUFFER - n));
            good = read_part(ctx, &parts.at[i], at, buffer + n, k);
            at += k;
            n += k;
            if (n < BUFFER) continue;
            *hash = hash_bytes(buffer, n, *hash);
            n = 0;
        }
    *hash = hash_bytes(buffer, n, *hash);
    free(buffer);
    return good;
}
