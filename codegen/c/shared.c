/* CUDA: shared memory. A kernel declares its buffers; where they are more than it may declare, or
 * are written or read by what tells their addresses to the processor (products of groups, copies in
 * bulk), they are parts of one that the launch asks for. Behind them lie the barriers of copies. */
#include "codegen/c/gen.h"

enum { MOST_DECLARED = 48 << 10, ALIGN = 128, ALIGN_BOX = 1024, BARRIER = 8 };

typedef struct Shared {
    const Tensor *tensor; /* which one is looked for; NULL: none */
    int64_t bytes, at;    /* so far; where it lies */
    const LFunc *func;
    bool told;
} Shared;

typedef struct IsBox {
    const Tensor *tensor;
    bool found;
} IsBox;

static void find_box(void *user, LStmt *l) {
    IsBox *b = user;
    b->found |= l->kind == L_BOX && l->tensor == b->tensor;
}

static void add_buffer(void *user, LStmt *l) {
    Shared *s = user;
    int64_t n = 0;
    s->told |= l->kind == L_PRODUCTS || l->kind == L_BULK || l->kind == L_BOX;
    if (l->kind != L_BUFFER || l->tensor->space != SP_SHARED) return;
    CHECK(expr_is_int(l->hi, &n));
    IsBox box = {l->tensor, false};
    lbody_each(&s->func->body, find_box, &box);
    int64_t align = box.found ? ALIGN_BOX : ALIGN;
    s->bytes = (s->bytes + align - 1) / align * align;
    if (l->tensor == s->tensor) s->at = s->bytes;
    s->bytes += (n * (int64_t)dtype_bytes(l->tensor->dtype) + ALIGN - 1) / ALIGN * ALIGN;
}

static Shared look(const LFunc *f, const Tensor *t) {
    Shared s = {.tensor = t, .func = f};
    lbody_each(&f->body, add_buffer, &s);
    return s;
}

int64_t c_kernel_shared(const LFunc *f) {
    Shared s = look(f, NULL);
    CBulk bulk = c_kernel_bulk(f);
    return s.told || s.bytes > MOST_DECLARED ? s.bytes + bulk.n * BARRIER : 0;
}

static void find_bulk(void *user, LStmt *l) {
    if (l->kind == L_BULK || l->kind == L_BOX) *(CBulk *)user = (CBulk){l->width, l->each};
}

CBulk c_kernel_bulk(const LFunc *f) {
    CBulk b = {0};
    lbody_each(&f->body, find_bulk, &b);
    return b;
}

void c_shared_head(Printer *p) {
    CBulk bulk = c_kernel_bulk(p->func);
    int64_t all = c_kernel_shared(p->func);
    if (all) c_line(p, "SHARED_BYTES(%lld);", (long long)all);
    if (bulk.n)
        c_line(p, "BULK_BARRIERS(%lld, %d, %d);", (long long)(all - bulk.n * BARRIER), bulk.n,
               bulk.each);
}

void c_shared_buffer(Printer *p, const LStmt *l) {
    const char *type = c_memory_type(l->tensor->dtype), *name = name_add(p, l->tensor,
                                                                         l->tensor->name);
    if (!c_kernel_shared(p->func)) {
        int64_t n = 0;
        CHECK(expr_is_int(l->hi, &n));
        c_line(p, "__shared__ __align__(16) %s %s[%lld];", type, name, (long long)MAX(n, 1));
        return;
    }
    c_line(p, "%s *%s = (%s *)(shared_bytes + %lld);", type, name, type,
           (long long)look(p->func, l->tensor).at);
}
