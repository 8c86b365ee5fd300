/* The weights of a program: every constant once, in its stored layout, one after the other. Uses
 * no generator. */
#ifndef ONNXCC_CODEGEN_WEIGHTS_H
#define ONNXCC_CODEGEN_WEIGHTS_H

#include "codegen/codegen.h"
#include "codegen/link/link.h"

enum { WEIGHTS_ALIGN = 64 };
typedef struct Weight {
    const Tensor *tensor; /* the first that holds this constant */
    Const *data;
    uint64_t offset, bytes; /* in the payload */
    bool packed;            /* its bytes lie in the packed file, not in data */
} Weight;
typedef struct Weights {
    Ctx *ctx;
    VEC(Weight) items;
    Map *offsets; /* Tensor to offset + 1 */
    Map *by_hash; /* constant and layout to index + 1 */
    uint64_t bytes, hash;
    VEC(LinkPart) parts;
} Weights;

/* Places the constants that the entries' host functions mention. False: reported. */
bool weights_place(Ctx *, const Entry *, int n, Weights *);
/* Makes the parts and the hash; constants that are not stored as they are get packed into
 * `file`. */
bool weights_pack(Weights *, const char *file);
/* they need .lrodata and the medium code model */
bool weights_are_large(const Weights *, const char *triple);
int64_t weights_offset(const Weights *, const Tensor *); /* BUG where it was not placed */

/* ---- pack.c ---- */
typedef void (*PackSink)(void *user, const void *data, size_t bytes);
/* Writes the constant in the layout of the tensor (padding is zero), in order, in pieces; packed
 * where the tensor is. */
void pack_const(Ctx *, const Tensor *, const Const *, PackSink, void *user);
bool pack_is_plain(const Tensor *); /* row-major: the payload as it is */

#endif
