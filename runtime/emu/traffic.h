/* What the warps of a kernel in the emulation ask of memory, counted as a GPU moves it: an
 * instruction of a warp touches sectors of 32 bytes in memory; in shared memory it takes as many
 * steps as there are words of the same bank (32 of them, of 4 bytes) that lanes ask for at once.
 * At the end of the program a line for every kernel says
 *
 *   traffic: KERNEL reads BYTES of BYTES writes BYTES of BYTES shared STEPS of STEPS
 *
 * bytes that lanes asked for (the same byte once for each instruction), of those in the sectors;
 * steps without conflicts, of those that there were. Which accesses belong to one instruction is
 * found by their place in the code and how often each lane was there; lanes that go other ways make
 * it count a little more. Copies that all threads of a block send together count as one
 * instruction. What `ldmatrix` and products of groups read is not looked at. */
#ifndef ONNXCC_RUNTIME_EMU_TRAFFIC_H
#define ONNXCC_RUNTIME_EMU_TRAFFIC_H

#include "looks.h"

namespace onnxcc_emu {

enum { SECTOR = 32, BANKS = 32, WORD = 4, BUCKETS = 1 << 14, LARGEST = 16 };

struct Asked { /* an instruction of a warp, while its lanes come to it */
    Asked *next;
    void *code;
    unsigned warp, nth, lanes, bytes;
    bool writes;
    uintptr_t at[WARP];
};
struct Visits { /* of a thread to a place in the code */
    Visits *next;
    void *code;
    unsigned thread, n;
};
struct Traffic { /* of a kernel; reads, writes */
    Traffic *next;
    const char *kernel;
    uint64_t asked[2], moved[2], steps, least;
};
inline Traffic *traffic_all, *traffic_now;
inline uintptr_t traffic_stack; /* of the thread that launches: arguments lie there */
inline Asked *traffic_asked[BUCKETS];
inline Visits *traffic_visits[BUCKETS];

inline unsigned bucket_of(const void *code, unsigned a, unsigned b) {
    uint64_t h = (uintptr_t)code * 0x9e3779b97f4a7c15u + a * 0x85ebca6bu + b * 0xc2b2ae35u;
    return (unsigned)(h >> 40) % BUCKETS;
}
inline void traffic_begin(const char *kernel) {
    traffic_stack = (uintptr_t)__builtin_frame_address(0);
    for (traffic_now = traffic_all; traffic_now; traffic_now = traffic_now->next)
        if (!strcmp(traffic_now->kernel, kernel)) return;
    traffic_now = (Traffic *)calloc(1, sizeof *traffic_now);
    if (!traffic_now) abort();
    traffic_now->kernel = kernel;
    traffic_now->next = traffic_all;
    traffic_all = traffic_now;
}

/* ---- what an instruction costs ---- */
inline bool is_first(const Asked *a, int lane) {
    for (int i = 0; i < lane; i++)
        if (a->lanes >> i & 1 && a->at[i] == a->at[lane]) return false;
    return true;
}
inline void count_sectors(const Asked *a) {
    int side = a->writes;
    uintptr_t seen[2 * WARP];
    int n = 0;
    for (int i = 0; i < WARP; i++) {
        if (!(a->lanes >> i & 1)) continue;
        if (is_first(a, i)) traffic_now->asked[side] += a->bytes;
        for (uintptr_t s = a->at[i] / SECTOR; s <= (a->at[i] + a->bytes - 1) / SECTOR; s++) {
            int k = 0;
            while (k < n && seen[k] != s) k++;
            if (k == n) seen[n++] = s;
        }
    }
    traffic_now->moved[side] += (uint64_t)n * SECTOR;
}
/* Lanes from..to-1 are served together: words of one bank follow each other. */
inline unsigned bank_steps(const Asked *a, int from, int to) {
    uintptr_t seen[WARP * LARGEST / WORD];
    unsigned of_bank[BANKS] = {0}, most = 0;
    int n = 0;
    for (int i = from; i < to; i++)
        for (unsigned b = 0; a->lanes >> i & 1 && b < (a->bytes + WORD - 1) / WORD; b++) {
            uintptr_t word = a->at[i] / WORD + b;
            int k = 0;
            while (k < n && seen[k] != word) k++;
            if (k < n) continue;
            seen[n++] = word;
            if (++of_bank[word % BANKS] > most) most = of_bank[word % BANKS];
        }
    return most;
}
inline void count_steps(const Asked *a) {
    int together = a->bytes <= WORD ? WARP : BANKS * WORD / (int)a->bytes;
    for (int i = 0; i < WARP; i += together) {
        unsigned steps = bank_steps(a, i, i + together);
        traffic_now->steps += steps;
        traffic_now->least += steps > 0;
    }
}
inline void count(const Asked *a) {
    if (is_shared(a->at[__builtin_ctz(a->lanes)])) count_steps(a);
    else count_sectors(a);
}

/* ---- which accesses belong together ---- */
inline unsigned visit(void *code, unsigned thread) {
    Visits **list = &traffic_visits[bucket_of(code, thread, 0)];
    for (Visits *v = *list; v; v = v->next)
        if (v->code == code && v->thread == thread) return ++v->n;
    Visits *v = (Visits *)calloc(1, sizeof *v);
    if (!v) abort();
    v->next = *list, v->code = code, v->thread = thread;
    *list = v;
    return 0;
}
inline void traffic_block_ends() {
    for (int i = 0; i < BUCKETS; i++) {
        while (Asked *a = traffic_asked[i]) {
            traffic_asked[i] = a->next;
            count(a);
            free(a);
        }
        while (Visits *v = traffic_visits[i]) {
            traffic_visits[i] = v->next;
            free(v);
        }
    }
}
/* Is it the emulation's, and no GPU's? */
inline bool is_own(const Machine *m, uintptr_t at) {
    enum { NEAR = 1 << 20 };
    return is_local(m, at) || at - (uintptr_t)m < sizeof *m || at - (uintptr_t)&machine < 8 ||
           at - traffic_stack + NEAR < 2 * NEAR;
}
/* By one thread for all of the block: neighbours, which fill their sectors. */
inline void look_together(bool writes, uintptr_t at, size_t bytes) {
    if (is_shared(at)) return;
    traffic_now->asked[writes] += bytes;
    traffic_now->moved[writes] += ((at + bytes - 1) / SECTOR - at / SECTOR + 1) * SECTOR;
}
inline void look(uintptr_t at, size_t bytes, bool writes, void *code) {
    Machine *m = machine;
    if (!m || !m->current || m->ended == m->n || is_own(m, at) || !traffic_now) return;
    if (bytes > LARGEST) {
        look_together(writes, at, bytes);
        return;
    }
    unsigned thread = (unsigned)(m->current - m->thread), warp = thread / WARP;
    code = (char *)code + writes; /* a copy's two sides have one place */
    unsigned nth = visit(code, thread);
    Asked **list = &traffic_asked[bucket_of(code, warp, nth)], **at_list = list;
    while (*at_list && ((*at_list)->code != code || (*at_list)->warp != warp ||
                        (*at_list)->nth != nth || (*at_list)->bytes != bytes))
        at_list = &(*at_list)->next;
    Asked *a = *at_list;
    if (!a) {
        a = (Asked *)calloc(1, sizeof *a);
        if (!a) abort();
        *a = {*list, code, warp, nth, 0, (unsigned)bytes, writes, {}};
        *list = a, at_list = list;
    }
    a->at[thread % WARP] = at;
    a->lanes |= 1u << thread % WARP;
    if (a->lanes != ~0u) return;
    *at_list = a->next;
    count(a);
    free(a);
}

/* What a thread of a GPU moves by one instruction for 16 bytes. */
__attribute__((noinline)) inline void move_piece(void *to, const void *from, size_t bytes) {
    char *code = (char *)__builtin_return_address(0);
    for (size_t i = 0; i < bytes; i += LARGEST) {
        size_t n = bytes - i < LARGEST ? bytes - i : LARGEST;
        look((uintptr_t)from + i, n, false, code);
        look((uintptr_t)to + i, n, true, code);
    }
    memcpy(to, from, bytes);
}

/* ---- the report ---- */
inline void traffic_report() {
    for (Traffic *t = traffic_all; t; t = t->next)
        fprintf(stderr, "traffic: %s reads %llu of %llu writes %llu of %llu shared %llu of %llu\n",
                t->kernel, (unsigned long long)t->asked[0], (unsigned long long)t->moved[0],
                (unsigned long long)t->asked[1], (unsigned long long)t->moved[1],
                (unsigned long long)t->least, (unsigned long long)t->steps);
    traffic_all = 0;
}

} // namespace onnxcc_emu

/* One piece of the text says it; the others find nothing left. */
static void __attribute__((destructor, used)) onnxcc_emu_traffic() {
    onnxcc_emu::traffic_report();
}

#endif
