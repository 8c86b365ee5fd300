/* The sizes of a run, and the run. Everything a run needs lies in the caller's arena (abi.h): the
 * head with symbol slots and output pointers, the threads' scratch, the plan's buffers. */
#include "core.h"

enum { MAX_THREADS = 4096 };
static const int64_t MAX_BYTES = CORE_MAX_BYTES; /* of one part */

/* What the arena is divided into, in bytes, each a multiple of ONNXCC_ALIGN. */
struct layout {
    int64_t head, scratch, buffers; /* scratch: of one thread */
};

static int64_t layout_bytes(const struct layout *l, int threads) {
    return l->head + threads * l->scratch + l->buffers;
}

static int clamp_threads(int threads) {
    return threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
}

static int64_t axis_size(const struct onnxcc_axis *a, const int64_t *syms) {
    return a->size >= 0 ? a->size : syms[a->slot];
}

/* Whether tensors of these sizes exist; of unknown sizes the run will know. */
static bool possible(const struct onnxcc_tensor *t, int n, const int64_t *syms) {
    for (int k = 0; k < n; k++) {
        int64_t elements = 1;
        bool empty = t[k].flags & ONNXCC_T_UNKNOWN;
        for (int i = 0; i < t[k].rank && !empty; i++) empty = !axis_size(&t[k].axes[i], syms);
        for (int i = 0; i < t[k].rank && !empty; i++) {
            int64_t size = axis_size(&t[k].axes[i], syms);
            if (size < 0 || size > MAX_BYTES / elements) return false;
            elements *= size;
        }
    }
    return true;
}

/* Dims into the slots, bounds checked, then everything derived from them. */
static int bind(const struct onnxcc_model *m, const int64_t *dims, int64_t *syms,
                struct layout *l) {
    for (int i = 0; i < m->n_dims; i++) {
        if (!dims || dims[i] < m->dims[i].lo || dims[i] > m->dims[i].hi)
            return ONNXCC_CODE(ONNXCC_E_DIM, i, 0);
        syms[i] = dims[i];
    }
    int code = m->bind(syms);
    if (code) return code;
    if (!possible(m->inputs, m->n_inputs, syms) || !possible(m->outputs, m->n_outputs, syms))
        return ONNXCC_E_OVERFLOW;
    int64_t buffers = syms[m->slot_arena], scratch = syms[m->slot_scratch];
    if (buffers < 0 || buffers > MAX_BYTES || scratch < 0 || scratch > MAX_BYTES / MAX_THREADS)
        return ONNXCC_E_OVERFLOW;
    l->head = ONNXCC_HEAD_BYTES(m->n_syms, m->n_outputs);
    l->scratch = ONNXCC_ROUND(scratch);
    l->buffers = ONNXCC_ROUND(buffers);
    return ONNXCC_OK;
}

size_t onnxcc_core_arena_bytes(const struct onnxcc_model *m, const int64_t *dims, int threads,
                               int64_t *syms) {
    struct layout l;
    if (bind(m, dims, syms, &l)) return 0;
    int64_t bytes = layout_bytes(&l, clamp_threads(threads));
    return (uint64_t)bytes > SIZE_MAX ? 0 : (size_t)bytes;
}

/* Byte offset of output k in NAME_outputs (k == n_outputs: of arena_needed), as C lays it out. */
static size_t output_offset(const struct onnxcc_model *m, int k) {
    size_t at = 0;
    for (int i = 0; i <= k; i++) {
        const struct onnxcc_tensor *t = i < m->n_outputs ? &m->outputs[i] : 0;
        bool unknown = t && (t->flags & ONNXCC_T_UNKNOWN);
        size_t align = unknown ? _Alignof(int64_t) : _Alignof(void *);
        at = (at + align - 1) / align * align;
        if (i < k && t->dtype == ONNXCC_SEQUENCE) at += sizeof(struct onnxcc_sequence);
        else if (i < k)
            at += unknown ? (sizeof(struct {
                                 void *d;
                                 size_t c;
                                 int64_t shape[1];
                             }) -
                             8 + 8 * (size_t)t->rank)
                          : sizeof(void *);
    }
    return at;
}

size_t core_outputs_bytes(const struct onnxcc_model *m) {
    return (output_offset(m, m->n_outputs) + sizeof(size_t) + 7) / 8 * 8;
}

struct core_out core_output(const struct onnxcc_model *m, void *outputs, int k) {
    struct core_out out = {(void **)((char *)outputs + output_offset(m, k)), 0, 0, 0};
    if (m->outputs[k].dtype == ONNXCC_SEQUENCE) out.sequence = (void *)out.data;
    if (m->outputs[k].flags & ONNXCC_T_UNKNOWN) {
        struct unknown {
            void *data;
            size_t capacity;
            int64_t shape[1];
        } *u = (void *)out.data;
        out.capacity = &u->capacity;
        out.shape = u->shape;
    }
    return out;
}

int64_t core_elements(const struct onnxcc_tensor *t, const int64_t *syms) {
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= axis_size(&t->axes[i], syms);
    return n;
}

static int need(const struct onnxcc_model *m, void *outputs, int64_t bytes) {
    if (outputs) *(size_t *)((char *)outputs + output_offset(m, m->n_outputs)) = (size_t)bytes;
    return ONNXCC_E_ARENA;
}

/* Pointers given for every input and output that has elements. */
static int check_pointers(struct onnxcc_frame *f) {
    const struct onnxcc_model *m = f->model;
    for (int i = 0; i < m->n_inputs; i++) {
        bool sequence = m->inputs[i].dtype == ONNXCC_SEQUENCE;
        if (!f->in || (!f->in[i] && !sequence && core_elements(&m->inputs[i], f->syms)))
            return ONNXCC_CODE(ONNXCC_E_INPUT, i, 0);
        if (sequence && f->in[i] && !core_sequence_sound(f->in[i]))
            return ONNXCC_CODE(ONNXCC_E_ITEM, i, 0);
    }
    for (int k = 0; k < m->n_outputs; k++) {
        if (!f->outputs) return ONNXCC_CODE(ONNXCC_E_OUTPUT, k, 0);
        struct core_out out = core_output(m, f->outputs, k);
        void *p = out.sequence ? (void *)out.sequence : *out.data;
        bool unknown = m->outputs[k].flags & ONNXCC_T_UNKNOWN;
        if (!p && !unknown && core_elements(&m->outputs[k], f->syms))
            return ONNXCC_CODE(ONNXCC_E_OUTPUT, k, 0);
        ((void **)f->out)[k] = p;
    }
    return ONNXCC_OK;
}

/* Divides the arena. Fewer threads where it has no scratch for all: the bits stay the same. */
static int divide(struct onnxcc_frame *f, const struct layout *l, char *arena, int64_t bytes) {
    int threads = clamp_threads(f->pool ? f->pool->threads : 1);
    if (layout_bytes(l, 1) > bytes) return need(f->model, f->outputs, layout_bytes(l, 1));
    if (layout_bytes(l, threads) > bytes)
        threads = (int)((bytes - l->head - l->buffers) / l->scratch);
    f->threads = threads;
    f->scratch = arena + l->head;
    f->scratch_stride = l->scratch;
    f->arena = f->scratch + threads * l->scratch;
    f->arena_bytes = bytes - (f->arena - arena);
    return ONNXCC_OK;
}

/* Shapes of unknown size, and where the caller finds what it gave no memory for. */
static void publish(struct onnxcc_frame *f) {
    for (int k = 0; k < f->model->n_outputs; k++) {
        struct core_out out = core_output(f->model, f->outputs, k);
        if (out.sequence) out.sequence->capacity = out.sequence->count;
        if (!out.shape) continue;
        const struct onnxcc_tensor *t = &f->model->outputs[k];
        for (int i = 0; i < t->rank; i++) out.shape[i] = axis_size(&t->axes[i], f->syms);
        *out.data = f->out[k];
    }
}

/* The frame of a run whose head, scratch and buffers lie in `arena`. */
static int begin(struct onnxcc_frame *f, const struct core_ctx *c, const void *inputs,
                 void *outputs, const int64_t *dims, char *arena, size_t arena_bytes) {
    const struct onnxcc_model *m = c->model;
    int64_t head = ONNXCC_HEAD_BYTES(m->n_syms, m->n_outputs);
    struct layout l;
    if (!arena || (uint64_t)arena_bytes < (uint64_t)head) return need(m, outputs, head);
    if ((uintptr_t)arena % ONNXCC_ALIGN) return ONNXCC_E_ALIGN;
    int64_t *syms = (int64_t *)(void *)arena;
    *f = (struct onnxcc_frame){.model = m,
                               .syms = syms,
                               .weights = c->weights,
                               .in = inputs,
                               .out = (void *const *)(syms + m->n_syms),
                               .state = c->state,
                               .pool = c->pool,
                               .hook = c->hook,
                               .user = c->user,
                               .seed = c->seed,
                               .outputs = outputs,
                               .device = c->device};
    int code = bind(m, dims, syms, &l);
    if (!code) code = divide(f, &l, arena, (int64_t)arena_bytes);
    return code ? code : check_pointers(f);
}

/* What a run has said becomes its code; shapes and addresses go to the caller. */
static int end(struct onnxcc_frame *f, int code, const char *arena) {
    if (!code) code = f->fault;
    if (code == ONNXCC_E_ARENA)
        return need(f->model, f->outputs, f->arena_needed + (f->arena - arena));
    if (!code || ONNXCC_KIND(code) == ONNXCC_E_CAPACITY) publish(f);
    return code;
}

int onnxcc_core_run(const struct onnxcc_model *m, const void *ctx, const void *inputs,
                    void *outputs, const int64_t *dims, void *arena, size_t arena_bytes) {
    struct onnxcc_frame f;
    const struct core_ctx *c = core_ctx_of(m, ctx);
    if (!c) return ONNXCC_E_CONTEXT;
    int code = begin(&f, c, inputs, outputs, dims, arena, arena_bytes);
    if (code) return code;
    return end(&f, m->device ? m->device->run(&f, c->run) : c->run(&f), arena);
}

/* ---- on a device ---- */
static int64_t device_bytes(const struct onnxcc_model *m, const int64_t *syms) {
    int64_t buffers = syms[m->slot_device_arena], scratch = syms[m->slot_device_scratch];
    if (buffers < 0 || buffers > MAX_BYTES || scratch < 0 || scratch > MAX_BYTES) return 0;
    int64_t bytes = ONNXCC_ROUND(scratch) + ONNXCC_ROUND(buffers);
    return bytes ? bytes : ONNXCC_ALIGN;
}

size_t onnxcc_core_device_bytes(const struct onnxcc_model *m, const int64_t *dims, int64_t *syms) {
    struct layout l;
    if (bind(m, dims, syms, &l)) return 0;
    return m->slot_device_arena < 0 ? ONNXCC_ALIGN : (size_t)device_bytes(m, syms);
}

/* The head and the host's part of the plan lie in room of the device's state. */
int onnxcc_core_run_device(const struct onnxcc_model *m, const void *ctx, const void *inputs,
                           void *outputs, const int64_t *dims, void *arena, size_t arena_bytes,
                           void *stream) {
    struct onnxcc_frame f;
    const struct core_ctx *c = core_ctx_of(m, ctx);
    if (!c) return ONNXCC_E_CONTEXT;
    int64_t bytes = ONNXCC_HEAD_BYTES(m->n_syms, m->n_outputs);
    if (!arena) arena_bytes = 0;
    if ((uintptr_t)arena % ONNXCC_ALIGN) return ONNXCC_E_ALIGN;
    for (int code;;) {
        size_t needed = 0;
        void *room = m->device->room(c->device, (size_t)bytes);
        if (!room) return ONNXCC_E_ARENA;
        struct core_ctx alone = *c;
        alone.pool = 0;
        code = begin(&f, &alone, inputs, outputs, dims, room, (size_t)bytes);
        f.device_arena = arena;
        f.device_bytes = (int64_t)arena_bytes;
        f.stream = stream;
        if (!code) code = end(&f, m->device->run_on(&f, c->run), room);
        if (code == ONNXCC_CODE(ONNXCC_E_ARENA, 1, 0)) {
            need(m, outputs, f.arena_needed);
            code = ONNXCC_E_ARENA;
        } else if (code == ONNXCC_E_ARENA && outputs) {
            needed = *(size_t *)((char *)outputs + output_offset(m, m->n_outputs));
        }
        m->device->room_done(c->device);
        if (!needed) return code;
        bytes = (int64_t)needed;
    }
}

int onnxcc_core_status(const struct onnxcc_model *m, const void *ctx) {
    const struct core_ctx *c = core_ctx_of(m, ctx);
    return c ? m->device->status(c->device) : ONNXCC_E_CONTEXT;
}

void *onnxcc_out_place(struct onnxcc_frame *f, int k, void *place) {
    struct core_out out = core_output(f->model, f->outputs, k);
    void **at = (void **)&f->out[k];
    if (f->given && (f->model->outputs[k].flags & ONNXCC_T_DEVICE)) return *at = place;
    if (!*out.data) return *at = place;
    if ((uint64_t)core_elements(&f->model->outputs[k], f->syms) <= *out.capacity) return *at;
    onnxcc_fault(f, ONNXCC_CODE(ONNXCC_E_CAPACITY, k, 0));
    return place;
}

void onnxcc_fault(struct onnxcc_frame *f, int code) {
    if (!__atomic_load_n(&f->fault, __ATOMIC_RELAXED))
        __atomic_store_n(&f->fault, code, __ATOMIC_RELAXED);
}
