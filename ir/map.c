/* One hash map, from strings or 64-bit integers to pointers, and the hash functions.
 *
 * Open addressing with linear probing, at most two thirds full. Keys are copied; nothing is ever
 * removed (a NULL value reads as absent). The hashes are the same on every machine: they name
 * kernels and constants in files. */
#include "ir/base.h"

typedef struct Slot {
    const char *key; /* NULL: an integer key */
    uint64_t hash;   /* of the string, or the integer itself */
    void *value;
    bool taken;
} Slot;

struct Map {
    Arena *arena;
    Slot *slot;
    size_t n, cap; /* cap is a power of two */
};

uint64_t hash_mix(uint64_t a, uint64_t b) {
    uint64_t h = a ^ (b + 0x9e3779b97f4a7c15u + (a << 6) + (a >> 2));
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

/* Written out, so that compilers make it one load where the machine is little-endian. */
static uint64_t read8(const unsigned char *p) {
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

static uint64_t absorb(uint64_t h, uint64_t v) {
    v *= 0x9fb21c651e98df25u;
    h ^= v ^ (v >> 32);
    h *= 0xd6e8feb86659fd93u;
    return h << 29 | h >> 35;
}

uint64_t hash_bytes(const void *data, size_t n, uint64_t seed) {
    const unsigned char *p = data;
    uint64_t h = hash_mix(seed, n), rest = 0;
    for (; n >= 8; n -= 8, p += 8) h = absorb(h, read8(p));
    for (size_t i = 0; i < n; i++) rest |= (uint64_t)p[i] << (8 * i);
    return hash_mix(n ? absorb(h, rest) : h, 0);
}

Map *map_new(Arena *arena) {
    Map *m = NEW(arena, Map);
    m->arena = arena;
    return m;
}

/* The slot of a key, or the free one where it belongs. */
static Slot *find(const Map *m, const char *key, uint64_t hash) {
    size_t mask = m->cap - 1;
    for (size_t i = hash_mix(hash, key != NULL) & mask;; i = (i + 1) & mask) {
        Slot *s = &m->slot[i];
        if (!s->taken) return s;
        if (s->hash != hash || !s->key != !key) continue;
        if (!key || !strcmp(s->key, key)) return s;
    }
}

static void grow(Map *m) {
    Slot *old = m->slot;
    size_t old_cap = m->cap;
    m->cap = old_cap ? 2 * old_cap : 16;
    m->slot = NEW_ARRAY(m->arena, Slot, m->cap);
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].taken) *find(m, old[i].key, old[i].hash) = old[i];
}

static void set(Map *m, const char *key, uint64_t hash, void *value) {
    if (3 * (m->n + 1) > 2 * m->cap) grow(m);
    Slot *s = find(m, key, hash);
    if (!s->taken) {
        *s = (Slot){.key = key ? arena_str(m->arena, key) : NULL, .hash = hash, .taken = true};
        m->n++;
    }
    s->value = value;
}

void *map_get(const Map *m, const char *key) {
    return m->cap ? find(m, key, hash_bytes(key, strlen(key), 0))->value : NULL;
}

void map_set(Map *m, const char *key, void *value) {
    set(m, key, hash_bytes(key, strlen(key), 0), value);
}

void *map_get_int(const Map *m, uint64_t key) {
    return m->cap ? find(m, NULL, key)->value : NULL;
}

void map_set_int(Map *m, uint64_t key, void *value) {
    set(m, NULL, key, value);
}
