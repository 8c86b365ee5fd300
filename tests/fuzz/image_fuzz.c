/* Decoders of images on bytes that libFuzzer makes (docs/testing.md has the command). */
#include "runtime/image/image.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_PIXELS = 4000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    int64_t size[2] = {0, 0};
    uint8_t *copy = malloc(n + !n); /* of exactly this size: reads beyond it are seen */
    if (n) memcpy(copy, data, n);
    int code = onnxcc_call_image_size(NULL, (void *[]){copy, size}, (int64_t[]){(int64_t)n});
    if (!code && size[0] <= MOST_PIXELS && size[1] <= MOST_PIXELS / size[0]) {
        uint8_t *pixels = malloc(3 * (size_t)(size[0] * size[1]));
        int64_t args[] = {(int64_t)n, n % 3, size[0], size[1]};
        onnxcc_call_image_pixels(NULL, (void *[]){copy, pixels}, args);
        free(pixels);
    }
    free(copy);
    return 0;
}
