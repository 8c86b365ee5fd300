/* Outputs whose size the data decides, from C: the model of nonzero.onnx. */
#include "nonzero.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
#define EXPECT(cond)                                                                               \
    ((cond) ? (void)0                                                                              \
            : (void)(failures++, fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond)))

enum { ROWS = 3, COLUMNS = 4 };
static const float x[ROWS * COLUMNS] = {0, 1, 0, 2, 0, 0, 3, 0, 0, 0, 0, 4};
static const int64_t rows[] = {0, 0, 1, 2}, columns[] = {1, 3, 2, 3};
static _Alignas(nonzero_ARENA_ALIGN) char arena[1 << 16];
static nonzero_ctx ctx;

static int run(nonzero_outputs *out, const float *data, size_t bytes) {
    nonzero_dims dims = {.N = ROWS, .M = COLUMNS};
    nonzero_inputs in = {.x = data};
    return nonzero_run(&ctx, &in, out, &dims, arena, bytes);
}

static void check(const nonzero_outputs *out) {
    EXPECT(out->where.shape[0] == 2 && out->where.shape[1] == 4 && out->what.shape[0] == 4);
    for (int i = 0; i < 4; i++) {
        EXPECT(out->where.data[i] == rows[i] && out->where.data[4 + i] == columns[i]);
        EXPECT(out->what.data[i] == (float)(i + 1));
    }
}

int main(void) {
    EXPECT(!nonzero_open(&ctx, NULL));

    nonzero_outputs in_arena = {.arena_needed = 0}; /* NULL: they come to lie in the arena */
    EXPECT(!run(&in_arena, x, sizeof arena));
    check(&in_arena);
    EXPECT((char *)in_arena.where.data >= arena &&
           (char *)in_arena.where.data < arena + sizeof arena);

    int64_t where[8];
    float what[5] = {0, 0, 0, 0, 77};
    nonzero_outputs ours = {.where = {.data = where, .capacity = 8},
                            .what = {.data = what, .capacity = 4}};
    EXPECT(!run(&ours, x, sizeof arena));
    check(&ours);
    EXPECT(ours.where.data == where && ours.what.data == what && what[4] == 77);

    int64_t few[8] = {7, 7, 7, 7, 7, 7, 7, 7}; /* room for 7 of 8 */
    nonzero_outputs small = {.where = {.data = few, .capacity = 7}};
    int code = run(&small, x, sizeof arena);
    EXPECT(ONNXCC_KIND(code) == ONNXCC_E_CAPACITY && ONNXCC_INDEX(code) == 0);
    EXPECT(small.where.shape[0] == 2 && small.where.shape[1] == 4 && few[7] == 7);
    char text[200];
    nonzero_explain(code, text, sizeof text);
    EXPECT(strstr(text, "where"));

    static const float zeros[ROWS * COLUMNS];
    nonzero_outputs none = {.arena_needed = 0};
    EXPECT(!run(&none, zeros, sizeof arena));
    EXPECT(none.where.shape[0] == 2 && none.where.shape[1] == 0 && none.what.shape[0] == 0);

    nonzero_outputs tight = {.arena_needed = 0}; /* what is needed is said, and is enough */
    size_t bytes = 0;
    for (int i = 0; i < 8; i++) {
        memset(&tight, 0, sizeof tight);
        code = run(&tight, x, bytes);
        if (ONNXCC_KIND(code) != ONNXCC_E_ARENA) break;
        EXPECT(tight.arena_needed > bytes);
        bytes = tight.arena_needed;
    }
    EXPECT(!code);
    check(&tight);
    nonzero_close(&ctx);
    return failures != 0;
}
