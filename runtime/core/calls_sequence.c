/* Operators on sequences and optionals. A sequence among the bufs is two words (sequence.h). The
 * type of a tensor among the args is: dtype, rank, dims... */
#include "sequence.h"

/* The item at a position, where it has the type that was expected; dims of -1 may be any. */
static const struct onnxcc_item *item_of(const struct onnxcc_list *s, int64_t at,
                                         const int64_t *type) {
    const struct onnxcc_item *it = core_item_at(s, at);
    if (!it || it->dtype != type[0] || it->rank != type[1]) return 0;
    for (int i = 0; i < it->rank; i++)
        if (type[2 + i] >= 0 && type[2 + i] != it->shape[i]) return 0;
    return it;
}

/* bufs: y. */
int onnxcc_call_seq_none(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    (void)f, (void)args;
    *(struct onnxcc_list *)bufs[0] = (struct onnxcc_list){0, 0};
    return ONNXCC_OK;
}

/* bufs: tensors..., y. args: how many, then their types. */
int onnxcc_call_seq_construct(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    struct onnxcc_list s;
    int64_t n = args[0];
    int code = core_list_new(f, n, &s);
    const int64_t *type = args + 1;
    for (int64_t i = 0; i < n && !code; i++, type += 2 + type[1]) {
        struct onnxcc_item item;
        code = core_item_new(f, bufs[i], type, &item);
        if (!code) code = core_sequence_insert(f, &s, i, &item, &s);
    }
    if (!code) *(struct onnxcc_list *)bufs[n] = s;
    return code;
}

/* bufs: x, tensor, [int64 position,] y. args: is there a position? then the tensor's type. */
int onnxcc_call_seq_insert(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_list *x = bufs[0];
    struct onnxcc_item item;
    int64_t at = args[0] ? *(const int64_t *)bufs[2] : x->count;
    if (at < 0) at += x->count;
    if (at < 0 || at > x->count) return ONNXCC_FAULT_HERE;
    int code = core_item_new(f, bufs[1], args + 1, &item);
    return code ? code : core_sequence_insert(f, x, at, &item, bufs[args[0] ? 3 : 2]);
}

/* bufs: x, [int64 position,] y. args: is there a position? */
int onnxcc_call_seq_erase(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_list *x = bufs[0];
    struct onnxcc_list y, *out = bufs[args[0] ? 2 : 1];
    const struct onnxcc_item *it = core_item_at(x, args[0] ? *(const int64_t *)bufs[1] : -1);
    if (!it) return ONNXCC_FAULT_HERE;
    int code = core_list_new(f, x->count, &y);
    for (int64_t i = 0; i < x->count && !code; i++)
        if (&x->items[i] != it) code = core_sequence_insert(f, &y, y.count, &x->items[i], &y);
    if (!code) *out = y;
    return code;
}

/* bufs: x, int64 y. */
int onnxcc_call_seq_length(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    (void)f, (void)args;
    *(int64_t *)bufs[1] = ((const struct onnxcc_list *)bufs[0])->count;
    return ONNXCC_OK;
}

/* bufs: x, int64 position, int64 shape[rank]. args: the item's type, as far as known. */
int onnxcc_call_seq_shape(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_item *it = item_of(bufs[0], *(const int64_t *)bufs[1], args);
    (void)f;
    if (!it) return ONNXCC_FAULT_HERE;
    if (it->rank) memcpy(bufs[2], it->shape, 8 * (size_t)it->rank);
    return ONNXCC_OK;
}

/* bufs: x, int64 position, y. args: y's type. */
int onnxcc_call_seq_at(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_item *it = item_of(bufs[0], *(const int64_t *)bufs[1], args);
    (void)f;
    if (!it) return ONNXCC_FAULT_HERE;
    size_t bytes = (size_t)core_item_elements(it) * (size_t)core_dtype_bytes(it->dtype);
    if (bytes) memcpy(bufs[2], it->data, bytes);
    return ONNXCC_OK;
}

/* bufs: optional, bool y. args: is it one of a sequence? */
int onnxcc_call_opt_has(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_list *x = bufs[0];
    (void)f;
    *(uint8_t *)bufs[1] = args[0] ? x->items != 0 : x->count > 0;
    return ONNXCC_OK;
}

/* The sequence in an optional. bufs: optional, y. */
int onnxcc_call_opt_get(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_list *x = bufs[0];
    (void)f, (void)args;
    if (!x->items) return ONNXCC_FAULT_HERE;
    *(struct onnxcc_list *)bufs[1] = *x;
    return ONNXCC_OK;
}
