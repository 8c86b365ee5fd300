/* Runs the compiled transformer once and compares with ONNX Runtime. Freestanding: no C library.
 * Exit code: 0 as expected, 1 an error of the library, 2 other results, 3 an id out of range was
 * accepted. */
#include "tiny_transformer.h"
#include "tiny_transformer_data.h"

enum { BATCH = 2, LENGTH = 8 };
#if defined(__GNUC__)
#define ALIGNED __attribute__((aligned(tiny_transformer_ARENA_ALIGN)))
#endif
static char arena[256 << 10] ALIGNED;
static float logits[sizeof data_logits / sizeof *data_logits];

static int same(const float *a, const float *b, int n) {
    for (int i = 0; i < n; i++) {
        float d = a[i] - b[i], size = b[i] < 0 ? -b[i] : b[i];
        if (!((d < 0 ? -d : d) <= 1e-5f + 1e-4f * size)) return 0;
    }
    return 1;
}

int main(void) {
    tiny_transformer_ctx ctx;
    tiny_transformer_dims dims = {.batch = BATCH, .length = LENGTH};
    tiny_transformer_inputs in = {.ids = data_ids, .mask = data_mask};
    tiny_transformer_outputs out = {.logits = logits};
    if (tiny_transformer_arena_bytes(&dims, 1) > sizeof arena || tiny_transformer_open(&ctx, NULL))
        return 1;
    for (int i = 0; i < 2; i++)
        if (tiny_transformer_run(&ctx, &in, &out, &dims, arena, sizeof arena)) return 1;
    if (!same(logits, data_logits, sizeof logits / sizeof *logits)) return 2;
    int64_t ids[BATCH * LENGTH] = {0};
    ids[3] = 4000;
    in.ids = ids;
    int code = tiny_transformer_run(&ctx, &in, &out, &dims, arena, sizeof arena);
    tiny_transformer_close(&ctx);
    return ONNXCC_KIND(code) == ONNXCC_E_FAULT ? 0 : 3;
}
