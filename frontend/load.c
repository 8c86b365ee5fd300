/* Opening a model: map the file, walk over its wire format, unpack what the walk left (model.h). */
#include "frontend/model.h"
#include "frontend/wire.h"

#include <sys/mman.h>

/* protobuf-c allocates from the model's arena and frees nothing. */
static void *take(void *arena, size_t bytes) {
    return arena_alloc(arena, bytes);
}

static void keep(void *arena, void *block) {
    (void)arena, (void)block;
}

static bool unpack(Model *m) {
    Arena *scratch = arena_new();
    WireImage image;
    bool ok = wire_compact(m->ctx, scratch, m->file.data, m->file.size, &image);
    if (ok) {
        ProtobufCAllocator allocator = {take, keep, m->arena};
        m->proto = onnx__model_proto__unpack(&allocator, image.size, image.data);
        if (!m->proto) ok = diag_error(m->ctx, NULL, "not an ONNX model: its messages are broken");
    }
    arena_free(scratch);
    if (ok && !m->proto->graph)
        ok = diag_error(m->ctx, NULL, "not an ONNX model: there is no graph in it");
    return ok;
}

static Model *model_new(Ctx *ctx) {
    Arena *arena = arena_new();
    Model *m = NEW(arena, Model);
    m->ctx = ctx;
    m->arena = arena;
    return m;
}

static Model *unpack_or_close(Model *m) {
    if (unpack(m)) return m;
    model_close(m);
    return NULL;
}

Model *model_open(Ctx *ctx, const char *path) {
    Model *m = model_new(ctx);
    m->path = arena_str(m->arena, path);
    if (!map_file(ctx, NULL, m->arena, path, &m->file)) {
        model_close(m);
        return NULL;
    }
    return unpack_or_close(m);
}

Model *model_from_memory(Ctx *ctx, const void *data, size_t size) {
    Model *m = model_new(ctx);
    m->file.data = data;
    m->file.size = size;
    return unpack_or_close(m);
}

static void unmap(const MappedFile *f) {
    if (f->size) munmap((void *)(uintptr_t)f->data, f->size);
}

void model_close(Model *m) {
    if (!m) return;
    if (m->path) unmap(&m->file);
    for (MappedFile *f = m->external; f; f = f->next) unmap(f);
    arena_free(m->arena);
}
