/* Shared by the expr*.c files only: what the pool keeps about every expression, and polynomials.
 *
 * Normal form of index expressions. A SUM is a constant and terms in the order of expr_cmp, with no
 * two terms alike; a term is a coefficient times a monomial (a product of atoms, sorted). All that
 * is no sum or product is an atom: symbols, variables, floordiv, mod, min, max, select, casts,
 * guards, bounds. Sums and products that would overflow 64 bits stay as OP add/sub/mul atoms. The
 * order depends on names and structure alone, so the same text gives the same order in every
 * Ctx; names count as they were when the symbol or variable was made.
 *
 * Division by zero does not occur: a divisor that is a symbol is taken as non-zero, and where a
 * variable occurs its extent is at least 1. */
#ifndef ONNXCC_IR_EXPR_INTERNAL_H
#define ONNXCC_IR_EXPR_INTERNAL_H

#include "ir/expr.h"

__extension__ typedef __int128 Wide;

enum { EF_LOAD = 1, EF_VALUE_SYM = 2, EF_SYM = 4, EF_VAR = 8, EF_DIVMOD = 16 };

typedef struct Range {
    int64_t lo, hi; /* INT64_MIN / INT64_MAX: unbounded */
} Range;

typedef struct Node {
    Expr e; /* first, so that an Expr * is a Node * */
    ExprPool *pool;
    uint64_t vars;    /* a bit per variable id modulo 64 */
    const char *key;  /* SYM, VAR: the name that sorts it */
    Expr *mono;       /* PROD with a coefficient: the same without it */
    Expr *quotient;   /* mod: floordiv of the same operands, once asked for */
    Range range;      /* valid while range_epoch is the pool's */
    int range_epoch, proof_epoch;
    bool proof;       /* the answer of expr_prove_ge0, valid while proof_epoch is the pool's */
    uint8_t flags;
    int degree;       /* PROD: number of factors; 1 for atoms, 0 for constants */
    int depth;
} Node;

static inline Node *node_of(const Expr *e) {
    return (Node *)(uintptr_t)e;
}

/* A map from expressions to expressions that is emptied in no time; see memo_open(). */
typedef struct Memo {
    struct MemoSlot {
        Expr *value;
        int key;
        uint32_t generation;
    } *at;
    uint32_t generation;
    int n, cap;
} Memo;

typedef struct OpSlot {
    Expr *a, *b, *result;
    int op, epoch;
} OpSlot;

typedef struct Bucket {
    Node *node; /* NULL: free */
    uint64_t hash;
} Bucket;

enum { OP_SLOTS = 1 << 13, MAX_OPEN = 64, LEAST_INT = -64, N_INTS = 256 };

struct ExprPool {
    Ctx *ctx;
    Bucket *table;  /* open addressing, at most half full */
    int n, cap, n_vars;
    int epoch;      /* counts changes of what is known about symbols and variables */
    VEC(Memo *) memos;
    int memo_depth;
    Var *open[MAX_OPEN]; /* variables that had no extent when last looked at */
    int n_open;
    int merges;     /* symbols merged or narrowed so far */
    OpSlot *ops;    /* results of the costly binary operations */
    Expr *ints[N_INTS]; /* index constants from LEAST_INT on */
};

/* ---- expr.c ---- */
Expr *expr_intern(Ctx *, const Expr *draft); /* draft->arg may lie on the stack */
Expr *expr_raw(Ctx *, ScalarOp, DType, Expr *const *arg, int n); /* an OP node as it is */
Expr *expr_rebuild(Ctx *, Expr *like, Expr *const *arg); /* `like` with other operands */
bool expr_op_cached(Ctx *, int op, Expr *a, Expr *b, Expr **result);
Expr *expr_op_remember(Ctx *, int op, Expr *a, Expr *b, Expr *result); /* returns result */
static inline bool is_op(const Expr *e, ScalarOp op) {
    return e->kind == E_OP && e->op == op;
}

/* ---- expr_order.c ---- */
int expr_cmp(const Expr *a, const Expr *b); /* total, independent of the Ctx; monomials by degree */

/* ---- expr_walk.c ---- */
Memo *memo_open(ExprPool *); /* empty; open and close nest */
void memo_close(ExprPool *);
Expr *memo_get(const Memo *, const Expr *);
bool memo_set(ExprPool *, Memo *, const Expr *, Expr *value); /* false: it was there */

/* ---- expr_range.c ---- */
Range expr_range_of(Ctx *, Expr *);
int expr_epoch(Ctx *); /* the current epoch, after a look at the open variables */
Range dtype_range(DType);

/* ---- expr_poly.c: sums of terms under construction ---- */
typedef struct Term {
    Expr *m; /* monomial without coefficient: an atom or a PROD with i == 1 */
    int64_t k;
} Term;
typedef struct Poly {
    Ctx *ctx;
    int64_t c;
    Term *t;
    int n, cap;
    bool overflow;
    Term buf[16];
} Poly;
void poly_init(Poly *, Ctx *);
void poly_add(Poly *, Expr *e, int64_t k);    /* += k * e */
void poly_term(Poly *, Expr *m, int64_t k);   /* += k * m */
void poly_const(Poly *, int64_t k);
void poly_collect(Poly *);                    /* sorts the terms, joins equal ones */
Expr *poly_done(Poly *);                      /* NULL: overflow */
Expr *term_expr(Ctx *, Expr *m, int64_t k);
Expr *mono_div(Ctx *, Expr *m, Expr *d);      /* m / d for monomials; NULL: d does not divide m */
Expr *mono_mul(Ctx *, Expr *a, Expr *b);
Expr *mono_gcd(Ctx *, Expr *a, Expr *b);      /* the integer 1 where they share nothing */
Term term_of(Ctx *, Expr *e);                 /* e is no SUM; an integer is k * 1 */
int64_t int_gcd(int64_t a, int64_t b);        /* >= 0 */
int64_t int_floordiv(int64_t a, int64_t b);   /* b != 0, not MIN / -1 */
int64_t int_mod(int64_t a, int64_t b);        /* b > 0 */

/* ---- expr_div.c, expr_cond.c, expr_index.c ---- */
Expr *expr_recombine(Ctx *, Poly *);          /* x/b*b + x%b is x; NULL: nothing to do */
Expr *cond_ge0(Ctx *, Expr *e);               /* bool: e >= 0 */
Expr *cond_eq0(Ctx *, Expr *e);
Expr *cond_op(Ctx *, ScalarOp, Expr *a, Expr *b); /* and, or, not (b unused) on bool */
Expr *cond_compare(Ctx *, ScalarOp, Expr *a, Expr *b); /* index operands */
Expr *index_op(Ctx *, ScalarOp, Expr *const *arg);     /* result or operands of type index */
Expr *expr_negate(Ctx *, Expr *);

#endif
