/* libFuzzer's entry to the loader and the importer: any bytes give a graph or messages, and nothing
 * else. Build: clang-19 -fsanitize=fuzzer,address,undefined with ir/ and frontend/, and
 * heap_arena.c for ir/arena.c. */
#include "frontend/frontend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Ctx *ctx = ctx_new();
    ctx->log = NULL;
    Model *m = model_from_memory(ctx, data, size);
    Graph *g = m ? model_import(m, NULL) : NULL;
    if (g) CHECK(graph_verify(g, "import"));
    model_close(m);
    ctx_free(ctx);
    return 0;
}
