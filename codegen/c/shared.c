/* CUDA: shared memory. A kernel declares its buffers; where they are more than it may declare, or
 * hold factors of a group's products (whose addresses are told to the processor), they are parts of
 * one that the launch asks for. */
#include "codegen/c/gen.h"

enum { MOST_DECLARED = 48 << 10, ALIGN = 128 };

typedef struct Shared {
    int64_t bytes;
    bool products;
} Shared;

static int64_t bytes_of(const LStmt *l) {
    int64_t n = 0;
    CHECK(expr_is_int(l->hi, &n));
    return (n * (int64_t)dtype_bytes(l->tensor->dtype) + ALIGN - 1) / ALIGN * ALIGN;
}

static void add_buffer(void *user, LStmt *l) {
    Shared *s = user;
    s->products |= l->kind == L_PRODUCTS;
    if (l->kind == L_BUFFER && l->tensor->space == SP_SHARED) s->bytes += bytes_of(l);
}

int64_t c_kernel_shared(const LFunc *f) {
    Shared s = {0};
    lbody_each(&f->body, add_buffer, &s);
    return s.products || s.bytes > MOST_DECLARED ? s.bytes : 0;
}

static void find_bulk(void *user, LStmt *l) {
    if (l->kind == L_BULK) *(int *)user = l->width;
}

int c_kernel_bulk(const LFunc *f) {
    int n = 0;
    lbody_each(&f->body, find_bulk, &n);
    return n;
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
    c_line(p, "%s *%s = (%s *)(shared_bytes + %lld);", type, name, type, (long long)p->shared);
    p->shared += bytes_of(l);
}
