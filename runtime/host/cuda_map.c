/* Tensor maps: what a kernel that copies boxes of a tensor is told of it. They are made anew for
 * every launch, which takes less time than to look for those of an earlier one; a run that is
 * replayed holds them. */
#include "cuda_state.h"

#include <string.h>

enum { NO_INTERLEAVE = 0, L2_128_BYTES = 2, FILL_ZEROS = 0 };

/* CUtensorMapSwizzle: of rows of 32, 64, 128 bytes */
static int swizzle_of(int row) {
    return row == 32 ? 1 : row == 64 ? 2 : row == 128 ? 3 : 0;
}

static int make_map(struct cuda *c, const struct onnxcc_cuda_map *m, void *buf, const int64_t *n,
                    struct cuda_map *map) {
    uint64_t extents[ONNXCC_CUDA_MAP_DIMS], strides[ONNXCC_CUDA_MAP_DIMS];
    uint32_t size[ONNXCC_CUDA_MAP_DIMS], steps[ONNXCC_CUDA_MAP_DIMS];
    char *address = (char *)buf + *n++ * m->bytes;
    for (int d = 0; d < m->n_dims; d++) {
        extents[d] = (uint64_t)n[2 * d];
        strides[d] = (uint64_t)n[2 * d + 1] * (uint64_t)m->bytes;
        size[d] = (uint32_t)m->size[d];
        steps[d] = 1;
    }
    return c->d.tensor_map(map, m->type, (uint32_t)m->n_dims, address, extents, strides + 1, size,
                           steps, NO_INTERLEAVE, swizzle_of(m->size[0] * m->bytes), L2_128_BYTES,
                           FILL_ZEROS);
}

int cuda_maps(struct cuda *c, const struct onnxcc_cuda_kernel *k, void *const *bufs,
              const int64_t *numbers, struct cuda_map *maps) {
    const struct onnxcc_cuda_map *m = (const void *)((const char *)c->image + k->maps);
    memset(maps, 0, sizeof *maps * (size_t)k->n_maps);
    if (c->binary->kind != ONNXCC_CUDA_EXACT) return 0; /* other code does not look at them */
    for (int i = 0; i < k->n_maps; i++) {
        int code = make_map(c, &m[i], bufs[m[i].buf], numbers, &maps[i]);
        if (code) return code;
        numbers += 1 + 2 * m[i].n_dims;
    }
    return 0;
}

bool cuda_wants_maps(const struct onnxcc_cuda_image *image) {
    const struct onnxcc_cuda_kernel *k = (const void *)((const char *)image + image->kernels);
    for (int i = 0; i < image->n_kernels; i++)
        if (k[i].n_maps) return true;
    return false;
}
