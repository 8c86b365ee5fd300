/* The kernels of a program compiled for several architectures. Their text is cut into pieces, so
 * that the processors share the work of one architecture, too; where the cuts are depends on the
 * text alone. Each piece for each architecture is a process, or comes from the cache. */
#include "codegen/cache.h"
#include "codegen/cuda/cuda.h"
#include "codegen/workers.h"

#include <stdlib.h>

/* A piece has no more text than this, or one kernel: about half a second of NVRTC, against which
 * its start and the common head of all pieces are small. */
enum { PIECE_BYTES = 12 << 10 };

typedef struct Task {
    int piece;
    size_t text; /* bytes of its source */
    const char *arch;
    int cubin, ptx; /* indices of the targets that get its results; -1: none */
    char name[CACHE_NAME];
    Str result;
} Task;
typedef struct Build {
    Ctx *ctx;
    const CudaText *text;
    const EmitOptions *o;
    const CudaArchs *archs;
    CudaBuild *out;
    Cache cache, results; /* what outlives the process, and what its children leave */
    const char **source; /* per piece */
    VEC(Task) tasks;
    VEC(Task *) missing; /* in the cache */
} Build;

/* ---- pieces ---- */
static void cut(Build *b, bool whole) {
    const CudaText *t = b->text;
    CudaBuild *out = b->out;
    size_t bytes = 0;
    out->first = NEW_ARRAY(b->ctx->perm, int, t->launches.n + 2);
    for (int i = 0; i < t->launches.n; i++) {
        size_t more = t->launches.at[i].device.n;
        bool full = !whole && bytes + more > PIECE_BYTES;
        if (!i || full) out->first[out->n_pieces++] = i, bytes = 0;
        bytes += more;
    }
    out->n_pieces = MAX(out->n_pieces, 1);
    out->first[out->n_pieces] = t->launches.n;
    b->source = NEW_ARRAY(b->ctx->perm, const char *, out->n_pieces);
    for (int i = 0; i < out->n_pieces; i++) {
        Str s = str_new(b->ctx->perm);
        cuda_text_device(&s, t, out->first[i], out->first[i + 1]);
        b->source[i] = str_c(&s);
    }
}

/* ---- tasks ---- */
static int target_of(const Build *b, const char *arch) {
    for (int i = 0; i < b->out->n_targets; i++)
        if (!strcmp(b->out->target[i].arch, arch)) return i;
    return -1;
}

static void add_tasks(Build *b, int target) {
    Ctx *ctx = b->ctx;
    Task t = {.arch = b->out->target[target].arch, .cubin = target};
    if (cuda_is_by_the_way(b->archs, t.arch)) return;
    t.ptx = target_of(b, arena_printf(ctx->perm, "compute_%s", strchr(t.arch, '_') + 1));
    if (t.ptx == target) t.cubin = -1;
    Sha256 common;
    cache_key_begin(&common);
    nvrtc_key(ctx, &common, t.arch);
    cache_key_text(&common, t.ptx >= 0 ? "with PTX" : "without");
    for (t.piece = 0; t.piece < b->out->n_pieces; t.piece++) {
        Sha256 key = common;
        t.text = strlen(b->source[t.piece]);
        cache_key_text(&key, b->source[t.piece]);
        cache_key_end(&key, t.name);
        vec_push(ctx->perm, &b->tasks, t);
    }
}

/* The longest text first, so that no process is left alone with much work at the end. */
static int by_text(const void *x, const void *y) {
    const Task *a = *(Task *const *)x, *b = *(Task *const *)y;
    if (a->text != b->text) return a->text > b->text ? -1 : 1;
    return a < b ? -1 : a > b; /* of one array */
}

/* ---- results: how long each part is, then the parts ---- */
enum { LOG, CUBIN, PTX, PARTS };

static void pack(Str *s, const NvrtcResult *r) {
    const CudaCode parts[PARTS] = {{r->log, strlen(r->log)}, r->cubin, r->ptx};
    uint64_t bytes[PARTS];
    for (int i = 0; i < PARTS; i++) bytes[i] = parts[i].bytes;
    str_addn(s, (const char *)bytes, sizeof bytes);
    for (int i = 0; i < PARTS; i++) str_addn(s, parts[i].at, parts[i].bytes);
}

static bool parts_of(const Task *t, CudaCode parts[PARTS]) {
    uint64_t bytes[PARTS], at = sizeof bytes;
    if (t->result.n < sizeof bytes) return false;
    memcpy(bytes, t->result.at, sizeof bytes);
    for (int i = 0; i < PARTS; i++) {
        if (bytes[i] > t->result.n - at) return false;
        parts[i] = (CudaCode){t->result.at + at, bytes[i]};
        at += bytes[i];
    }
    return at == t->result.n;
}

static void unpack(Build *b, const Task *t) {
    CudaCode parts[PARTS];
    CHECK(parts_of(t, parts));
    if (t->ptx >= 0) b->out->target[t->ptx].code[t->piece] = parts[PTX];
    if (t->cubin < 0) return;
    CudaTarget *target = &b->out->target[t->cubin];
    target->code[t->piece] = parts[CUBIN];
    const char *log = arena_strn(b->ctx->perm, parts[LOG].at, parts[LOG].bytes);
    cuda_parse_log(b->ctx, log, &target->uses);
}

/* ---- in the processes ---- */
static int compile_piece(void *user, int i, char *doing) {
    Build *b = user;
    const Task *t = b->missing.at[i];
    const int *kernels = &b->out->first[t->piece];
    NvrtcResult result;
    Str s = str_new(b->ctx->perm);
    snprintf(doing, WORKERS_DOING, "kernels %d..%d for %s", kernels[0], kernels[1] - 1, t->arch);
    if (!nvrtc_compile(b->ctx, b->source[t->piece], t->arch, t->ptx >= 0, &result)) return 1;
    pack(&s, &result);
    cache_write(&b->cache, t->name, s.at, s.n);
    cache_write(&b->results, t->name, s.at, s.n);
    return 0;
}

/* ---- all ---- */
static bool look_up(const Cache *c, Task *t) {
    CudaCode parts[PARTS];
    t->result = str_new(c->ctx->perm);
    return cache_read(c, t->name, &t->result) && parts_of(t, parts);
}

/* What an earlier build of this process has made. */
static bool remembered(const Build *b, Task *t) {
    const Str *result = b->o->results ? map_get(b->o->results, t->name) : NULL;
    if (result) t->result = *result;
    return result;
}

static void remember(const Build *b) {
    for (int i = 0; i < b->tasks.n && b->o->results; i++)
        map_set(b->o->results, b->tasks.at[i].name, &b->tasks.at[i].result);
}

static bool compile_missing(Build *b) {
    char died[WORKERS_DOING];
    qsort(b->missing.at, (size_t)b->missing.n, sizeof *b->missing.at, by_text);
    bool ok = !workers_run(b->ctx, b->o->jobs, b->missing.n, compile_piece, b, died);
    if (died[0])
        diag_error(b->ctx, NULL, "NVRTC died while compiling %s; please report the model", died);
    for (int i = 0; i < b->missing.n && ok; i++)
        if (!look_up(&b->results, b->missing.at[i]))
            ok = diag_error(b->ctx, &(Loc){.file = b->results.dir}, "kernels cannot be written");
    cache_trim(&b->cache, cache_most);
    return ok;
}

/* Of the pieces that this process sees for the first time. */
static void say_pieces(const Build *b, const char *arch, int fresh) {
    int cached = fresh;
    for (int i = 0; i < b->missing.n; i++) cached -= b->missing.at[i]->arch == arch;
    if (fresh)
        fprintf(stderr, "onnxcc: %s: %d piece%s of kernels, %d from the cache\n", arch, fresh,
                fresh == 1 ? "" : "s", cached);
}

/* Finds results that are there; what is left is missing. */
static void look_up_all(Build *b) {
    int fresh = 0;
    for (int i = 0; i < b->tasks.n; i++) {
        Task *t = &b->tasks.at[i];
        bool known = remembered(b, t);
        fresh += !known;
        if (!known && !look_up(&b->cache, t)) vec_push(b->ctx->perm, &b->missing, t);
        if (t->piece + 1 < b->out->n_pieces) continue;
        if (b->o->verbose) say_pieces(b, t->arch, fresh);
        fresh = 0;
    }
}

bool cuda_build(Ctx *ctx, const CudaText *text, const CudaArchs *archs, bool whole,
                const EmitOptions *o, const char *dir, CudaBuild *out) {
    int n = archs->n;
    Build b = {.ctx = ctx, .text = text, .archs = archs, .o = o, .out = out};
    b.cache = cache_open(ctx, o->no_cache);
    b.results = (Cache){ctx, dir};
    *out = (CudaBuild){.target = NEW_ARRAY(ctx->perm, CudaTarget, n), .n_targets = n};
    cut(&b, whole);
    for (int i = 0; i < n; i++) {
        out->target[i].arch = archs->at[i];
        out->target[i].code = NEW_ARRAY(ctx->perm, CudaCode, out->n_pieces);
    }
    for (int i = 0; i < n; i++) add_tasks(&b, i);
    look_up_all(&b);
    if (b.missing.n && !compile_missing(&b)) return false;
    remember(&b);
    for (int i = 0; i < b.tasks.n; i++) unpack(&b, &b.tasks.at[i]);
    return true;
}
