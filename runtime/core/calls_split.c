/* Tensors into sequences and back: SplitToSequence, ConcatFromSequence. The type of a tensor among
 * the args is: dtype, rank, dims... */
#include "sequence.h"

static int64_t product(const int64_t *dims, int64_t from, int64_t to) {
    int64_t n = 1;
    for (int64_t i = from; i < to; i++) n *= dims[i];
    return n;
}

/* A tensor of this type, cut along an axis. */
struct cut {
    const char *x;
    const int64_t *type;
    int64_t axis;
    bool drop; /* the axis, whose pieces have the length 1 */
};

/* Positions at..at+length-1 of the axis as an item. */
static int piece(struct onnxcc_frame *f, const struct cut *c, int64_t at, int64_t length,
                 struct onnxcc_item *item) {
    const int64_t *dims = c->type + 2;
    int64_t bytes = core_dtype_bytes((int)c->type[0]), rank = c->type[1], n = 0, type[2 + 32];
    int64_t outer = product(dims, 0, c->axis), inner = product(dims, c->axis + 1, rank) * bytes;
    type[0] = c->type[0];
    for (int64_t i = 0; i < rank; i++)
        if (i != c->axis || !c->drop) type[2 + n++] = i == c->axis ? length : dims[i];
    type[1] = n;
    int code = core_item_new(f, 0, type, item);
    if (code) return code;
    char *to = (char *)(uintptr_t)item->data;
    for (int64_t o = 0; o < outer && length * inner > 0; o++)
        memcpy(to + o * length * inner, c->x + (o * dims[c->axis] + at) * inner,
               (size_t)(length * inner));
    return ONNXCC_OK;
}

/* bufs: x, [int64 lengths,] y. args: axis, each (the length of pieces, 0: they are listed), drop?,
 * how many lengths, x's type. */
int onnxcc_call_seq_split(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    struct cut c = {bufs[0], args + 4, args[0], args[2] != 0};
    int64_t size = c.type[2 + c.axis], each = args[1], at = 0;
    const int64_t *list = each ? 0 : bufs[1];
    struct onnxcc_list s;
    int code = core_list_new(f, list ? args[3] : (size + each - 1) / each, &s);
    for (int64_t i = 0; !code && (list ? i < args[3] : at < size); i++) {
        int64_t length = list ? list[i] : size - at < each ? size - at : each;
        struct onnxcc_item item;
        if (length < 0 || length > size - at) return ONNXCC_FAULT_HERE;
        code = piece(f, &c, at, length, &item);
        if (!code) code = core_sequence_insert(f, &s, s.count, &item, &s);
        at += length;
    }
    if (!code && at != size) return ONNXCC_FAULT_HERE;
    if (!code) *(struct onnxcc_list *)bufs[list ? 2 : 1] = s;
    return code;
}

/* bufs: x, int64 shape[rank of the result]. args: axis, new axis?, dtype, rank of the items. */
int onnxcc_call_seq_concat_shape(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_list *x = bufs[0];
    int64_t axis = args[0], rank = args[3], *y = bufs[1], total = 0;
    bool stack = args[1] != 0;
    (void)f;
    if (!x->count) return ONNXCC_FAULT_HERE;
    for (int64_t k = 0; k < x->count; k++) {
        const struct onnxcc_item *it = &x->items[k];
        if (it->dtype != args[2] || it->rank != rank) return ONNXCC_FAULT_HERE;
        for (int64_t i = 0; i < rank; i++) {
            bool free = !stack && i == axis;
            if (!free && it->shape[i] != x->items[0].shape[i]) return ONNXCC_FAULT_HERE;
        }
        if (__builtin_add_overflow(total, stack ? 1 : it->shape[axis], &total))
            return ONNXCC_E_OVERFLOW;
    }
    for (int64_t i = 0, from = 0; i < rank + stack; i++) {
        y[i] = i == axis ? total : x->items[0].shape[from];
        from += !(stack && i == axis);
    }
    return ONNXCC_OK;
}

/* bufs: x, y. args: axis, y's type. Its shape is that of seq_concat_shape. */
int onnxcc_call_seq_concat(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    const struct onnxcc_list *x = bufs[0];
    const int64_t *dims = args + 3;
    int64_t outer = product(dims, 0, args[0]), at = 0,
            line = product(dims, args[0], args[2]) * core_dtype_bytes((int)args[1]);
    (void)f;
    for (int64_t k = 0; k < x->count && outer; k++) {
        const struct onnxcc_item *it = &x->items[k];
        int64_t own = core_item_elements(it) * core_dtype_bytes(it->dtype) / outer;
        if (at + own > line) return ONNXCC_FAULT_HERE;
        for (int64_t o = 0; o < outer && own; o++)
            memcpy((char *)bufs[1] + o * line + at, (const char *)it->data + o * own, (size_t)own);
        at += own;
    }
    return ONNXCC_OK;
}
