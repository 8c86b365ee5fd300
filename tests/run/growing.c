/* A loop whose carried value grows, from C: the model of loop_append.onnx in an arena that is too
 * small at first. */
#include "growing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
#define EXPECT(cond)                                                                               \
    ((cond) ? (void)0                                                                              \
            : (void)(failures++, fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond)))

enum { SIZE = 5 };
static const float x[SIZE] = {1, 2, 3, 4, 5};
static growing_ctx ctx;

static int run(growing_outputs *out, int64_t rounds, void *arena, size_t bytes) {
    growing_dims dims = {.k = SIZE};
    growing_inputs in = {.n = &rounds, .x = x};
    memset(out, 0, sizeof *out);
    return growing_run(&ctx, &in, out, &dims, arena, bytes);
}

/* Asks for more until it is enough; returns how often it was not. What a run says is needed is what
 * it knows by then, so that a loop may ask more than once. */
static int grow(int64_t rounds) {
    growing_outputs out;
    size_t bytes = 0;
    int asked = 0, code;
    char *arena = NULL;
    while ((code = run(&out, rounds, arena, bytes)) != 0 && asked < 1000) {
        EXPECT(ONNXCC_KIND(code) == ONNXCC_E_ARENA && out.arena_needed > bytes);
        if (ONNXCC_KIND(code) != ONNXCC_E_ARENA || out.arena_needed <= bytes) break;
        free(arena);
        bytes = (out.arena_needed + growing_ARENA_ALIGN - 1) / growing_ARENA_ALIGN *
                growing_ARENA_ALIGN;
        arena = aligned_alloc(growing_ARENA_ALIGN, bytes);
        if (!arena) exit(1);
        asked++;
    }
    EXPECT(!code);
    if (!code) {
        EXPECT(out.y.shape[0] == rounds * SIZE && out.z.shape[0] == rounds && out.z.shape[1] == 2);
        for (int64_t i = 0; i < rounds * SIZE; i++) EXPECT(out.y.data[i] == x[i % SIZE]);
        for (int64_t i = 0; i < 2 * rounds; i++)
            EXPECT(out.z.data[i] == (float)((i / 2 + 1) * SIZE));
    }
    free(arena);
    return asked;
}

int main(void) {
    EXPECT(!growing_open(&ctx, NULL));
    EXPECT(grow(0) < 1000);
    EXPECT(grow(1) > 0);
    EXPECT(grow(300) > 0);
    growing_close(&ctx);
    return failures != 0;
}
