/* Shared by fuse*.c. */
#ifndef ONNXCC_PASSES_FUSE_H
#define ONNXCC_PASSES_FUSE_H

#include "passes/passes.h"

/* ---- fuse_table.c: DNNFusion (PLDI 2021), tables 2 and 3 ---- */
typedef enum Verdict { FUSE_YES, FUSE_COST, FUSE_NO } Verdict;
/* May an operation of type `first` be fused with its consumer of type `second`, and what type
 * results? */
Verdict fuse_verdict(Mapping first, Mapping second, Mapping *fused);
Mapping stmt_mapping(Ctx *, const Stmt *); /* read off the access maps */
Mapping kernel_mapping(Ctx *, const Kernel *);
/* Scalar operations, transcendentals as 10; loads and subscripts free */
int expr_cost(const Expr *);

/* ---- fuse_access.c ---- */
/* `index` are the subscripts at which a consumer with domain c->dom reads what d defines. Where
 * that is a bijection onto d's box, gives every consumer variable in terms of d->dom. */
bool invert_access(Ctx *, const Stmt *c, Expr *const *index, const Stmt *d, Expr **solved);
Expr *stmt_inline(Ctx *, const Stmt *d, Expr *const *index); /* value of a map's element */
/* Every load of `of` by stmt_inline */
Expr *expr_replace_loads(Ctx *, Expr *, Tensor *of, const Stmt *d);

/* Can some variable run over vector lanes: does every load move with it linearly, and in no
 * subscript where a variable of the other kind (domain, reduction) does: a window? */
bool stmt_has_lanes(Ctx *, const Stmt *);

/* Does the map make nothing but integers of 8 bits, minus a number, in a wider type? */
bool widens_bytes(const Stmt *);

/* Does the map make nothing but a copy of constants in a type of twice the bits or more? */
bool widens_constants(const Stmt *);

#endif
