/* The threads of a block combine their values; n and step are constants and powers of two. Threads
 * t whose numbers differ in (t / step) % n alone join their values as a balanced tree: the upper
 * half of them into the lower one until one is left. All get the result. Distances of 32 threads
 * and more go through shared memory (`room`, a value for each thread of the block), the others by
 * shuffles. All threads of the block call it together. Pasted behind runtime/ops.h. */
#ifndef ONNXCC_RUNTIME_COMBINE_H
#define ONNXCC_RUNTIME_COMBINE_H

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define COMBINE_UNROLL _Pragma("unroll")
#else
#define COMBINE_UNROLL
#endif

/* Of this thread's group, in shared memory: the first part, how far parts are apart, how many. */
typedef struct CombineParts {
    int first, apart, many;
} CombineParts;
OPS CombineParts combine_parts(int n, int step) {
    CombineParts p;
    int t = (int)threadIdx.x;
    p.apart = step < 32 ? 32 : step;
    p.many = n * step > p.apart ? n * step / p.apart : 1;
    p.first = t / (p.many * p.apart) * (p.many * p.apart) + t % p.apart;
    return p;
}
/* The farthest distance for shuffles. */
OPS int combine_near(int n, int step) {
    return (n * step < 32 ? n * step : 32) / 2;
}

#define COMBINE_HALF(half, JOIN)                                                                   \
    if (p.many > half) {                                                                           \
        COMBINE_UNROLL                                                                             \
        for (int k = 0; k < half; k++) part[k] = JOIN(part[k], part[k + half]);                    \
    }
#define COMBINE_TREE(JOIN)                                                                         \
    COMBINE_HALF(16, JOIN)                                                                         \
    COMBINE_HALF(8, JOIN)                                                                          \
    COMBINE_HALF(4, JOIN)                                                                          \
    COMBINE_HALF(2, JOIN)                                                                          \
    COMBINE_HALF(1, JOIN)
/* T: the type of a value, C: the type that is shuffled; JOIN(low, high) */
#define COMBINE(name, T, C, JOIN)                                                                  \
    OPS T combine_##name(T v, int n, int step, T *room) {                                          \
        CombineParts p = combine_parts(n, step);                                                   \
        if (p.many > 1) {                                                                          \
            T part[32];                                                                            \
            __syncthreads();                                                                       \
            room[threadIdx.x] = v;                                                                 \
            __syncthreads();                                                                       \
            COMBINE_UNROLL                                                                         \
            for (int k = 0; k < 32; k++) part[k] = room[p.first + k % p.many * p.apart];           \
            COMBINE_TREE(JOIN)                                                                     \
            v = part[0];                                                                           \
        }                                                                                          \
        COMBINE_UNROLL                                                                             \
        for (int by = combine_near(n, step); by >= step; by /= 2) {                                \
            T other = (T)__shfl_xor_sync(~0u, (C)v, by);                                           \
            v = threadIdx.x & (unsigned)by ? JOIN(other, v) : JOIN(v, other);                      \
        }                                                                                          \
        return v;                                                                                  \
    }

/* The same for v[0] to v[count - 1], `once` of them at a time, which are written for all threads of
 * the block; then `team` neighbours join what becomes one result, as the same tree. Room: once *
 * (threads + threads / n) values. */
typedef struct CombineTeam {
    int groups, results, team, many, number, first;
} CombineTeam;
OPS CombineTeam combine_team(int once, int n, int step, int threads) {
    CombineTeam p;
    int t = (int)threadIdx.x, group;
    p.groups = threads / n;
    p.results = once * p.groups;
    p.team = threads / p.results < 32 ? threads / p.results : 32;
    p.many = n / p.team;
    p.number = t / p.team;
    group = p.number % p.groups;
    p.first = p.number / p.groups * threads + group / step * (n * step) + group % step +
              t % p.team * step;
    return p;
}
#define COMBINE_ALL(name, T, C, JOIN)                                                              \
    OPS void combine_all_##name(T *v, int count, int once, int n, int step, int threads,           \
                                T *room) {                                                         \
        CombineTeam p = combine_team(once, n, step, threads);                                      \
        int t = (int)threadIdx.x, own = t / (n * step) * step + t % step;                          \
        __syncthreads();                                                                           \
        COMBINE_UNROLL                                                                             \
        for (int from = 0; from < count; from += once) {                                           \
            COMBINE_UNROLL                                                                         \
            for (int k = 0; k < once; k++) room[k * threads + t] = v[from + k];                    \
            __syncthreads();                                                                       \
            if (p.number < p.results) {                                                            \
                T part[32];                                                                        \
                COMBINE_UNROLL                                                                     \
                for (int k = 0; k < 32; k++)                                                       \
                    part[k] = room[p.first + k % p.many * p.team * step];                          \
                COMBINE_TREE(JOIN)                                                                 \
                COMBINE_UNROLL                                                                     \
                for (int by = p.team / 2; by >= 1; by /= 2) {                                      \
                    T other = (T)__shfl_xor_sync(~0u, (C)part[0], by);                             \
                    part[0] = t & by ? JOIN(other, part[0]) : JOIN(part[0], other);                \
                }                                                                                  \
                if (t % p.team == 0) room[once * threads + p.number] = part[0];                    \
            }                                                                                      \
            __syncthreads();                                                                       \
            COMBINE_UNROLL                                                                         \
            for (int k = 0; k < once; k++)                                                         \
                v[from + k] = room[once * threads + k * p.groups + own];                           \
        }                                                                                          \
    }

/* Each of n neighbours gets the join of those in front of it, the first one `none`, and *all is
 * that of all of them: at distances 1, 2, 4, ... each joins what lies so far in front of it. */
#define PREFIX(name, T, JOIN)                                                                      \
    OPS T prefix_##name(T v, T none, T *all, int n, T *room) {                                     \
        int t = (int)threadIdx.x, first = t / n * n;                                               \
        __syncthreads();                                                                           \
        room[t] = v;                                                                               \
        for (int by = 1; by < n; by *= 2) {                                                        \
            __syncthreads();                                                                       \
            if (t - first >= by) v = JOIN(room[t - by], v);                                        \
            __syncthreads();                                                                       \
            room[t] = v;                                                                           \
        }                                                                                          \
        __syncthreads();                                                                           \
        *all = room[first + n - 1];                                                                \
        return t > first ? room[t - 1] : none;                                                     \
    }

#define COMBINE_JOIN_OR(a, b) ((a) | (b))
#define COMBINE_JOIN_AND(a, b) ((a) & (b))
#define COMBINE_NUMBER(T, t, C, ADD, MUL, MIN, MAX)                                                \
    COMBINE(sum_##t, T, C, ADD)                                                                    \
    COMBINE_ALL(sum_##t, T, C, ADD)                                                                \
    COMBINE(prod_##t, T, C, MUL)                                                                   \
    COMBINE(min_##t, T, C, MIN)                                                                    \
    COMBINE(max_##t, T, C, MAX)                                                                    \
    PREFIX(sum_##t, T, ADD)                                                                        \
    PREFIX(prod_##t, T, MUL)                                                                       \
    PREFIX(min_##t, T, MIN)                                                                        \
    PREFIX(max_##t, T, MAX)                                                                        \
    COMBINE_BEST(T, t, C)

/* NaN is better than anything else, in both directions. Of equals the lower position wins, or the
 * higher one where `last` is set. */
#define COMBINE_BEST(T, t, C)                                                                      \
    OPS bool combine_better_##t(T a, int64_t i, T b, int64_t k, bool max, bool last) {             \
        bool a_nan = a != a, b_nan = b != b;                                                       \
        if (a == b || (a_nan && b_nan)) return last ? k > i : k < i;                               \
        return a_nan || b_nan ? b_nan : max ? b > a : b < a;                                       \
    }                                                                                              \
    OPS void combine_best_##t(T *v, int64_t *at, bool max, bool last, int n, int step, T *room,    \
                              int64_t *places) {                                                   \
        CombineParts p = combine_parts(n, step);                                                   \
        if (p.many > 1) {                                                                          \
            __syncthreads();                                                                       \
            room[threadIdx.x] = *v;                                                                \
            places[threadIdx.x] = *at;                                                             \
            __syncthreads();                                                                       \
            *v = room[p.first];                                                                    \
            *at = places[p.first];                                                                 \
            for (int k = 1; k < p.many; k++) {                                                     \
                T b = room[p.first + k * p.apart];                                                 \
                int64_t i = places[p.first + k * p.apart];                                         \
                if (combine_better_##t(*v, *at, b, i, max, last)) *v = b, *at = i;                 \
            }                                                                                      \
        }                                                                                          \
        COMBINE_UNROLL                                                                             \
        for (int by = combine_near(n, step); by >= step; by /= 2) {                                \
            T b = (T)__shfl_xor_sync(~0u, (C)*v, by);                                              \
            int64_t i = (int64_t)__shfl_xor_sync(~0u, (long long)*at, by);                         \
            if (combine_better_##t(*v, *at, b, i, max, last)) *v = b, *at = i;                     \
        }                                                                                          \
    }

#define COMBINE_ADD(a, b) ((a) + (b))
#define COMBINE_MUL(a, b) ((a) * (b))
#define COMBINE_ADD_F16(a, b) round_f16((a) + (b))
#define COMBINE_MUL_F16(a, b) round_f16((a) * (b))
#define COMBINE_ADD_BF16(a, b) round_bf16((a) + (b))
#define COMBINE_MUL_BF16(a, b) round_bf16((a) * (b))
COMBINE_NUMBER(float, f32, float, COMBINE_ADD, COMBINE_MUL, min_f32, max_f32)
COMBINE_NUMBER(float, f16, float, COMBINE_ADD_F16, COMBINE_MUL_F16, min_f32, max_f32)
COMBINE_NUMBER(float, bf16, float, COMBINE_ADD_BF16, COMBINE_MUL_BF16, min_f32, max_f32)
COMBINE_NUMBER(double, f64, double, COMBINE_ADD, COMBINE_MUL, min_f64, max_f64)
COMBINE_NUMBER(int8_t, i8, int, add_i8, mul_i8, min_i8, max_i8)
COMBINE_NUMBER(int16_t, i16, int, add_i16, mul_i16, min_i16, max_i16)
COMBINE_NUMBER(int32_t, i32, int, add_i32, mul_i32, min_i32, max_i32)
COMBINE_NUMBER(int64_t, i64, long long, add_i64, mul_i64, min_i64, max_i64)
COMBINE_NUMBER(uint8_t, u8, unsigned, add_u8, mul_u8, min_u8, max_u8)
COMBINE_NUMBER(uint16_t, u16, unsigned, add_u16, mul_u16, min_u16, max_u16)
COMBINE_NUMBER(uint32_t, u32, unsigned, add_u32, mul_u32, min_u32, max_u32)
COMBINE_NUMBER(uint64_t, u64, unsigned long long, add_u64, mul_u64, min_u64, max_u64)
COMBINE(any_bool, bool, int, COMBINE_JOIN_OR)
COMBINE(all_bool, bool, int, COMBINE_JOIN_AND)
COMBINE(max_bool, bool, int, COMBINE_JOIN_OR)
COMBINE(min_bool, bool, int, COMBINE_JOIN_AND)
COMBINE(sum_bool, bool, int, COMBINE_JOIN_OR)
COMBINE(prod_bool, bool, int, COMBINE_JOIN_AND)

#endif
