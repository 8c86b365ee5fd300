/* Regular expressions in RE2's syntax, compiled to automata: a parser to a tree, the tree to a
 * non-deterministic automaton over the bytes of UTF-8, that one to a table that reads each byte of
 * a text once.
 *
 * What decides between lazy and greedy, and what groups capture, has no meaning here: a text
 * matches as a whole or not. Not supported: \C, classes of Unicode (\p), and (?i) for letters that
 * are not ASCII. */
#ifndef ONNXCC_FRONTEND_REGEX_H
#define ONNXCC_FRONTEND_REGEX_H

#include "ir/base.h"

typedef struct CharRange {
    uint32_t lo, hi;
} CharRange;
typedef struct CharSet { /* sorted, apart from each other */
    VEC(CharRange) at;
} CharSet;

typedef enum RegexKind {
    RX_EMPTY,
    RX_SET,
    RX_CAT,
    RX_ALT,
    RX_REPEAT,
    RX_ASSERT,
    RX_NEVER
} RegexKind;
typedef enum RegexAssert {
    AS_BEGIN,
    AS_END,
    AS_LINE_BEGIN,
    AS_LINE_END,
    AS_WORD,
    AS_NO_WORD
} RegexAssert;
typedef struct Regex {
    RegexKind kind;
    CharSet set;
    struct Regex *a, *b;
    int min, max; /* REPEAT: max -1: any number */
    RegexAssert assert;
} Regex;

/* NULL: *error says why not. */
Regex *regex_parse(Arena *, const char *pattern, size_t size, const char **error);

/* ---- regex_nfa.c ---- */
typedef struct NfaState {
    enum { NFA_BYTES, NFA_SPLIT, NFA_ASSERT, NFA_MATCH } kind;
    uint8_t lo, hi;
    RegexAssert assert;
    int a, b; /* where it goes */
} NfaState;
typedef struct Nfa {
    VEC(NfaState) at;
    int start;
    bool asserts;
} Nfa;
bool nfa_build(Arena *, const Regex *, Nfa *); /* false: too large */

/* ---- regex_dfa.c ---- */
/* The table that the runtime's str_match reads: the number of classes of bytes, the first state,
 * the class of each byte, then per state: does a text that ends here match? and the next state by
 * class. State 0 is the end of all hope. NULL: *error says why not. */
const uint16_t *regex_table(Arena *, const char *pattern, size_t size, int64_t *length,
                            const char **error);

/* ---- sets of characters (regex_set.c) ---- */
void set_add(Arena *, CharSet *, uint32_t lo, uint32_t hi);
void set_add_all(Arena *, CharSet *, const CharSet *);
void set_normal(Arena *, CharSet *); /* sorts and joins */
void set_negate(Arena *, CharSet *);
void set_fold(Arena *, CharSet *);                       /* adds the other case of ASCII letters */
bool set_named(Arena *, CharSet *, char escape);         /* \d \w \s and their negations */
bool set_posix(Arena *, CharSet *, const char *, int n); /* alpha, digit, ... */

#endif
