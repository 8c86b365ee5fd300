/* Runs copies that the threads of a block send together. They arrive when they are waited for. */
#include "ir/loops_interp.h"

enum { OF_ALL = -1 };

static void send(Interp *it, const LStmt *l, Copy c) {
    int64_t to = linterp_index(it, l->index);
    c.thread = OF_ALL, c.group = (int)linterp_index(it, l->iargs[1]);
    c.to = linterp_address(it, l->tensor, to);
    linterp_address(it, l->tensor, to + l->hi->i - 1);
    if (!it->failed) vec_push(it->arena, &it->copies, c);
}

/* Numbers as of the moment at which the copy is sent. */
static void send_box(Interp *it, const LStmt *l) {
    Copy c = {.box = l, .numbers = NEW_ARRAY(it->arena, int64_t, l->n_iargs)};
    for (int i = 0; i < l->n_iargs; i++) c.numbers[i] = linterp_index(it, l->iargs[i]);
    send(it, l, c);
}

void linterp_bulk(Interp *it, const LStmt *l) {
    linterp_choose(it, 0);
    if (l->kind == L_BOX) {
        send_box(it, l);
        return;
    }
    int64_t from = linterp_index(it, l->iargs[0]);
    Copy c = {.from = linterp_address(it, l->args[0], from)};
    linterp_address(it, l->args[0], from + l->hi->i - 1);
    c.bytes = (size_t)l->hi->i * dtype_bytes(l->tensor->dtype);
    send(it, l, c);
}

static void arrive_box(Interp *it, const Copy *c) {
    const LStmt *l = c->box;
    size_t bytes = dtype_bytes(l->tensor->dtype);
    int64_t all = l->hi->i, row = lbox_row(l);
    for (int64_t e = 0; e < all && !it->failed; e++) {
        int64_t from = c->numbers[0], rest = e;
        bool inside = true;
        for (int d = 0; d < lbox_dims(l); d++) {
            const int64_t *n = c->numbers + BOX_DIMS + d * BOX_DIM;
            int64_t at = n[BOX_AT] + rest % n[BOX_SIZE];
            inside &= at >= 0 && at < n[BOX_EXTENT];
            from += at * n[BOX_STRIDE];
            rest /= n[BOX_SIZE];
        }
        /* the copy begins at whole rows, so that places within it are those of the tensor */
        char *to = c->to + loops_box_element(e, row, bytes) * (int64_t)bytes;
        const char *value = inside ? linterp_address(it, l->args[0], from) : NULL;
        if (value) memcpy(to, value, bytes);
        else memset(to, 0, bytes);
    }
}

void linterp_bulk_wait(Interp *it, const LStmt *l) {
    linterp_choose(it, 0);
    int64_t number = linterp_index(it, l->lo);
    int n = 0, arrived = 0;
    for (int i = 0; i < it->copies.n; i++) {
        const Copy c = it->copies.at[i];
        if (c.thread != OF_ALL || c.group != number) {
            it->copies.at[n++] = c;
            continue;
        }
        if (c.box) arrive_box(it, &c);
        else memcpy(c.to, c.from, c.bytes);
        arrived++;
    }
    it->copies.n = n;
    if (arrived != l->each)
        linterp_fail(it, "%d copies arrive where %d are waited for", arrived, l->each);
    it->generation++;
}
