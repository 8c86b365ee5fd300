/* Made-up inputs: a counter-based generator, so that equal seeds give equal data everywhere. */
#include "host.h"

static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* Floats lie in [-1, 1); integers in the range the compiler found, else in 0..9; booleans are 0 or
 * 1. */
void fill_input(const struct host_session *s, int k) {
    const struct onnxcc_tensor *t = &s->model->inputs[k];
    const struct host_tensor *in = &s->in[k];
    bool boolean = t->dtype == 9, ranged = t->flags & ONNXCC_T_RANGE;
    int64_t lo = ranged ? t->lo : 0, hi = boolean ? 1 : ranged ? t->hi : 9, n = host_elements(in);
    if (ranged && t->hi_slot >= 0) hi = s->syms[t->hi_slot] - 1;
    uint64_t span = hi < lo ? 1 : (uint64_t)hi - (uint64_t)lo + 1,
             base = mix(mix(s->args->seed) + (uint64_t)k);
    for (int64_t i = 0; i < n; i++) {
        uint64_t r = mix(base + (uint64_t)i);
        if (host_is_float(t->dtype) || t->dtype == 14 || t->dtype == 15)
            host_set_float(in->data, t->dtype, i, (double)(int64_t)(r >> 40) / (1 << 23) - 1);
        else if (t->dtype != 8) /* strings stay empty */
            host_set_int(in->data, t->dtype, i, (int64_t)((uint64_t)lo + (span ? r % span : r)));
    }
}
