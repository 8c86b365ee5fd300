/* Kernels that are right, or wrong in one way: -DFAULT=n. The emulation's checks must find each
 * fault (tests/cuda/checks.sh). */
#if !defined(FAULT)
#define FAULT 0
#endif
enum { NONE, BOUNDS, SHARED_BOUNDS, NO_BARRIER, NO_WARP_BARRIER, TWO_BLOCKS, NOT_WRITTEN, DIVERGED };

extern "C" __global__ void turn(const int *x, int *y) {
    __shared__ int tile[128];
    int i = threadIdx.x;
    if (FAULT != NOT_WRITTEN || i % 5) tile[i] = x[i];
    if (FAULT == DIVERGED && i == 3) __syncwarp();
    if (FAULT != NO_BARRIER) __syncthreads();
    y[i] = tile[FAULT == SHARED_BOUNDS ? i + 1 : 127 - i];
    __syncthreads();
    if (i < 32) {
        tile[i] = y[i];
        if (FAULT != NO_WARP_BARRIER) __syncwarp();
        y[i] = tile[31 - i];
    }
    if (FAULT == BOUNDS) y[i + 1] = 0;
}

extern "C" __global__ void sum(const int *x, int *total) {
    int s = x[blockIdx.x * blockDim.x + threadIdx.x];
    for (int by = 16; by; by /= 2) s += __shfl_xor_sync(~0u, s, by);
    if (threadIdx.x % 32) return;
    if (FAULT == TWO_BLOCKS) *total += s;
    else atomicAdd(total, s);
}

int main() {
    int *x = (int *)calloc(128, sizeof *x), *y = (int *)calloc(128, sizeof *y), total = 0, bad = 0;
    for (int i = 0; i < 128; i++) x[i] = i * i;
    ONNXCC_LAUNCH(turn, 1, 128, x, y);
    for (int i = 0; i < 128; i++) bad += y[i] != x[i < 32 ? 96 + i : 127 - i];
    ONNXCC_LAUNCH(sum, 2, 64, x, &total);
    for (int i = 0; i < 128; i++) total -= x[i];
    free(x), free(y);
    printf("%d failures\n", bad + (total != 0));
    return bad || total;
}
