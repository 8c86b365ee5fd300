/* The model ragged as a library: a sequence in, sequences out, items that are wrong. */
#include "ragged.h"

#include <stdio.h>
#include <stdlib.h>

#define EXPECT(what)                                                                               \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            printf("line %d: not so: %s\n", __LINE__, #what);                                      \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

/* One run with as much memory as it asks for. */
static int run(ragged_ctx *ctx, ragged_inputs *in, ragged_outputs *out, const ragged_dims *dims,
               void **arena) {
    size_t bytes = ragged_arena_bytes(dims, 1);
    for (;;) {
        free(*arena);
        if (posix_memalign(arena, ragged_ARENA_ALIGN, bytes)) return -1;
        int error = ragged_run(ctx, in, out, dims, *arena, bytes);
        if (ONNXCC_KIND(error) != ONNXCC_E_ARENA) return error;
        bytes = out->arena_needed;
    }
}

int main(void) {
    static const float first[8] = {0, 1, 2, 3, 4, 5, 6, 7}, extra[4] = {8, 9, 10, 11};
    int64_t at = 0, two[2] = {2, 4}, bad[2] = {-2, 4};
    struct onnxcc_item item = {first, two, 1, 2};
    struct onnxcc_sequence items = {&item, 1, 1};
    ragged_dims dims = {1};
    ragged_ctx ctx;
    ragged_inputs in = {&items, extra, &at};
    static ragged_outputs out;
    int64_t count = -1;
    void *arena = NULL;
    char text[200];
    out.count = &count;
    EXPECT(!ragged_open(&ctx, NULL));
    EXPECT(!run(&ctx, &in, &out, &dims, &arena));
    EXPECT(out.more.count == 2 && out.more.items[0].shape[0] == 2);
    EXPECT(((const float *)out.more.items[1].data)[3] == 11);
    EXPECT(count == 3 && out.lines.count == 3);
    EXPECT(out.lines.items[2].rank == 1 && ((const float *)out.lines.items[2].data)[0] == 8);
    EXPECT(out.picked.shape[0] == 2 && out.picked.data[7] == 7);
    EXPECT(out.fewer.count == 1 && out.joined.shape[0] == 3);
    in.items = NULL; /* none */
    out.picked.data = out.joined.data = NULL;
    EXPECT(!run(&ctx, &in, &out, &dims, &arena) && out.more.count == 1 && !out.fewer.count);
    in.items = &items;
    item.shape = bad;
    EXPECT(ONNXCC_KIND(run(&ctx, &in, &out, &dims, &arena)) == ONNXCC_E_ITEM);
    ragged_explain(ONNXCC_CODE(ONNXCC_E_ITEM, 0, 0), text, sizeof text);
    EXPECT(text[0] == 'i' && text[7] == 'i');
    item.shape = two;
    item.data = NULL;
    EXPECT(ONNXCC_KIND(run(&ctx, &in, &out, &dims, &arena)) == ONNXCC_E_ITEM);
    item.data = first;
    item.dtype = 6; /* another type than the model's: found where it is read */
    EXPECT(ONNXCC_KIND(run(&ctx, &in, &out, &dims, &arena)) == ONNXCC_E_FAULT);
    ragged_close(&ctx);
    free(arena);
    return 0;
}
