/* One run on an NVIDIA GPU: launches and copies in one stream, in the plan's order. The host waits
 * before it looks at what was copied to it, and at the end. */
#include "../core/core.h"
#include "cuda_state.h"

#include <string.h>

enum { STAGING_ALIGN = 256 };

static struct cuda *state_of(const struct onnxcc_frame *f) {
    return f->device;
}

static void note(struct onnxcc_frame *f, int code) {
    if (code) onnxcc_fault(f, code);
}

/* ---- waiting ---- */
static int first_flag(const struct onnxcc_frame *f) {
    return f->given ? 0 : state_of(f)->n_faults;
}

int cuda_first_fault(struct cuda *c, int from) {
    int code = 0;
    for (int i = 0; i < c->n_faults; i++)
        if (__atomic_exchange_n(&c->fault[from + i], 0, __ATOMIC_ACQUIRE) && !code)
            code = ONNXCC_CODE(ONNXCC_E_FAULT, i, 0);
    return code;
}

int cuda_sync(struct onnxcc_frame *f) {
    struct cuda *c = state_of(f);
    int code = cuda_check(c, c->d.stream_wait(f->stream), "running the kernels");
    c->pending = false;
    note(f, code);
    if (!code) note(f, cuda_first_fault(c, first_flag(f)));
    return code;
}

void cuda_wait(struct onnxcc_frame *f) {
    struct cuda *c = state_of(f);
    if (c->pending || f->hook) cuda_sync(f);
}

/* ---- launches ---- */
enum { MAX_ARGS = 1024 };
union argument {
    CuPointer pointer;
    int64_t wide;
    int32_t narrow;
};

static union argument number(const struct onnxcc_cuda_kernel *k, int64_t v) {
    union argument a = {.wide = v};
    if (k->flags & ONNXCC_CUDA_SMALL) a.narrow = (int32_t)v;
    return a;
}

/* The scratch of the run's kernels lies in front of its buffers. */
static int64_t scratch_bytes(const struct onnxcc_frame *f) {
    int slot = f->model->slot_device_scratch;
    return slot < 0 ? 0 : ONNXCC_ROUND(f->syms[slot]);
}

/* See runtime/cuda.h for the order. */
static int arguments(struct onnxcc_frame *f, int step, const struct onnxcc_cuda_kernel *k,
                     void *const *bufs, int64_t total, union argument *a) {
    const struct cuda *c = state_of(f);
    const int32_t *args = (const void *)((const char *)c->image + k->args);
    int n = 0;
    for (int i = 0; i < k->n_bufs; i++) a[n++].pointer = (uintptr_t)bufs[args[i]];
    for (int i = 0; i < k->n_syms; i++) a[n++] = number(k, f->syms[args[k->n_bufs + i]]);
    if (k->flags & ONNXCC_CUDA_FAULTS)
        a[n++].pointer = c->fault_at + sizeof *c->fault * (size_t)(first_flag(f) + step);
    if (k->flags & ONNXCC_CUDA_SCRATCH) {
        int64_t all = scratch_bytes(f), area = all / f->model->scratch_areas;
        a[n++].pointer = (uintptr_t)f->device_arena - (uintptr_t)(all - c->now * area);
        a[n++].wide = area / ((int64_t)k->max_blocks * k->per_block);
    }
    a[n++] = number(k, 0);
    a[n++] = number(k, total);
    return n;
}

/* The kernel and the nodes it stands for. */
static int launch_failed(struct onnxcc_frame *f, int step, const struct onnxcc_cuda_kernel *k,
                         int code) {
    struct cuda *c = state_of(f);
    char text[300];
    const char *name = f->model->kernels[step].name, *origin = f->model->kernels[step].origin;
    int32_t uses = c->binary->uses, shared = k->shared;
    if (uses) {
        const struct onnxcc_cuda_use *u = (const void *)((const char *)c->image + uses);
        shared += u[k->index].shared;
    }
    cuda_error_text(&c->d, code, text, sizeof text);
    if (code == CU_INVALID || code == CU_TOO_LARGE)
        return cuda_fail(CUDA_UNUSABLE,
                         "%s: kernel %s (%s) asks for more than the GPU has: %d threads and %d "
                         "bytes of shared memory for a block: %s",
                         c->name, name, origin, k->threads, shared, text);
    return cuda_fail(CUDA_KERNEL_FAILED, "%s: kernel %s (%s): %s", c->name, name, origin, text);
}

/* What a map may say is checked when compiling, but for sizes of the run beyond 2^32 elements. */
static int maps_failed(struct onnxcc_frame *f, int step, int code) {
    char text[300];
    cuda_error_text(&state_of(f)->d, code, text, sizeof text);
    return cuda_fail(CUDA_UNUSABLE, "%s: kernel %s (%s): no tensor map of its operands: %s",
                     state_of(f)->name, f->model->kernels[step].name,
                     f->model->kernels[step].origin, text);
}

void cuda_launch(struct onnxcc_frame *f, int step, const void *kernel, void *const *bufs,
                 const int64_t *numbers, int64_t total) {
    struct cuda *c = state_of(f);
    const struct onnxcc_cuda_kernel *k = kernel;
    union argument a[MAX_ARGS];
    struct cuda_map maps[ONNXCC_CUDA_MAPS];
    void *at[MAX_ARGS + ONNXCC_CUDA_MAPS];
    int64_t blocks = (total + k->per_block - 1) / k->per_block;
    if (k->n_bufs + k->n_syms + 5 > MAX_ARGS || step < 0 || step >= c->n_faults) {
        note(f, cuda_fail(CUDA_UNUSABLE, "a kernel with %d arguments cannot be launched",
                          k->n_bufs + k->n_syms));
        return;
    }
    int n = arguments(f, step, k, bufs, total, a);
    for (int i = 0; i < n; i++) at[i] = &a[i];
    if (blocks > k->max_blocks) blocks = k->max_blocks;
    int code = cuda_maps(c, k, bufs, numbers, maps);
    if (code) {
        note(f, maps_failed(f, step, code));
        return;
    }
    for (int i = 0; i < k->n_maps; i++) at[n + i] = &maps[i];
    int event = cuda_trace_begin(f, step);
    code = c->d.launch(c->function[k->index], (unsigned)blocks, 1, 1, (unsigned)k->threads, 1, 1,
                       (unsigned)k->shared, cuda_now(f), at, NULL);
    cuda_trace_end(f, event);
    if (!code && c->careful) code = c->d.stream_wait(f->stream);
    if (code) note(f, launch_failed(f, step, k, code));
}

/* ---- copies ---- */
static void to_device(struct onnxcc_frame *f, void *to, const void *from, size_t bytes) {
    struct cuda *c = state_of(f);
    if (bytes)
        note(f,
             cuda_check(c, c->d.to_device((uintptr_t)to, from, bytes, f->stream), "copying to it"));
}

static void to_host(struct onnxcc_frame *f, void *to, const void *from, size_t bytes) {
    struct cuda *c = state_of(f);
    if (bytes)
        note(f,
             cuda_check(c, c->d.to_host(to, (uintptr_t)from, bytes, f->stream), "copying from it"));
}

/* Also of a copy to the device: the host may write its source again. */
void cuda_copy(struct onnxcc_frame *f, int step, int input, void *to, const void *from,
               int64_t bytes, int device) {
    if (input >= 0 && f->given) {
        memcpy(to, f->given[input], (size_t)bytes);
        return;
    }
    int event = cuda_trace_begin(f, step);
    if (device) to_device(f, to, from, (size_t)bytes);
    else to_host(f, to, from, (size_t)bytes);
    state_of(f)->pending = true;
    cuda_trace_end(f, event);
}

void cuda_input(struct onnxcc_frame *f, int step, int k, int64_t bytes) {
    if (state_of(f)->recording || state_of(f)->stay) return;
    int event = cuda_trace_begin(f, step);
    to_device(f, (void *)(uintptr_t)f->in[k], f->given[k], (size_t)bytes);
    cuda_trace_end(f, event);
}

/* Where the caller wants an output of unknown size; NULL: it cannot have it. */
static void *unknown_output(struct onnxcc_frame *f, int k, struct core_out *out, int64_t bytes) {
    const struct onnxcc_tensor *t = &f->model->outputs[k];
    void *at = *out->data;
    if (!at) {
        note(f, core_bump(f, bytes, &at));
        return at;
    }
    if ((uint64_t)core_elements(t, f->syms) <= *out->capacity) return at;
    onnxcc_fault(f, ONNXCC_CODE(ONNXCC_E_CAPACITY, k, 0));
    return NULL;
}

void cuda_output(struct onnxcc_frame *f, int step, int k, int64_t bytes) {
    struct core_out out = core_output(f->model, f->outputs, k);
    const void *from = f->out[k];
    void *to = *out.data;
    if (state_of(f)->recording || (state_of(f)->stay && !out.capacity)) return;
    if (out.capacity) {
        to = unknown_output(f, k, &out, bytes);
        ((void **)f->out)[k] = to ? to : *out.data; /* what the caller is told */
        if (!to) return;
    }
    int event = cuda_trace_begin(f, step);
    to_host(f, to, from, (size_t)bytes);
    cuda_trace_end(f, event);
}

/* ---- a run from the caller's memory ---- */
int64_t cuda_tensor_bytes(const struct onnxcc_frame *f, const struct onnxcc_tensor *t) {
    return host_bytes(t->dtype, core_elements(t, f->syms));
}

static bool is_staged(const struct onnxcc_tensor *t) {
    return (t->flags & ONNXCC_T_DEVICE) && !(t->flags & ONNXCC_T_UNKNOWN);
}

/* Addresses on the device of the tensors that are copied; returns the end of the last. */
static CuPointer stage(struct onnxcc_frame *f, CuPointer at) {
    struct cuda *c = state_of(f);
    const struct onnxcc_model *m = f->model;
    for (int side = 0; side < 2; side++)
        for (int k = 0; k < (side ? m->n_outputs : m->n_inputs); k++) {
            const struct onnxcc_tensor *t = side ? &m->outputs[k] : &m->inputs[k];
            if (!side) c->in[k] = f->given[k];
            if (!is_staged(t)) continue;
            if (side) ((void **)f->out)[k] = (void *)(uintptr_t)at;
            else c->in[k] = (const void *)(uintptr_t)at;
            int64_t bytes = cuda_tensor_bytes(f, t);
            at += ((uint64_t)bytes + STAGING_ALIGN - 1) / STAGING_ALIGN * STAGING_ALIGN;
        }
    return at;
}

/* Memory on the device for the dimensions of this run. */
static int make_room(struct onnxcc_frame *f, int64_t more) {
    struct cuda *c = state_of(f);
    int slot = f->model->slot_device_arena;
    int64_t scratch = scratch_bytes(f), buffers = slot < 0 ? 0 : ONNXCC_ROUND(f->syms[slot]);
    if (buffers < more) buffers = more;
    int code = cuda_grow(c, &c->arena, (size_t)(scratch + buffers), "the arena");
    if (!code) code = cuda_grow(c, &c->staging, (size_t)stage(f, 0), "inputs and outputs");
    if (code) return code;
    f->device_arena = (char *)(uintptr_t)c->arena.at + scratch;
    f->device_bytes = (int64_t)c->arena.bytes - scratch;
    f->device_weights = (const char *)(uintptr_t)c->weights.at;
    stage(f, c->staging.at);
    f->in = c->in;
    return 0;
}

static void copy_all(struct onnxcc_frame *f, bool back) {
    const struct onnxcc_model *m = f->model;
    for (int k = 0; k < (back ? m->n_outputs : m->n_inputs) && !f->fault; k++) {
        const struct onnxcc_tensor *t = back ? &m->outputs[k] : &m->inputs[k];
        if (!is_staged(t)) continue;
        if (back) cuda_output(f, 0, k, cuda_tensor_bytes(f, t));
        else cuda_input(f, 0, k, cuda_tensor_bytes(f, t));
    }
}

static int replay(struct onnxcc_frame *f, CuExec exec) {
    struct cuda *c = state_of(f);
    return cuda_check(c, c->d.graph_launch(exec, f->stream), "running the kernels");
}

static int run_once(struct onnxcc_frame *f, int (*run)(struct onnxcc_frame *)) {
    bool watched = f->hook || state_of(f)->tracing;
    CuExec exec = watched ? NULL : cuda_recorded(f, run);
    int code = 0;
    cuda_streams_begin(f, false);
    if (exec) {
        copy_all(f, false);
        code = f->fault ? f->fault : replay(f, exec);
        if (!code) copy_all(f, true);
    } else {
        code = run(f);
        cuda_join(f);
    }
    if (ONNXCC_KIND(f->fault) == ONNXCC_E_DEVICE) return f->fault; /* it has said what failed */
    if (state_of(f)->stay && !state_of(f)->pending) return code;
    int ended = cuda_sync(f);
    return ended ? ended : code;
}

/* Where sizes that the run finds need more of the device than there was, it begins again. */
static int run_in_context(struct onnxcc_frame *f, int (*run)(struct onnxcc_frame *)) {
    int64_t more = 0;
    for (;;) {
        int code = make_room(f, more);
        if (!code) code = run_once(f, run);
        if (code != ONNXCC_CODE(ONNXCC_E_ARENA, 1, 0)) return code;
        more = f->arena_needed + f->arena_needed / 4;
        f->fault = 0;
        f->taken = 0;
        if ((code = f->model->bind(f->syms))) return code;
    }
}

int cuda_run(struct onnxcc_frame *f, int (*run)(struct onnxcc_frame *)) {
    struct cuda *c = state_of(f);
    pthread_mutex_lock(&c->lock);
    int code = cuda_enter(c);
    if (!code) {
        f->given = f->in;
        f->stream = c->stream;
        c->runs++;
        c->n_events = 0;
        code = run_in_context(f, run);
        cuda_leave(c);
    }
    pthread_mutex_unlock(&c->lock);
    return code;
}

int cuda_stay(void *state, int on) {
    struct cuda *c = state;
    int code = 0;
    pthread_mutex_lock(&c->lock);
    c->stay = on;
    if (!on && !(code = cuda_enter(c))) {
        code = cuda_check(c, c->d.stream_wait(c->stream), "running the kernels");
        if (!code) code = cuda_first_fault(c, 0);
        cuda_leave(c);
    }
    pthread_mutex_unlock(&c->lock);
    return code;
}

/* ---- a run on the caller's addresses on the device ---- */
static bool is_captured(struct onnxcc_frame *f) {
    struct cuda *c = state_of(f);
    int status = 0;
    return c->d.capture_status && !c->d.capture_status(f->stream, &status) && status;
}

static int queue(struct onnxcc_frame *f, int (*run)(struct onnxcc_frame *)) {
    struct cuda *c = state_of(f);
    int64_t scratch = scratch_bytes(f);
    int slot = f->model->slot_device_arena, code = 0;
    int64_t needed = scratch + (slot < 0 ? 0 : f->syms[slot]);
    bool captured = is_captured(f);
    if (f->device_bytes < needed) {
        f->arena_needed = needed;
        return ONNXCC_CODE(ONNXCC_E_ARENA, 1, 0);
    }
    if ((code = cuda_check_pointers(f))) return code;
    if (captured && !(f->model->flags & ONNXCC_M_REPLAY))
        return cuda_fail(CUDA_UNUSABLE, "a run of this model decides on the host, so that its "
                                        "stream cannot be captured");
    f->device_arena += scratch;
    f->device_bytes -= scratch;
    f->device_weights = (const char *)(uintptr_t)c->weights.at;
    c->runs++;
    CuExec exec = captured || f->hook ? NULL : cuda_recorded(f, run);
    cuda_streams_begin(f, captured);
    code = exec ? replay(f, exec) : run(f);
    cuda_join(f);
    if (c->pending && !captured) cuda_sync(f); /* the next run may use the host's part again */
    if (code == ONNXCC_CODE(ONNXCC_E_ARENA, 1, 0)) f->arena_needed += scratch;
    return code;
}

int cuda_run_on(struct onnxcc_frame *f, int (*run)(struct onnxcc_frame *)) {
    struct cuda *c = state_of(f);
    int code = cuda_enter(c);
    if (code) return code;
    code = queue(f, run);
    cuda_leave(c);
    return code;
}
