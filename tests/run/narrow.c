/* Calls the model narrow.onnx as a library: float8 in bytes, what is smaller packed, low bits
 * first. The bytes are worked out by hand. */
#include "narrow.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void same(const char *what, const uint8_t *got, const char *want, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (got[i] != (uint8_t)want[i]) {
            printf("%s[%zu] is %#x, not %#x\n", what, i, got[i], (uint8_t)want[i]);
            failures++;
        }
}

int main(void) {
    static const uint8_t q[] = {0x98, 0x0a};       /* -8, -7, -6 */
    static const uint8_t e[] = {0x3c, 0x7b, 0xc0}; /* 1, 57344, -2 */
    static const uint8_t t[] = {0x63, 0x03};       /* 3, 0, 2, 1, 3 */
    static const float x[] = {1, -2, 3.2f};
    /* What lies behind an output must stay as it is. */
    uint8_t turned[3], f8[4], u4[3], f4[3], wider[3], up[4];
    float y[5];
    narrow_ctx ctx;
    narrow_dims dims = {1};
    narrow_inputs in = {q, e, x, t};
    narrow_outputs out = {turned, f8, y, u4, f4, wider, up, 0};
    size_t bytes = narrow_arena_bytes(&dims, 1);
    void *arena = aligned_alloc(narrow_ARENA_ALIGN, bytes);
    memset(turned, 0x55, 3), memset(f8, 0x55, 4), memset(u4, 0x55, 3), memset(f4, 0x55, 3);
    memset(wider, 0x55, 3), memset(up, 0x55, 4);
    int error = arena ? narrow_open(&ctx, NULL) : 1;
    if (!error) error = narrow_run(&ctx, &in, &out, &dims, arena, bytes);
    if (error) return printf("error %d\n", error), 1;
    same("turned", turned, "\x98\x0a\x55", 3);
    same("f8", f8, "\x38\x7e\xc0\x55", 4); /* 1, 448 (the largest), -2 */
    same("u4", u4, "\x02\x06\x55", 3);     /* 2, 0 (limited), 6 */
    same("f4", f4, "\xe4\x07\x55", 3);     /* 2, -4, 6 (limited) */
    same("wider", wider, "\x8c\x0d\x55", 3); /* 0, 3, 0, 2, 1, 3, 0, 0 */
    same("up", up, "\x7f\x80\x81\x55", 4); /* 2^0, 2^1, 2^2 */
    narrow_close(&ctx);
    free(arena);
    return failures != 0;
}
