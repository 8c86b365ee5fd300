/* Lists of items in the arena (sequence.h). */
#include "sequence.h"

enum { MAX_RANK = 32 };

/* In front of the items of a list that the run has made. */
struct head {
    int64_t used, capacity; /* used: by any value that shares the list */
};
_Static_assert(sizeof(struct head) == 16, "items lie behind it, aligned");

static struct head *head_of(const struct onnxcc_frame *f, const struct onnxcc_item *items) {
    const char *at = (const char *)items;
    bool own = at >= f->arena && at < f->arena + f->arena_bytes;
    return own ? (struct head *)(uintptr_t)(at - sizeof(struct head)) : 0;
}

int64_t core_item_elements(const struct onnxcc_item *it) {
    int64_t n = 1;
    for (int i = 0; i < it->rank; i++) n *= it->shape[i];
    return n;
}

static bool item_sound(const struct onnxcc_item *it) {
    int64_t bytes = core_dtype_bytes(it->dtype), n = 1;
    if (!bytes || it->rank < 0 || it->rank > MAX_RANK || (it->rank && !it->shape)) return false;
    for (int i = 0; i < it->rank; i++) {
        if (it->shape[i] < 0 || (n && it->shape[i] > CORE_MAX_BYTES / bytes / n)) return false;
        n *= it->shape[i];
    }
    return n == 0 || it->data;
}

bool core_sequence_sound(const struct onnxcc_sequence *s) {
    if ((uint64_t)s->count > (uint64_t)1 << 40 || (s->count && !s->items)) return false;
    for (size_t i = 0; i < s->count; i++)
        if (!item_sound(&s->items[i])) return false;
    return true;
}

const struct onnxcc_item *core_item_at(const struct onnxcc_list *s, int64_t at) {
    if (at < 0) at += s->count;
    return at < 0 || at >= s->count ? 0 : &s->items[at];
}

int core_item_new(struct onnxcc_frame *f, const void *data, const int64_t *type,
                  struct onnxcc_item *out) {
    int64_t shape_bytes = ONNXCC_ROUND(8 * type[1]), n = core_dtype_bytes((int)type[0]);
    void *room;
    for (int i = 0; i < type[1]; i++) n *= type[2 + i];
    int code = core_bump(f, shape_bytes + n, &room);
    if (code) return code;
    out->shape = room;
    out->data = (char *)room + shape_bytes;
    out->dtype = (int32_t)type[0];
    out->rank = (int32_t)type[1];
    if (type[1]) memcpy(room, type + 2, 8 * (size_t)type[1]);
    if (n && data) memcpy((char *)room + shape_bytes, data, (size_t)n);
    return ONNXCC_OK;
}

int core_list_new(struct onnxcc_frame *f, int64_t capacity, struct onnxcc_list *out) {
    void *room;
    if (capacity < 1) capacity = 1;
    int64_t bytes = (int64_t)sizeof(struct onnxcc_item) * capacity;
    int code = core_bump(f, (int64_t)sizeof(struct head) + bytes, &room);
    if (code) return code;
    struct head *h = room;
    h->used = 0;
    h->capacity = capacity;
    out->items = (struct onnxcc_item *)(h + 1);
    out->count = 0;
    return ONNXCC_OK;
}

static void copy_items(struct onnxcc_item *to, const struct onnxcc_item *from, int64_t n) {
    if (n > 0) memcpy(to, from, (size_t)n * sizeof *to);
}

int core_sequence_insert(struct onnxcc_frame *f, const struct onnxcc_list *s, int64_t keep,
                         const struct onnxcc_item *item, struct onnxcc_list *out) {
    struct head *h = head_of(f, s->items);
    struct onnxcc_list list = *s;
    bool room = h && keep == s->count && h->used == s->count && h->used < h->capacity;
    if (!room) {
        int code = core_list_new(f, 2 * s->count + 4, &list);
        if (code) return code;
        copy_items(list.items, s->items, keep);
        copy_items(list.items + keep + 1, s->items + keep, s->count - keep);
    }
    list.items[keep] = *item;
    list.count = s->count + 1;
    head_of(f, list.items)->used = list.count;
    *out = list;
    return ONNXCC_OK;
}

const void *onnxcc_in_sequence(struct onnxcc_frame *f, int k) {
    static const struct onnxcc_sequence nothing;
    return f->in[k] ? f->in[k] : &nothing;
}
