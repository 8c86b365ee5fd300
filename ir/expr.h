/* One expression type for dimensions, subscripts, guards and element arithmetic.
 *
 * Expressions are hash-consed per Ctx: equal normal forms are the same pointer. Those of type
 * `index` (64-bit, dimensions and subscripts) are kept as polynomials over atoms with floordiv,
 * mod, min, max and select simplified by ranges, so that `floordiv(i*M + j, M)` with 0 <= j < M
 * *is* `i`.
 * Comparisons of them are brought to `a < b`, `a >= constant`, `a == b` and `a != b`. Element
 * expressions (f32, i64, ...) are kept as written, except that constants of integer and bool type
 * fold; float arithmetic never changes its order. Index arithmetic is that of the integers: it is
 * taken not to overflow, and divisors not to be zero. Names and extents do not change once an
 * expression has been made from them.
 *
 * Kinds
 *   INT    integer or bool constant, `type` tells which
 *   FLT    floating constant
 *   SYM    a symbolic dimension or derived value
 *   VAR    an iteration variable, 0 <= v < extent
 *   SUM    index only: i + arg[0] + ... ; terms are PROD or atoms
 *   PROD   index only: i * arg[0] * ... ; factors are atoms
 *   OP     a scalar operation of scalar_ops.def on arg[0..n)
 *   LOAD   tensor[arg[0], ..., arg[n-1]], element value
 *   GUARD  arg[0] ? arg[1] : arg[2]; arg[1] is only evaluated (its loads only touched) where arg[0]
 *          holds
 *   BOUND  index: arg[0] if 0 <= arg[0] < arg[1], else the nearest of 0 and arg[1]-1, raising the
 *          run's fault flag (subscripts that come from data); disappears where ranges prove it
 *
 * Text (the same in every IR): infix + - * on all numeric types, / and % are floordiv and mod on
 * index and `div`, `mod` elsewhere; comparisons == != < <= > >=; & | ^ !; every other operation by
 * name, max(a, b); cast(f32, e); guard(c, v, e); bound(e, n); loads %x[i, j]. Index and bool
 * constants are bare (3, true), f32 constants have a point or exponent (1.0, 1e-05), any other
 * typed constant is written 3:i64, 1.0:f64. A number without a type takes that of the other
 * operand. Names that are no identifiers stand in quotes. */
#ifndef ONNXCC_IR_EXPR_H
#define ONNXCC_IR_EXPR_H

#include "ir/base.h"
#include "ir/dtype.h"

typedef enum ExprKind {
    E_INT, E_FLT, E_SYM, E_VAR, E_SUM, E_PROD, E_OP, E_LOAD, E_GUARD, E_BOUND
} ExprKind;

typedef enum ScalarOp {
#define S(name, arity, rule, flags, meaning) SOP_##name,
#include "ir/scalar_ops.def"
#undef S
    SOP_COUNT
} ScalarOp;
enum { SF_COMM = 1, SF_FLT = 2, SF_INT = 4, SF_MATH = 8 };
typedef enum ScalarRule { SR_SAME, SR_CMP, SR_SEL, SR_CAST } ScalarRule;
typedef struct ScalarInfo {
    const char *name;
    int arity;
    ScalarRule rule;
    int flags;
    const char *meaning;
} ScalarInfo;
extern const ScalarInfo scalar_info[SOP_COUNT];
int scalar_by_name(const char *name); /* -1: none */

/* A symbolic dimension. INPUT: named by the model or --dim, bounded; DERIVED: an expression over
 * others, given a name; VALUE: an element of a tensor that must be computed first (bound in
 * mid-plan). All are >= lo >= 0 unless lo says else. */
typedef enum SymKind { SYM_INPUT, SYM_DERIVED, SYM_VALUE } SymKind;
typedef struct Expr Expr;
typedef struct Sym {
    SymKind kind;
    char *name;
    int64_t lo, hi; /* inclusive; INT64_MAX: unbounded */
    Expr *def;      /* DERIVED */
    Expr *self;     /* the E_SYM of it */
    Expr *merged;   /* not NULL: found equal to this; expr_resolve replaces it (union-find) */
    bool counted;   /* VALUE: how much an operation finds; gives way to nothing */
    int slot;       /* position in the run-time symbol table; set by the plan */
} Sym;

typedef struct Var {
    char *name;
    Expr *extent; /* 0 <= v < extent; may be NULL while parsing */
    Expr *self;
    int id;
} Var;

typedef struct Tensor Tensor; /* ir/kernel.h; expressions only point to it */

struct Expr {
    ExprKind kind;
    DType type;
    ScalarOp op;
    int id;      /* creation order in this Ctx: deterministic, used for sorting */
    int n;
    int64_t i;   /* INT value; SUM constant; PROD coefficient */
    double f;    /* FLT */
    Sym *sym;
    Var *var;
    Tensor *tensor;
    Expr **arg;
};

/* ---- atoms ---- */
Sym *sym_new(Ctx *, SymKind, const char *name, int64_t lo, int64_t hi);
/* lo <= s <= hi is now known, too; false (nothing done) where nothing is left. Once expressions
 * hold the symbol, its bounds are set by this alone: what was proved from the old ones is looked at
 * again, by expr_resolve, too. */
bool sym_narrow(Ctx *, Sym *, int64_t lo, int64_t hi);
Var *var_new(Ctx *, const char *name, Expr *extent);
Expr *expr_int(Ctx *, int64_t v);                 /* index */
Expr *expr_const_int(Ctx *, DType, int64_t v);    /* typed integer or bool (wrapped to the type) */
Expr *expr_const_flt(Ctx *, DType, double v);     /* rounded to the type */
Expr *expr_sym(Ctx *, Sym *);
Expr *expr_var(Ctx *, Var *);

/* ---- index arithmetic (all operands of type index), normalised ---- */
Expr *expr_add(Ctx *, Expr *, Expr *);
Expr *expr_sub(Ctx *, Expr *, Expr *);
Expr *expr_mul(Ctx *, Expr *, Expr *);
Expr *expr_addi(Ctx *, Expr *, int64_t);
Expr *expr_muli(Ctx *, Expr *, int64_t);
Expr *expr_floordiv(Ctx *, Expr *, Expr *);
Expr *expr_ceildiv(Ctx *, Expr *, Expr *);
Expr *expr_mod(Ctx *, Expr *, Expr *);
Expr *expr_min(Ctx *, Expr *, Expr *);
Expr *expr_max(Ctx *, Expr *, Expr *);
Expr *expr_product(Ctx *, Expr *const *, int n);  /* 1 for n = 0 */
Expr *expr_bound(Ctx *, Expr *e, Expr *n);

/* ---- any type ---- */
/* Arity and types as the row says; index operands are normalised. */
Expr *expr_op(Ctx *, ScalarOp, Expr *const *args);
Expr *expr_op1(Ctx *, ScalarOp, Expr *);
Expr *expr_op2(Ctx *, ScalarOp, Expr *, Expr *);
Expr *expr_op3(Ctx *, ScalarOp, Expr *, Expr *, Expr *);
Expr *expr_cast(Ctx *, DType, Expr *);            /* no-op when equal */
Expr *expr_bits(Ctx *, DType, Expr *);
Expr *expr_load(Ctx *, Tensor *, Expr *const *index, int n);
Expr *expr_guard(Ctx *, Expr *cond, Expr *value, Expr *otherwise);
Expr *expr_in_range(Ctx *, Expr *e, Expr *n);     /* bool: 0 <= e & e < n; true where provable */
Expr *expr_and(Ctx *, Expr *, Expr *);            /* bool, drops true */

/* ---- questions ---- */
bool expr_is_int(const Expr *, int64_t *v);       /* an integer or bool constant? v may be NULL */
bool expr_is(const Expr *, int64_t v);
/* Inclusive bounds from Var extents and Sym bounds, for any integer type; false: none known (lo and
 * hi then are INT64_MIN and INT64_MAX). */
bool expr_range(Ctx *, Expr *, int64_t *lo, int64_t *hi);
/* e >= 0 for all values of its variables and symbols? false: unknown. */
bool expr_prove_ge0(Ctx *, Expr *);
bool expr_prove_lt(Ctx *, Expr *a, Expr *b);
bool expr_prove_eq(Ctx *, Expr *a, Expr *b);      /* after expr_resolve */
bool expr_uses_var(const Expr *, const Var *);
bool expr_uses_tensor(const Expr *, const Tensor *);
bool expr_has_load(const Expr *);
Expr *expr_unconverted(const Expr *); /* what the casts around it are of */
bool expr_has_value_sym(const Expr *);
/* e == coef * v + rest with coef, rest free of v (index expressions). False: not linear in v. */
bool expr_linear_in(Ctx *, Expr *e, Var *v, Expr **coef, Expr **rest);
int expr_size(const Expr *);                      /* nodes, shared ones once */

/* ---- rewriting: all rebuild through the constructors, so results are in normal form ---- */
typedef struct Subst { Var **var; Expr **by; int n; } Subst;
Expr *expr_subst(Ctx *, Expr *, const Subst *);   /* simultaneous */
Expr *expr_subst1(Ctx *, Expr *, Var *, Expr *by);
Expr *expr_resolve(Ctx *, Expr *);                /* replaces merged symbols */
/* Bottom-up; gets a rebuilt node, returns it or another one. */
typedef Expr *(*ExprFn)(void *user, Expr *);
Expr *expr_rewrite(Ctx *, Expr *, ExprFn, void *user);
Expr *expr_replace(Ctx *, Expr *, const Expr *part, Expr *by); /* wherever part occurs */
/* Pre-order, shared nodes once. */
void expr_visit(const Expr *, void (*fn)(void *user, const Expr *), void *user);
/* Without guards and what stands in them. */
void expr_visit_unguarded(const Expr *, void (*fn)(void *user, const Expr *), void *user);
/* Makes a and b equal from now on where one of them is a symbol (or a symbol plus a constant, or
 * both are a multiple of such). Returns false where they are provably different; true (nothing
 * done) where nothing can be said. */
bool expr_unify(Ctx *, Expr *a, Expr *b);

/* ---- evaluation ---- */
typedef struct ExprEnv { /* values of variables and symbols */
    int64_t (*var)(void *user, const Var *);
    int64_t (*sym)(void *user, const Sym *);
    void *user;
} ExprEnv;
/* No loads; false on overflow or division by zero. */
bool expr_eval_index(const Expr *, const ExprEnv *, int64_t *out);

/* ---- text ---- */
void expr_print(Str *, const Expr *);
typedef struct Lexer Lexer;
typedef struct ExprScope { /* how names resolve while parsing; any callback may return NULL */
    Var *(*var)(void *user, const char *name);
    Sym *(*sym)(void *user, const char *name);
    Tensor *(*tensor)(void *user, const char *name); /* without % */
    void *user;
} ExprScope;
/* Parses one expression of type `want` (DT_NONE: any; constants without suffix then are index, bool
 * or f32). NULL after an error. */
Expr *expr_parse(Ctx *, Lexer *, const ExprScope *, DType want);
DType tensor_dtype(const Tensor *);       /* in ir/kernel.c; expr.c needs them for loads */
const char *tensor_name(const Tensor *);

ExprPool *expr_pool_new(Ctx *);

#endif
