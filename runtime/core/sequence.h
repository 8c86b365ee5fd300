/* Sequences and optionals during a run.
 *
 * A value is a struct onnxcc_list: the items and their number. Values are immutable. Lists that the
 * run makes lie in the arena behind a head; inserting at the end uses room that is left there, so
 * that a loop which collects n items takes n steps, not n * n. No list: an optional that holds
 * nothing. */
#ifndef ONNXCC_RUNTIME_SEQUENCE_H
#define ONNXCC_RUNTIME_SEQUENCE_H

#include "core.h"

/* The item at a position, from the end where negative; NULL: there is none. */
const struct onnxcc_item *core_item_at(const struct onnxcc_list *, int64_t position);
int64_t core_item_elements(const struct onnxcc_item *);
/* A copy of a tensor in the arena (data NULL: room for one). type: dtype, rank, dims... 0, or an
 * error code. */
int core_item_new(struct onnxcc_frame *, const void *data, const int64_t *type,
                  struct onnxcc_item *out);
/* A new list with room for `capacity` items, and at least one. */
int core_list_new(struct onnxcc_frame *, int64_t capacity, struct onnxcc_list *out);
/* The first `keep` items, then `item`, then the others. */
int core_sequence_insert(struct onnxcc_frame *, const struct onnxcc_list *, int64_t keep,
                         const struct onnxcc_item *item, struct onnxcc_list *out);

#endif
