/* Sequences and optionals while importing.
 *
 * Where the items are known they exist here alone: as lists of values, which vanish into ordinary
 * tensors (a *known* sequence; an optional that is known to hold something is just that). Else
 * they are values of type seq[] in the graph, which the run fills (docs/sequences.md). What the
 * graph's type does not say, the items' type above all, is kept beside the value. */
#ifndef ONNXCC_FRONTEND_SEQUENCE_H
#define ONNXCC_FRONTEND_SEQUENCE_H

#include "frontend/calls.h"

enum {
    RANK_UNKNOWN = -1,
    RANK_NO_ITEMS = -2
};                             /* ranks of items; the latter of an empty sequence */
enum { MAX_KNOWN_ITEMS = 64 }; /* a split into more pieces is left to the run */

typedef struct Sequence {
    bool optional; /* of a tensor: holds at most one item; of a sequence: that, or nothing */
    bool of_sequence;
    Type item;  /* of all items, as far as known: dims may be NULL (they differ), rank as above */
    bool known; /* the items are known now */
    Value **at;
    int n; /* known items; -1: an optional that holds nothing */
} Sequence;

struct Onnx__TypeProto;

/* What is known of a value of type seq; NULL: it is a tensor. */
const Sequence *sequence_of(const OnnxNode *, const Value *);
Value *sequence_known(OnnxNode *, const Type *item, Value *const *at, int count);
Value *optional_nothing(OnnxNode *, const Sequence *what);
/* What a model's type says; false, after a diagnostic about `what`, where it is not supported. */
bool sequence_type(Import *, const char *what, const struct Onnx__TypeProto *, Sequence *out);
bool is_sequence_type(const struct Onnx__TypeProto *); /* a sequence or an optional? NULL: no */
/* Joins the types of items: what differs is unknown. false where the element types differ. */
bool sequence_join(OnnxNode *, Type *into, const Type *item);
bool sequence_same_items(OnnxNode *, const Type *, const Type *);
Type no_items(DType);

/* ---- in the graph ---- */
/* Says what is known of a graph value of type seq[]; passes NULL on. */
Value *sequence_value(Import *, Value *, const Sequence *);
/* The value in the graph: constructs what is known. A tensor becomes an optional that holds it. */
Value *sequence_handle(OnnxNode *, Value *);
/* The same for what leaves the model's graph or a sub-graph, where its declared type asks for
 * it. */
Value *sequence_leaving(OnnxNode *, Value *, const struct Onnx__TypeProto *declared);

/* The item at a position (i64[]), a tensor. */
Value *sequence_item(OnnxNode *, Value *handle, Value *position, const Type *item);
/* SequenceMap as a loop of `count` rounds. */
bool map_in_run(OnnxNode *, Value *count);

#endif
