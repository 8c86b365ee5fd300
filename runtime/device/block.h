/* What the functions of this folder share. They are called by all threads of a block together
 * (loops: call), and printed in front of a program's kernels where one of these calls them. All of
 * them leave shared memory free for the next item of the block.
 *
 * `item` is the number of the block's item, `args` what the compiler knows about it
 * (passes/plan/device_calls.c); the buffers are those of the runtime function that they stand
 * for. */
#ifndef ONNXCC_RUNTIME_DEVICE_BLOCK_H
#define ONNXCC_RUNTIME_DEVICE_BLOCK_H

/* Moves an element of so many bytes. */
OPS void move_element(void *to, int64_t i, const void *from, int64_t j, int64_t bytes) {
    switch (bytes) {
    case 1:
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[j];
        return;
    case 2:
        ((uint16_t *)to)[i] = ((const uint16_t *)from)[j];
        return;
    case 4:
        ((uint32_t *)to)[i] = ((const uint32_t *)from)[j];
        return;
    default:
        ((uint64_t *)to)[i] = ((const uint64_t *)from)[j];
    }
}

/* The sum of v over the threads in front of this one; *total: over all. `room`: a value for each
 * thread of the block. */
OPS int64_t sum_before(int64_t v, int64_t *total, uint64_t *room) {
    int threads = (int)blockDim.x, t = (int)threadIdx.x;
    uint64_t sum = (uint64_t)v;
    __syncthreads();
    room[t] = sum;
    for (int by = 1; by < threads; by *= 2) {
        __syncthreads();
        uint64_t more = t >= by ? room[t - by] : 0;
        __syncthreads();
        sum += more;
        room[t] = sum;
    }
    __syncthreads();
    *total = (int64_t)room[threads - 1];
    __syncthreads();
    return (int64_t)sum - v;
}

#endif
