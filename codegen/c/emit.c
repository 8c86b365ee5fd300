/* --emit=c: a whole program as one C99 file that needs nothing but a C compiler, memcpy and
 * memset. */
#include "codegen/c/host.h"

#include "codegen/c/paste.h"

static const char head[] =
    "/* Written by onnxcc: portable C99, all of it in this file. Compile it, for example, with\n"
    " *\n *     cc -std=c99 -O2 -c FILE.c\n *\n"
    " * and call what its header declares. No C library but memcpy and memset. Results are the "
    "bits of any\n"
    " * other build of the same program whose processor has the same fused multiply-add (or has "
    "none). */\n\n";

typedef struct Names {
    Ctx *ctx;
    VEC(const char *) at;
} Names;

static void note_call(void *user, LStmt *l) {
    Names *n = user;
    if (l->kind != L_CALL) return;
    for (int i = 0; i < n->at.n; i++)
        if (!strcmp(n->at.at[i], l->name)) return;
    vec_push(n->ctx->perm, &n->at, l->name);
}

static void flush(Str *s, FILE *out) {
    if (s->n) fwrite(s->at, 1, s->n, out);
    s->n = 0;
}

static const Loops *last_version(const Entry *e) {
    return e->versions[e->n_versions - 1];
}

static void runtime(Ctx *ctx, const Entry *entries, int n, Str *s) {
    Names calls = {.ctx = ctx};
    for (int i = 0; i < n; i++)
        lbody_each(&last_version(&entries[i])->run->body, note_call, &calls);
    paste_core(s, calls.at.at, calls.at.n);
    paste_text(s, "runtime/bind.h");
    str_char(s, '\n');
    paste_text(s, "runtime/ops.h");
}

static void entry(Ctx *ctx, Model *m, Str *s, FILE *out, const char *weights, uint64_t hash) {
    const Loops *l = last_version(m->entry);
    str_fmt(s, "\n/* ==== %s ==== */\n", m->name);
    for (int i = 0; i < l->kernels.n; i++) {
        const KernelFn *k = model_kernel(m, l->kernels.at[i]);
        KernelText text = {c_symbol(ctx->perm, k->symbol), k->may_alias};
        str_char(s, '\n');
        c_kernel(ctx, s, k->f, DIALECT_C, &text, NULL);
        flush(s, out);
    }
    c_host_bind(m, s, 1);
    c_host_run(m, s);
    c_model(m, s, weights, false, hash);
    flush(s, out);
}

/* Weights that stay outside go to OUT.weights, with the hash that the description holds. */
static bool outside(Ctx *ctx, Weights *w, const EmitOptions *o) {
    const char *dir = link_temp_dir(ctx);
    if (!dir) return false;
    bool ok = weights_pack(w, arena_printf(ctx->perm, "%s/packed", dir));
    const char *path = arena_printf(ctx->perm, "%s.weights", o->output ? o->output : "model");
    if (ok && o->output && w->bytes)
        ok = weights_file_write(ctx, path, w->hash, (LinkParts){w->parts.at, w->parts.n});
    link_temp_remove(dir);
    return ok;
}

static bool write_header(Ctx *ctx, const Model *m, int n, const EmitOptions *o) {
    const char *path = o->header;
    if (!path && (!o->output || !strcmp(o->output, "-"))) return true;
    const char *base = link_base_name(ctx->perm, o->output ? o->output : path);
    const char *slash = o->output ? strrchr(o->output, '/') : NULL;
    int dir = slash ? (int)(slash + 1 - o->output) : 0;
    if (!path) path = arena_printf(ctx->perm, "%.*s%s.h", dir, o->output, base);
    LinkEntry *entries = NEW_ARRAY(ctx->perm, LinkEntry, n);
    for (int i = 0; i < n; i++) entries[i] = m[i].link;
    return link_header(ctx, path, base, entries, n);
}

int codegen_emit_c(Ctx *ctx, const Entry *entries, int n, const EmitOptions *o, FILE *out) {
    Weights w;
    for (int i = 0; i < n; i++)
        if (program_calls(entries[i].plan->program, "image_")) {
            diag_error(ctx, NULL, "ImageDecoder has no portable C: images are decoded by libraries "
                                  "of a hosted system");
            return 1;
        }
    bool embed = !o->weights || !strcmp(o->weights, "embed");
    if (!weights_place(ctx, entries, n, &w) || (!embed && !outside(ctx, &w, o))) return 1;
    Model *m = NEW_ARRAY(ctx->perm, Model, n);
    const char *weights =
        w.bytes && embed ? arena_printf(ctx->perm, "%s_weights", entries[0].name) : NULL;
    Str s = str_new(ctx->perm);
    str_add(&s, head);
    runtime(ctx, entries, n, &s);
    flush(&s, out);
    if (weights) c_weights(&w, out, weights);
    for (int i = 0; i < n; i++) {
        model_begin(&m[i], ctx, &entries[i], &w);
        m[i].triple = "c";
        entry(ctx, &m[i], &s, out, weights, w.hash);
    }
    if (fflush(out) || ferror(out)) {
        diag_error(ctx, NULL, "%s: cannot be written", o->output ? o->output : "standard output");
        return 1;
    }
    return write_header(ctx, m, n, o) ? 0 : 1;
}
