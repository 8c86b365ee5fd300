/* Copies of many neighbouring bytes to shared memory, by all threads of a block together. On sm_90a
 * one of them sends it (cp.async.bulk), and all wait for it at a barrier in shared memory, one for
 * each copy that may be on its way; elsewhere they share pieces of 16 bytes, which arrive as other
 * copies do. Pasted behind runtime/groups.h.
 *
 * `phases` is a thread's own: which half of its barriers' rounds it waits for next, a bit each. */
#ifndef ONNXCC_RUNTIME_BULK_H
#define ONNXCC_RUNTIME_BULK_H

#if GROUPS_PTX
#define BULK_BARRIERS(n)                                                                           \
    __shared__ __align__(8) uint64_t bulk_barrier[n];                                              \
    uint32_t bulk_phases = 0;                                                                      \
    bulk_begin(bulk_barrier, n)
OPS void bulk_begin(uint64_t *barrier, int n) {
    if (threadIdx.x == 0) {
        for (int i = 0; i < n; i++)
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(barrier + i))
                         : "memory");
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
}
template <int THREADS>
OPS void bulk_copy(void *to, const void *from, int bytes, uint64_t *barrier) {
    if (threadIdx.x) return;
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(
                     shared_address(barrier)),
                 "r"(bytes)
                 : "memory");
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
            "r"(shared_address(to)),
        "l"(from), "r"(bytes), "r"(shared_address(barrier))
        : "memory");
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
#define BULK_BARRIERS(n)                                                                           \
    onnxcc_emu::BulkBarrier *bulk_barrier = onnxcc_emu::bulk_begin(n);                             \
    uint32_t bulk_phases = 0
template <int THREADS>
OPS void bulk_copy(void *to, const void *from, int bytes, onnxcc_emu::BulkBarrier *barrier) {
    if (threadIdx.x == 0) onnxcc_emu::bulk_copy(to, from, (unsigned)bytes, barrier);
}
OPS void bulk_wait(onnxcc_emu::BulkBarrier *barrier, int i, uint32_t *phases) {
    onnxcc_emu::bulk_wait(barrier + i, *phases >> i & 1);
    *phases ^= 1u << i;
}
#else
#define BULK_BARRIERS(n)                                                                           \
    uint64_t *bulk_barrier = 0;                                                                    \
    uint32_t bulk_phases = 0
template <int THREADS> OPS void bulk_copy(void *to, const void *from, int bytes, uint64_t *) {
    for (int i = (int)threadIdx.x * 16; i < bytes; i += THREADS * 16)
        copy_later_16((char *)to + i, (const char *)from + i, true);
}
OPS void bulk_wait(uint64_t *, int, uint32_t *) {
}
#endif

#endif
