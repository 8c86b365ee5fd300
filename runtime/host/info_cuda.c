/* --info of a program for NVIDIA GPUs: what each kernel needs of the chip, by architecture. */
#include "../cuda.h"
#include "host.h"

struct view {
    const struct onnxcc_cuda_image *image;
    const struct onnxcc_cuda_kernel *kernel;
    const struct onnxcc_cuda_binary *binary;
};

static const void *in_image(const struct view *v, int32_t at) {
    return (const char *)v->image + at;
}

static struct view view_of(const void *image) {
    struct view v = {.image = image};
    v.kernel = in_image(&v, v.image->kernels);
    v.binary = in_image(&v, v.image->binaries);
    return v;
}

static void json_binary(const struct view *v, const struct onnxcc_cuda_binary *b) {
    const struct onnxcc_cuda_use *u = in_image(v, b->uses);
    printf("{\"arch\": \"%s\", \"kernels\": [", b->name);
    for (int i = 0; i < v->image->n_kernels && b->uses; i++)
        printf("%s{\"name\": \"%s\", \"threads\": %d, \"registers\": %d, \"stack\": %d, "
               "\"shared\": %d, \"spill_stores\": %d, \"spill_loads\": %d}",
               i ? ", " : "", (const char *)in_image(v, v->kernel[i].name), v->kernel[i].threads,
               u[i].registers, u[i].stack, u[i].shared + v->kernel[i].shared, u[i].spill_stores,
               u[i].spill_loads);
    printf("]}");
}

void info_cuda_json(const void *image) {
    struct view v = view_of(image);
    printf(", \"gpu\": [");
    for (int i = 0; i < v.image->n_binaries; i++) {
        if (i) printf(", ");
        json_binary(&v, &v.binary[i]);
    }
    printf("]");
}

static void print_binary(const struct view *v, const struct onnxcc_cuda_binary *b) {
    const struct onnxcc_cuda_use *u = in_image(v, b->uses);
    printf("%-8s %s\n", "gpu", b->name);
    if (!b->uses) return;
    printf("  %-40s threads registers  stack  shared spills\n", "");
    for (int i = 0; i < v->image->n_kernels; i++)
        printf("  %-40s %7d %9d %6d %7d %6d\n", (const char *)in_image(v, v->kernel[i].name),
               v->kernel[i].threads, u[i].registers, u[i].stack, u[i].shared + v->kernel[i].shared,
               u[i].spill_stores + u[i].spill_loads);
}

void info_cuda(const void *image) {
    struct view v = view_of(image);
    for (int i = 0; i < v.image->n_binaries; i++) print_binary(&v, &v.binary[i]);
}
