/* Copies to shared memory by all threads of a block together: of many neighbouring bytes, and of
 * boxes of tensors. On sm_90a one of them sends it (cp.async.bulk; of boxes by a tensor map, which
 * the host makes and the launch passes), and all wait for it at a barrier in shared memory, one for
 * each number of copies that may be on their way, EACH of which have the same; elsewhere they share
 * pieces of 16 bytes, which arrive as other copies do. Pasted behind runtime/groups.h.
 *
 * Elements of a box lie in its order, the innermost dimension fastest, in rows of 32, 64 or 128
 * bytes of that; but bits 7.. of their places are added to bits 4.., without carry (swizzle). The
 * copy begins at 8 whole rows. What lies outside of the tensor is zero.
 *
 * `phases` is a thread's own: which half of its barriers' rounds it waits for next, a bit each. */
#ifndef ONNXCC_RUNTIME_BULK_H
#define ONNXCC_RUNTIME_BULK_H

/* What cuTensorMapEncodeTiled writes. */
struct __align__(64) TensorMap {
    uint64_t opaque[16];
};
/* A dimension: where the box begins, the tensor's extent, from one element to the next in memory */
struct BoxDim {
    int at;
    int64_t extent, stride;
};

#if GROUPS_PTX
#define BULK_BARRIERS(at, n, each)                                                                 \
    uint64_t *bulk_barrier = (uint64_t *)(shared_bytes + at);                                      \
    uint32_t bulk_phases = 0;                                                                      \
    bulk_begin(bulk_barrier, n, each)
OPS void bulk_begin(uint64_t *barrier, int n, int each) {
    if (threadIdx.x == 0) {
        for (int i = 0; i < n; i++)
            asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(
                             shared_address(barrier + i)),
                         "r"(each)
                         : "memory");
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
}
OPS void bulk_expect(uint64_t *barrier, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(
                     shared_address(barrier)),
                 "r"(bytes)
                 : "memory");
}
template <int THREADS>
OPS void bulk_copy(void *to, const void *from, int bytes, uint64_t *barrier) {
    if (threadIdx.x) return;
    bulk_expect(barrier, bytes);
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
            "r"(shared_address(to)),
        "l"(from), "r"(bytes), "r"(shared_address(barrier))
        : "memory");
}
#define BOX_COPY(dims, places, ...)                                                                \
    asm volatile("cp.async.bulk.tensor." #dims                                                     \
                 "d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {" places  \
                 "}], [%2];" ::"r"(shared_address(to)),                                            \
                 "l"(map), "r"(shared_address(barrier)), __VA_ARGS__                               \
                 : "memory")
template <int THREADS, int BYTES, int DIMS, int... SIZE>
OPS void box_copy(void *to, const TensorMap *map, const void *, const BoxDim (&dim)[DIMS],
                  uint64_t *barrier) {
    const int sizes[] = {SIZE...};
    int bytes = BYTES;
    for (int d = 0; d < DIMS; d++) bytes *= sizes[d];
    if (threadIdx.x) return;
    bulk_expect(barrier, bytes);
    if (DIMS == 1) BOX_COPY(1, "%3", "r"(dim[0].at));
    if (DIMS == 2) BOX_COPY(2, "%3, %4", "r"(dim[0].at), "r"(dim[1 % DIMS].at));
    if (DIMS == 3)
        BOX_COPY(3, "%3, %4, %5", "r"(dim[0].at), "r"(dim[1 % DIMS].at), "r"(dim[2 % DIMS].at));
    if (DIMS == 4)
        BOX_COPY(4, "%3, %4, %5, %6", "r"(dim[0].at), "r"(dim[1 % DIMS].at), "r"(dim[2 % DIMS].at),
                 "r"(dim[3 % DIMS].at));
    if (DIMS == 5)
        BOX_COPY(5, "%3, %4, %5, %6, %7", "r"(dim[0].at), "r"(dim[1 % DIMS].at),
                 "r"(dim[2 % DIMS].at), "r"(dim[3 % DIMS].at), "r"(dim[4 % DIMS].at));
}
OPS void bulk_wait(uint64_t *barrier, int i, uint32_t *phases) {
    asm volatile("{\n\t"
                 ".reg .pred done;\n\t"
                 "again:\n\t"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n\t"
                 "@!done bra again;\n\t"
                 "}" ::"r"(shared_address(barrier + i)),
                 "r"(*phases >> i & 1)
                 : "memory");
    *phases ^= 1u << i;
}
#elif GROUPS_LATER
#define BULK_BARRIERS(at, n, each)                                                                 \
    onnxcc_emu::BulkBarrier *bulk_barrier = onnxcc_emu::bulk_begin(n, each);                       \
    uint32_t bulk_phases = 0
template <int THREADS>
OPS void bulk_copy(void *to, const void *from, int bytes, onnxcc_emu::BulkBarrier *barrier) {
    if (threadIdx.x == 0) onnxcc_emu::bulk_copy(to, from, (unsigned)bytes, barrier);
}
template <int THREADS, int BYTES, int DIMS, int... SIZE>
OPS void box_copy(void *to, const TensorMap *map, const void *from, const BoxDim (&dim)[DIMS],
                  onnxcc_emu::BulkBarrier *barrier) {
    const int sizes[] = {SIZE...};
    if (threadIdx.x) return;
    onnxcc_emu::Box box = {to, (const char *)from, BYTES, DIMS};
    for (int d = 0; d < DIMS; d++)
        box.at[d] = dim[d].at, box.extent[d] = dim[d].extent, box.stride[d] = dim[d].stride,
        box.size[d] = sizes[d];
    onnxcc_emu::box_copy(box, map->opaque, barrier);
}
OPS void bulk_wait(onnxcc_emu::BulkBarrier *barrier, int i, uint32_t *phases) {
    onnxcc_emu::bulk_wait(barrier + i, *phases >> i & 1);
    *phases ^= 1u << i;
}
#else
#define BULK_BARRIERS(at, n, each)                                                                 \
    uint64_t *bulk_barrier = 0;                                                                    \
    uint32_t bulk_phases = 0
template <int THREADS> OPS void bulk_copy(void *to, const void *from, int bytes, uint64_t *) {
    for (int i = (int)threadIdx.x * 16; i < bytes; i += THREADS * 16)
        copy_later_16((char *)to + i, (const char *)from + i, true);
}
/* Pieces whose elements are partly outside of the tensor are stored one by one. */
template <int THREADS, int BYTES, int DIMS, int... SIZE>
OPS void box_copy(void *to, const TensorMap *, const void *from, const BoxDim (&dim)[DIMS],
                  uint64_t *) {
    const int sizes[] = {SIZE...}, lanes = 16 / BYTES;
    int pieces = 1;
    for (int d = 0; d < DIMS; d++) pieces *= sizes[d];
    pieces /= lanes;
    for (int i = (int)threadIdx.x; i < pieces; i += THREADS) {
        int rest = i * lanes, first = dim[0].at + rest % sizes[0];
        bool there = first >= 0;
        const char *at = (const char *)from + (int64_t)first * BYTES;
        rest /= sizes[0];
        UNROLL(DIMS)
        for (int d = 1; d < DIMS; d++) {
            int place = dim[d].at + rest % sizes[d];
            there = there && place >= 0 && place < dim[d].extent;
            at += place * dim[d].stride * BYTES;
            rest /= sizes[d];
        }
        int left = there && first < dim[0].extent ? (int)(dim[0].extent - first) : 0;
        char *place = (char *)to + (i * 16 ^ (i * 16 >> 3 & (sizes[0] * BYTES - 16)));
        if (left <= 0 || left >= lanes) copy_later_16(place, left > 0 ? at : from, left > 0);
        else
            for (int b = 0; b < 16; b++) place[b] = b < left * BYTES ? at[b] : (char)0;
    }
}
OPS void bulk_wait(uint64_t *, int, uint32_t *) {
}
#endif

#endif
