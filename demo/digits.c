/* Reads handwritten digits with a network that onnxcc compiled into a static library:
 *
 *     onnxcc demo/digits.onnx --emit=staticlib -o build/demo/libdigits.a  # and digits.h beside it
 *     cc -std=c99 -Ibuild/demo demo/digits.c build/demo/libdigits.a -lm -o build/demo/digits_c
 *     build/demo/digits_c demo/digits */
#include "digits.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { IMAGES = 20, RUNS = 500, PER_ROW = 5 };
static float images[IMAGES][8][8], logits[IMAGES][10];
static unsigned char labels[IMAGES];

/* The values of an .npy file, behind its header of 128 bytes. */
static void load(const char *folder, const char *name, void *values, size_t bytes)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 128, SEEK_SET) || fread(values, bytes, 1, file) != 1)
        exit(fprintf(stderr, "%s: cannot be read\n", path) > 0);
    fclose(file);
}

static int answer(int image)
{
    int best = 0;
    for (int d = 1; d < 10; d++)
        if (logits[image][d] > logits[image][best]) best = d;
    return best;
}

static void draw(int first)
{
    for (int y = 0; y < 8; y++, putchar('\n'))
        for (int x = 0; x < PER_ROW * 8; x++) {
            char c = " .:-=+*#%@"[(int)(images[first + x / 8][y][x % 8] * 9.5f)];
            putchar(c), putchar(c);
        }
    for (int i = first; i < first + PER_ROW; i++)
        printf("      -> %d  %-4s", answer(i), answer(i) == labels[i] ? "" : "no!");
    puts("\n");
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "demo/digits";
    load(folder, "images.npy", images, sizeof images);
    load(folder, "labels.npy", labels, sizeof labels);

    digits_ctx ctx; /* the library allocates nothing: context, tensors and arena are ours */
    digits_dims dims = {.N = IMAGES};
    digits_inputs in = {.images = &images[0][0][0]};
    digits_outputs out = {.logits = &logits[0][0]};
    size_t bytes = digits_arena_bytes(&dims, 1);
    char *memory = malloc(bytes + digits_ARENA_ALIGN);
    char *arena = memory + digits_ARENA_ALIGN - (uintptr_t)memory % digits_ARENA_ALIGN;

    int error = memory ? digits_open(&ctx, NULL) : 1;
    clock_t start = clock();
    for (int i = 0; i < RUNS && !error; i++)
        error = digits_run(&ctx, &in, &out, &dims, arena, bytes);
    double us = (double)(clock() - start) / CLOCKS_PER_SEC * 1e6 / (RUNS * IMAGES);
    if (error) {
        char text[256];
        digits_explain(error, text, sizeof text);
        return fprintf(stderr, "digits: %s\n", text) > 0;
    }

    int right = 0;
    for (int i = 0; i < IMAGES; i++) right += answer(i) == labels[i];
    for (int i = 0; i < IMAGES; i += PER_ROW) draw(i);
    printf("%d of %d right, %.1f us per image, arena of %zu bytes\n", right, IMAGES, us, bytes);
    digits_close(&ctx);
    free(memory);
    return right < IMAGES;
}
