/* The model words as a library or as portable C: strings in and out. */
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(what)                                                                               \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            printf("line %d: not so: %s\n", __LINE__, #what);                                      \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static int is(struct onnxcc_string s, const char *text) {
    return s.size == strlen(text) && !memcmp(s.data, text, s.size);
}

int main(void) {
    static const struct onnxcc_string in_words[2] = {{"und", 3}, {"Ab", 2}};
    static const float numbers[2] = {0.5f, -3};
    struct onnxcc_string joined[2], chosen[2], texts[2], picked[2];
    uint8_t plain[2], same[2];
    int64_t counts[2];
    float back[2];
    words_dims dims = {2};
    words_ctx ctx;
    words_inputs in = {in_words, numbers};
    static words_outputs out;
    size_t bytes = words_arena_bytes(&dims, 1);
    void *arena = NULL;
    int error, tries = 0;
    out.joined = joined, out.chosen = chosen, out.texts = texts, out.picked = picked;
    out.plain = plain, out.same = same, out.counts = counts, out.back = back;
    EXPECT(!words_open(&ctx, NULL));
    do {
        free(arena);
        EXPECT(!posix_memalign(&arena, words_ARENA_ALIGN, bytes));
        out.parts.data = out.normal.data = NULL;
        error = words_run(&ctx, &in, &out, &dims, arena, bytes);
        bytes = out.arena_needed;
    } while (ONNXCC_KIND(error) == ONNXCC_E_ARENA && ++tries < 20);
    EXPECT(!error);
    EXPECT(is(joined[0], "und-x") && is(joined[1], "Ab-x"));
    EXPECT(plain[0] && !plain[1] && same[0] && !same[1]);
    EXPECT(is(chosen[0], "und") && is(chosen[1], "(ohne)"));
    EXPECT(is(texts[0], "0.5") && is(texts[1], "-3.0") && back[0] == 0.5f && back[1] == -3);
    EXPECT(counts[0] == 2 && out.parts.shape[1] == 2 && is(out.parts.data[3], "x"));
    EXPECT(out.normal.shape[0] == 1 && is(out.normal.data[0], "ab"));
    EXPECT(is(picked[0], "-3.0") && is(picked[1], "0.5"));
    words_close(&ctx);
    free(arena);
    return 0;
}
