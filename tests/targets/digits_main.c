/* Runs the compiled digits network once and compares with ONNX Runtime. Freestanding: no C library.
 * Exit code: 0 as expected, 1 an error of the library, 2 other results. */
#include "digits.h"
#include "digits_data.h"

#if defined(__GNUC__)
#define ALIGNED __attribute__((aligned(digits_ARENA_ALIGN)))
#endif
static char arena[64 << 10] ALIGNED;
static float logits[sizeof data_logits / sizeof *data_logits];

static int same(const float *a, const float *b, int n) {
    for (int i = 0; i < n; i++) {
        float d = a[i] - b[i], size = b[i] < 0 ? -b[i] : b[i];
        if (!((d < 0 ? -d : d) <= 1e-5f + 1e-4f * size)) return 0;
    }
    return 1;
}

int main(void) {
    digits_ctx ctx;
    digits_dims dims = {.N = 1};
    digits_inputs in = {.images = data_images};
    digits_outputs out = {.logits = logits};
    if (digits_arena_bytes(&dims, 1) > sizeof arena || digits_open(&ctx, NULL)) return 1;
    for (int i = 0; i < 2; i++)
        if (digits_run(&ctx, &in, &out, &dims, arena, sizeof arena)) return 1;
    digits_close(&ctx);
    return same(logits, data_logits, sizeof logits / sizeof *logits) ? 0 : 2;
}
