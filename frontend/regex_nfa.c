/* A tree to an automaton over bytes (regex.h): built from the end, each part knows where it
 * leads. */
#include "frontend/regex.h"

enum { MAX_NFA = 200000 };

typedef struct Builder {
    Arena *arena;
    Nfa *nfa;
} Builder;

/* -1: too large. */
static int state(Builder *b, NfaState s) {
    if (b->nfa->at.n >= MAX_NFA) return -1;
    vec_push(b->arena, &b->nfa->at, s);
    return b->nfa->at.n - 1;
}

static int either(Builder *b, int x, int y) {
    if (x < 0 || y < 0) return -1;
    return state(b, (NfaState){.kind = NFA_SPLIT, .a = x, .b = y});
}

/* ---- UTF-8 ---- */

static int encode(uint32_t c, uint8_t *to) {
    int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (n == 1) return to[0] = (uint8_t)c, 1;
    for (int i = n - 1; i > 0; i--, c >>= 6) to[i] = (uint8_t)(0x80 | (c & 63));
    to[0] = (uint8_t)(0xf00u >> n | c);
    return n;
}

/* lo..hi whose encodings have the same length and differ, from some byte on, over the full
 * range. */
static int sequence(Builder *b, uint32_t lo, uint32_t hi, int next) {
    uint8_t from[4], to[4];
    int n = encode(lo, from);
    encode(hi, to);
    for (int i = n - 1; i >= 0 && next >= 0; i--)
        next = state(b, (NfaState){.kind = NFA_BYTES, .lo = from[i], .hi = to[i], .a = next});
    return next;
}

enum { NO_STATE = -2 };

/* The last character of the first part of lo..hi that is one range per byte; hi: all of it is. */
static uint32_t cut_of(uint32_t lo, uint32_t hi) {
    static const uint32_t lasts[] = {0x7f, 0x7ff, 0xffff};
    for (int i = 0; i < LEN(lasts); i++)
        if (lo <= lasts[i] && hi > lasts[i]) return lasts[i];
    for (int bits = 6; bits <= 18 && hi > 0x7f; bits += 6) {
        uint32_t mask = (1u << bits) - 1;
        if ((lo & ~mask) == (hi & ~mask)) continue;
        if (lo & mask) return lo | mask;
        if ((hi & mask) != mask) return (hi & ~mask) - 1;
    }
    return hi;
}

/* lo..hi, or what `others` is the start of. */
static int add_range(Builder *b, uint32_t lo, uint32_t hi, int next, int others) {
    uint32_t cut = cut_of(lo, hi);
    if (cut < hi) {
        others = add_range(b, cut + 1, hi, next, others);
        return others == -1 ? -1 : add_range(b, lo, cut, next, others);
    }
    int piece = sequence(b, lo, hi, next);
    return others == NO_STATE ? piece : either(b, piece, others);
}

/* Surrogates are no characters. */
static int add_set(Builder *b, const CharSet *set, int next) {
    int all = NO_STATE;
    for (int i = set->at.n - 1; i >= 0 && all != -1; i--) {
        uint32_t lo = set->at.at[i].lo, hi = set->at.at[i].hi;
        if (hi > 0xdfff && lo <= 0xdfff) all = add_range(b, 0xe000, hi, next, all);
        if (hi > 0xdfff && lo > 0xdfff) {
            all = add_range(b, lo, hi, next, all);
            continue;
        }
        if (all != -1 && lo < 0xd800) all = add_range(b, lo, MIN(hi, 0xd7ff), next, all);
    }
    if (all == NO_STATE) /* no character: a byte that cannot be */
        return state(b, (NfaState){.kind = NFA_BYTES, .lo = 1, .hi = 0, .a = next});
    return all;
}

/* ---- trees ---- */

static int build(Builder *b, const Regex *r, int next);

static int build_repeat(Builder *b, const Regex *r, int next) {
    int at = next;
    if (r->max < 0) { /* a loop through a state that is filled in last */
        int loop = state(b, (NfaState){.kind = NFA_SPLIT, .b = next});
        int body = loop < 0 ? -1 : build(b, r->a, loop);
        if (body < 0) return -1;
        b->nfa->at.at[loop].a = body;
        at = loop;
    }
    for (int i = r->min; i < r->max && at >= 0; i++) at = either(b, build(b, r->a, at), next);
    for (int i = 0; i < r->min && at >= 0; i++) at = build(b, r->a, at);
    return at;
}

static int build(Builder *b, const Regex *r, int next) {
    if (next < 0) return -1;
    switch (r->kind) {
    case RX_SET:
        return add_set(b, &r->set, next);
    case RX_CAT:
        return build(b, r->a, build(b, r->b, next));
    case RX_ALT:
        return either(b, build(b, r->a, next), build(b, r->b, next));
    case RX_REPEAT:
        return build_repeat(b, r, next);
    case RX_ASSERT:
        b->nfa->asserts = true;
        return state(b, (NfaState){.kind = NFA_ASSERT, .assert = r->assert, .a = next});
    default:
        return next;
    }
}

bool nfa_build(Arena *arena, const Regex *r, Nfa *out) {
    Builder b = {arena, out};
    *out = (Nfa){0};
    out->start = build(&b, r, state(&b, (NfaState){.kind = NFA_MATCH}));
    return out->start >= 0;
}
