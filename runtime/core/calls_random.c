/* The random numbers of NumPy's RandomState, for nodes that give a seed: the Mersenne Twister
 * (MT19937, Matsumoto and Nishimura, TOMACS 1998), and NumPy's way from its words to doubles. */
#include "core.h"

enum { WORDS = 624, MIDDLE = 397 };
struct twister {
    uint32_t word[WORDS];
    int at;
};

static void start(struct twister *t, uint32_t seed) {
    t->word[0] = seed;
    for (uint32_t i = 1; i < WORDS; i++)
        t->word[i] = 1812433253u * (t->word[i - 1] ^ t->word[i - 1] >> 30) + i;
    t->at = WORDS;
}

static void twist(struct twister *t) {
    for (int i = 0; i < WORDS; i++) {
        uint32_t y = (t->word[i] & 0x80000000u) | (t->word[(i + 1) % WORDS] & 0x7fffffffu);
        t->word[i] = t->word[(i + MIDDLE) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    t->at = 0;
}

static uint32_t next(struct twister *t) {
    if (t->at == WORDS) twist(t);
    uint32_t y = t->word[t->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* bufs: f64 out[n] in [0, 1), u32 room[625]. args: seed (its low 32 bits), n. */
int onnxcc_call_twister(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    (void)f;
    double *out = bufs[0];
    struct twister *t = bufs[1];
    start(t, (uint32_t)args[0]);
    for (int64_t i = 0; i < args[1]; i++) {
        uint32_t high = next(t) >> 5, low = next(t) >> 6;
        out[i] = ((double)high * 67108864.0 + (double)low) / 9007199254740992.0;
    }
    return ONNXCC_OK;
}
