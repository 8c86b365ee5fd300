/* An automaton over bytes to a table with one state at a time (regex.h).
 *
 * A state is a set of places of the first automaton, and what the byte before was: what \b, ^ and $
 * say about a place depends on the bytes on both sides of it. So the places that need no byte are
 * followed when the next byte is known. */
#include "frontend/regex.h"

#include <stdlib.h>

enum { MAX_STATES = 10000, MAX_WORK = 100000000 };
/* what a byte is, for assertions; the text's ends count as bytes */
typedef enum Side { SIDE_EDGE, SIDE_LINE, SIDE_WORD, SIDE_OTHER, N_SIDES } Side;

typedef struct State {
    int *places; /* sorted */
    int n;
    Side before;
} State;
typedef struct Dfa {
    Arena *arena;
    const Nfa *nfa;
    VEC(State) states;
    Map *known; /* hash -> list of states */
    uint8_t class_of[256];
    int n_classes;
    uint8_t sample[256]; /* of each class */
    VEC(uint16_t) rows;
    int *stack, *mark, round; /* of the search for places */
    int64_t work;
} Dfa;

static Side side_of(int byte) {
    if (byte == '\n') return SIDE_LINE;
    bool word = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                (byte >= 'A' && byte <= 'Z') || byte == '_';
    return word ? SIDE_WORD : SIDE_OTHER;
}

/* Bytes that no part of the automaton tells apart share a class. */
static void find_classes(Dfa *d) {
    bool edge[257] = {true};
    for (int i = 0; i < d->nfa->at.n; i++) {
        const NfaState *s = &d->nfa->at.at[i];
        if (s->kind != NFA_BYTES || s->lo > s->hi) continue;
        edge[s->lo] = edge[s->hi + 1] = true;
    }
    for (int c = 1; c < 256 && d->nfa->asserts; c++) edge[c] |= side_of(c) != side_of(c - 1);
    d->n_classes = 0;
    for (int c = 0; c < 256; c++) {
        if (edge[c]) d->sample[d->n_classes++] = (uint8_t)c;
        d->class_of[c] = (uint8_t)(d->n_classes - 1);
    }
}

static bool holds(RegexAssert what, Side before, Side after) {
    switch (what) {
    case AS_BEGIN:
        return before == SIDE_EDGE;
    case AS_END:
        return after == SIDE_EDGE;
    case AS_LINE_BEGIN:
        return before == SIDE_EDGE || before == SIDE_LINE;
    case AS_LINE_END:
        return after == SIDE_EDGE || after == SIDE_LINE;
    case AS_WORD:
        return (before == SIDE_WORD) != (after == SIDE_WORD);
    default:
        return (before == SIDE_WORD) == (after == SIDE_WORD);
    }
}

/* Everything that can be reached without a byte, into d->stack; how many. */
static int reach(Dfa *d, const State *s, Side after) {
    int n = 0;
    d->round++;
    for (int i = 0; i < s->n; i++) {
        d->mark[s->places[i]] = d->round;
        d->stack[n++] = s->places[i];
    }
    for (int i = 0; i < n; i++) {
        const NfaState *p = &d->nfa->at.at[d->stack[i]];
        int to[2] = {-1, -1};
        if (p->kind == NFA_SPLIT) to[0] = p->a, to[1] = p->b;
        else if (p->kind == NFA_ASSERT && holds(p->assert, s->before, after)) to[0] = p->a;
        for (int k = 0; k < 2; k++)
            if (to[k] >= 0 && d->mark[to[k]] != d->round) {
                d->mark[to[k]] = d->round;
                d->stack[n++] = to[k];
            }
    }
    d->work += n;
    return n;
}

static int by_number(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

/* The state with these places, made where it is new; -1: too many. */
static int state_of(Dfa *d, int *places, int n, Side before) {
    if (n == 0) return 0;
    qsort(places, (size_t)n, sizeof *places, by_number);
    if (!d->nfa->asserts) before = SIDE_OTHER;
    uint64_t hash = hash_bytes(places, (size_t)n * sizeof *places, (uint64_t)before + 1);
    for (;; hash++) {
        int at = (int)(uintptr_t)map_get_int(d->known, hash);
        if (!at) break;
        const State *s = &d->states.at[at];
        if (s->n == n && s->before == before && !memcmp(s->places, places, (size_t)n * sizeof(int)))
            return at;
    }
    if (d->states.n >= MAX_STATES) return -1;
    State s = {arena_copy(d->arena, places, (size_t)n * sizeof *places), n, before};
    vec_push(d->arena, &d->states, s);
    map_set_int(d->known, hash, (void *)(uintptr_t)(d->states.n - 1));
    return d->states.n - 1;
}

/* Where one byte leads from the places on the stack. */
static int step(Dfa *d, int n, int byte, int *places) {
    int to = 0;
    int round = ++d->round;
    for (int i = 0; i < n; i++) {
        const NfaState *p = &d->nfa->at.at[d->stack[i]];
        if (p->kind != NFA_BYTES || byte < p->lo || byte > p->hi || d->mark[p->a] == round)
            continue;
        d->mark[p->a] = round;
        places[to++] = p->a;
    }
    d->work += n;
    return state_of(d, places, to, side_of(byte));
}

static bool accepts(Dfa *d, const State *s) {
    int n = reach(d, s, SIDE_EDGE);
    for (int i = 0; i < n; i++)
        if (d->nfa->at.at[d->stack[i]].kind == NFA_MATCH) return true;
    return false;
}

/* The row of state `at`: bytes on one side of an assertion share what can be reached. */
static bool add_row(Dfa *d, int at, int *places) {
    uint16_t next[256];
    State s = d->states.at[at];
    vec_push(d->arena, &d->rows, (uint16_t)accepts(d, &s));
    for (int side = SIDE_LINE; side < N_SIDES; side++) {
        int n = -1;
        for (int c = 0; c < d->n_classes; c++) {
            if (d->nfa->asserts ? (int)side_of(d->sample[c]) != side : side != SIDE_OTHER) continue;
            if (n < 0) n = reach(d, &s, (Side)side);
            int to = step(d, n, d->sample[c], places);
            if (to < 0 || d->work > MAX_WORK) return false;
            next[c] = (uint16_t)to;
        }
    }
    for (int c = 0; c < d->n_classes; c++) vec_push(d->arena, &d->rows, next[c]);
    return true;
}

static bool determinise(Dfa *d, int *start) {
    int n = d->nfa->at.n;
    int *places = NEW_ARRAY(d->arena, int, n + 1);
    d->stack = NEW_ARRAY(d->arena, int, n + 1);
    d->mark = NEW_ARRAY(d->arena, int, n + 1);
    d->known = map_new(d->arena);
    find_classes(d);
    vec_push(d->arena, &d->states, ((State){0})); /* no places: nothing matches any more */
    places[0] = d->nfa->start;
    *start = state_of(d, places, 1, SIDE_EDGE);
    for (int i = 0; i < d->states.n; i++)
        if (!add_row(d, i, places)) return false;
    return true;
}

const uint16_t *regex_table(Arena *arena, const char *pattern, size_t size, int64_t *length,
                            const char **error) {
    Nfa nfa;
    Dfa d = {.arena = arena, .nfa = &nfa};
    int start;
    const Regex *tree = regex_parse(arena, pattern, size, error);
    if (!tree) return NULL;
    *error = "the pattern needs too many states";
    if (!nfa_build(arena, tree, &nfa) || !determinise(&d, &start)) return NULL;
    *length = 2 + 256 + d.rows.n;
    uint16_t *table = NEW_ARRAY(arena, uint16_t, *length);
    table[0] = (uint16_t)d.n_classes;
    table[1] = (uint16_t)start;
    for (int c = 0; c < 256; c++) table[2 + c] = d.class_of[c];
    memcpy(table + 258, d.rows.at, (size_t)d.rows.n * sizeof *table);
    *error = NULL;
    return table;
}
