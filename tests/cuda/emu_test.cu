/* The emulation header itself: a reduction through shared memory and shuffles, a transposition,
 * votes, atomics; in order and in random orders. NVRTC must take the kernels as they are. */
extern "C" __global__ void reduce(const float *x, float *sums, int n) {
    __shared__ float part[32];
    float sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += x[i];
    for (int by = 16; by; by /= 2) sum += __shfl_down_sync(0xffffffff, sum, by);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0.0f;
        for (int by = 16; by; by /= 2) sum += __shfl_xor_sync(0xffffffff, sum, by);
        if (threadIdx.x == 0) sums[blockIdx.x] = sum;
    }
}

extern "C" __global__ void transpose(const int *x, int *y) {
    __shared__ int tile[16][17];
    int i = threadIdx.x / 16, j = threadIdx.x % 16;
    tile[i][j] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = tile[j][i];
}

extern "C" __global__ void votes(const int *x, unsigned *ballots, int *count) {
    int v = x[threadIdx.x];
    unsigned b = __ballot_sync(0xffffffff, v > 0);
    if (threadIdx.x % 32 == 0) ballots[threadIdx.x / 32] = b;
    if (__any_sync(0xffffffff, v > 6) && !__all_sync(0xffffffff, v > 6)) atomicAdd(count, v);
    int up = __shfl_up_sync(0xffffffff, v, 1);
    if (threadIdx.x % 32 && up > v) return; /* what has ended is not waited for */
    __syncthreads();
    atomicMax(count, 1);
}

#if !defined(__CUDACC_RTC__)
static int test() {
    float x[1000], sums[3];
    int a[256], b[256], count = 0, want = 0, bad = 0;
    unsigned ballots[8];
    for (int i = 0; i < 1000; i++) x[i] = (float)(i % 7);
    ONNXCC_LAUNCH(reduce, 3, 96, x, sums, 1000);
    bad += sums[0] + sums[1] + sums[2] != 2997.0f;
    for (int i = 0; i < 256; i++) a[i] = i;
    ONNXCC_LAUNCH(transpose, 1, 256, a, b);
    for (int i = 0; i < 256; i++) bad += b[i] != i % 16 * 16 + i / 16;
    for (int i = 0; i < 64; i++) a[i] = i / 32 ? 9 : i % 8, want += i / 32 ? 0 : a[i];
    ONNXCC_LAUNCH(votes, 1, 64, a, ballots, &count);
    bad += ballots[0] != 0xfefefefe || ballots[1] != 0xffffffff || count != want;
    return bad;
}

int main() {
    int bad = test();
    for (unsigned seed = 1; seed < 50 && !bad; seed++) {
        onnxcc_emu::machine->random = seed;
        bad += test();
    }
    printf("%d failures\n", bad);
    return bad != 0;
}
#endif
