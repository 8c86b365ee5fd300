/* Opening a model on an NVIDIA GPU: the device, the kernels for it, weights in its memory. */
#include "cuda_state.h"

#include <stdlib.h>
#include <string.h>

/* ---- errors ---- */
int cuda_check(struct cuda *c, int code, const char *doing) {
    char text[300];
    if (!code) return 0;
    cuda_error_text(&c->d, code, text, sizeof text);
    if (code >= CU_KERNEL_FAULTS && code <= CU_LAST_KERNEL_FAULT && code != CU_TOO_LARGE)
        return cuda_fail(CUDA_KERNEL_FAILED, "%s: %s: %s%s", c->name, doing, text,
                         c->careful ? ""
                                    : "; with ONNXCC_CUDA_SYNC=1 in the environment it says which "
                                      "kernel that is");
    return cuda_fail(code == CU_OUT_OF_MEMORY ? CUDA_NO_MEMORY : CUDA_UNUSABLE, "%s: %s: %s",
                     c->name, doing, text);
}

/* ---- the context ---- */
int cuda_enter(struct cuda *c) {
    return cuda_check(c, c->d.context_push(c->context), "entering its context");
}

void cuda_leave(struct cuda *c) {
    CuContext old;
    c->d.context_pop(&old);
}

/* ---- memory ---- */
int cuda_grow(struct cuda *c, struct cuda_block *b, size_t bytes, const char *what) {
    size_t unused = 0, total = 0;
    if (bytes <= b->bytes) return 0;
    if (b->at) {
        c->d.stream_wait(c->stream);
        c->d.free(b->at);
        c->used -= b->bytes;
        *b = (struct cuda_block){0, 0};
        cuda_replay_close(c); /* it names the old addresses */
    }
    int code = c->d.alloc(&b->at, bytes);
    if (code == CU_OUT_OF_MEMORY) {
        c->d.memory_info(&unused, &total);
        return cuda_fail(CUDA_NO_MEMORY,
                         "%s: out of memory: %zu bytes needed for %s, %zu of %zu free", c->name,
                         bytes, what, unused, total);
    }
    if (code) return cuda_check(c, code, "memory");
    b->bytes = bytes;
    c->used += bytes;
    if (c->used > c->most) c->most = c->used;
    return 0;
}

/* ---- which code ---- */
static const void *in_image(const struct cuda *c, int64_t at) {
    return (const char *)c->image + at;
}

/* How well a binary suits the chip; 0: not at all. Its own code before code for a lower minor
 * version, that before PTX. */
static int fitness(const struct cuda *c, const struct onnxcc_cuda_binary *b) {
    if (c->wanted && strcmp(c->wanted, b->name)) return 0;
    if (b->kind == ONNXCC_CUDA_EXACT && !c->d.tensor_map && cuda_wants_maps(c->image)) return 0;
    if (b->kind == ONNXCC_CUDA_EXACT) return b->arch == c->chip ? 3000 : 0;
    if (b->arch > c->chip) return 0;
    if (b->kind == ONNXCC_CUDA_PTX) return 1000 + b->arch;
    return b->arch / 10 == c->chip / 10 ? 2000 + b->arch : 0;
}

static int no_code(const struct cuda *c, const char *refused) {
    const struct onnxcc_cuda_binary *b = in_image(c, c->image->binaries);
    char list[256] = "";
    for (int i = 0; i < c->image->n_binaries; i++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", b[i].name);
        if (b[i].kind == ONNXCC_CUDA_EXACT && b[i].arch == c->chip && !c->d.tensor_map)
            return cuda_fail(CUDA_OLD_DRIVER,
                             "NVIDIA's driver is too old for the kernels for %s: libcuda lacks "
                             "cuTensorMapEncodeTiled; install driver 525 or later",
                             b[i].name);
    }
    if (c->wanted && !refused)
        return cuda_fail(CUDA_NO_CODE,
                         "%s (sm_%d) cannot run what ONNXCC_CUDA_CODE asks for, \"%s\"; this "
                         "program was compiled for %s",
                         c->name, c->chip, c->wanted, list);
    if (refused)
        return cuda_fail(CUDA_NO_CODE,
                         "%s (sm_%d): the driver takes none of this program's kernels (%s): %s; "
                         "compile it with --gpu-arch=sm_%d, or update the driver",
                         c->name, c->chip, list, refused, c->chip);
    return cuda_fail(CUDA_NO_CODE,
                     "%s (sm_%d) cannot run this program, which was compiled for %s; compile it "
                     "with --gpu-arch=sm_%d",
                     c->name, c->chip, list, c->chip);
}

static void unload(struct cuda *c) {
    for (int i = 0; i < c->image->n_modules; i++) {
        if (c->module[i]) c->d.module_unload(c->module[i]);
        c->module[i] = NULL;
    }
}

static int load_binary(struct cuda *c, const struct onnxcc_cuda_binary *b) {
    const struct onnxcc_cuda_module *m = in_image(c, b->modules);
    int code = 0;
    for (int i = 0; i < c->image->n_modules && !code; i++)
        code = c->d.module_load(&c->module[i], in_image(c, m[i].at));
    if (code) unload(c);
    else c->binary = b;
    return code;
}

/* The best binary that the driver accepts. */
static int load_modules(struct cuda *c) {
    const struct onnxcc_cuda_binary *b = in_image(c, c->image->binaries);
    char text[200];
    for (int limit = 1 << 30, code = 0;;) {
        int best = -1;
        for (int i = 0; i < c->image->n_binaries; i++)
            if (fitness(c, &b[i]) > 0 && fitness(c, &b[i]) < limit &&
                (best < 0 || fitness(c, &b[i]) > fitness(c, &b[best])))
                best = i;
        if (best < 0)
            return no_code(c, code ? cuda_error_text(&c->d, code, text, sizeof text) : NULL);
        code = load_binary(c, &b[best]);
        if (!code) return 0;
        if (code != CU_NO_BINARY && code != CU_BAD_PTX && code != CU_UNSUPPORTED_PTX)
            return cuda_check(c, code, "loading the kernels");
        limit = fitness(c, &b[best]);
    }
}

static int find_functions(struct cuda *c) {
    const struct onnxcc_cuda_kernel *k = in_image(c, c->image->kernels);
    for (int i = 0; i < c->image->n_kernels; i++) {
        const char *name = in_image(c, k[i].name);
        CuModule module = c->module[k[i].module];
        int code = cuda_check(c, c->d.module_function(&c->function[i], module, name), name);
        if (!code && k[i].shared) /* 48 KB are for all, with what a kernel itself declares */
            code = cuda_check(c, c->d.function_set(c->function[i], CU_DYNAMIC_SHARED, k[i].shared),
                              name);
        if (code) return code;
    }
    return 0;
}

/* ---- opening ---- */
/* The calling thread's context; NULL: it has none, or one of another device than the one asked for.
 */
static CuContext current_context(struct cuda *c, int ordinal) {
    CuContext current = NULL;
    int its = 0, wanted = 0;
    if (c->d.context_current(&current) || !current || !ordinal) return current;
    bool same = !c->d.context_device(&its) && !c->d.device_get(&wanted, ordinal) && its == wanted;
    return same ? current : NULL;
}

static int open_device(struct cuda *c, const struct onnxcc_config *config) {
    int count = 0, code;
    snprintf(c->name, sizeof c->name, "the GPU");
    if ((code = cuda_driver_open(&c->d))) return code;
    if (c->d.device_count(&count) || !count)
        return cuda_fail(CUDA_NO_DEVICE, "no NVIDIA GPU was found");
    if (!config->context && (config->device < 0 || config->device >= count))
        return cuda_fail(CUDA_NO_DEVICE, "there is no GPU %d, but %d of them", config->device,
                         count);
    c->context = config->context ? config->context : current_context(c, config->device);
    if (c->context) return 0;
    code = cuda_check(c, c->d.device_get(&c->device, config->device), "opening it");
    if (!code) code = cuda_check(c, c->d.context_retain(&c->context, c->device), "opening it");
    c->primary = !code;
    return code;
}

/* In its context. */
static int ask_device(struct cuda *c) {
    int major = 0, minor = 0;
    int code = cuda_check(c, c->d.context_device(&c->device), "its context");
    if (!code) c->d.device_name(c->name, sizeof c->name, c->device);
    if (!code) code = cuda_check(c, c->d.device_attribute(&major, CU_MAJOR, c->device), "version");
    if (!code) code = cuda_check(c, c->d.device_attribute(&minor, CU_MINOR, c->device), "version");
    c->chip = major * 10 + minor;
    return code ? code
                : cuda_check(c, c->d.stream_create(&c->stream, 1 /* beside the default one */),
                             "opening it");
}

static int open_memory(struct cuda *c, const char *weights) {
    enum { PORTABLE = 1, MAPPED = 2 };
    size_t bytes = (size_t)c->model->weights_bytes,
           flags = 2 * sizeof *c->fault * (size_t)c->n_faults;
    void *at = NULL;
    int code = cuda_check(c, c->d.alloc_host(&at, flags, PORTABLE | MAPPED), "memory for faults");
    if (code) return code;
    c->fault = at;
    memset(c->fault, 0, flags);
    code = cuda_check(c, c->d.host_address(&c->fault_at, c->fault, 0), "memory for faults");
    if (code || !bytes) return code;
    if ((code = cuda_grow(c, &c->weights, bytes, "the weights"))) return code;
    return cuda_check(c, c->d.to_device_now(c->weights.at, weights, bytes), "copying the weights");
}

static bool is_set(const char *name, char value) {
    const char *text = getenv(name);
    return text && *text == value;
}

static void cuda_close(void *state) {
    struct cuda *c = state;
    if (!c) return;
    if (c->context && !cuda_enter(c)) {
        if (c->stream) c->d.stream_wait(c->stream);
        cuda_replay_close(c);
        cuda_trace_close(c);
        cuda_streams_close(c);
        struct cuda_block *blocks[] = {&c->weights, &c->arena, &c->staging};
        for (int i = 0; i < 3; i++)
            if (blocks[i]->at) c->d.free(blocks[i]->at);
        if (c->fault) c->d.free_host(c->fault);
        unload(c);
        if (c->stream) c->d.stream_destroy(c->stream);
        cuda_leave(c);
    }
    if (c->primary) c->d.context_release(c->device);
    pthread_mutex_destroy(&c->lock);
    for (int i = 0; i < CUDA_REPLAYS; i++) free(c->replay[i].key);
    free(c->module);
    free(c->function);
    free(c->in);
    free(c->room);
    free(c->key);
    free(c->event);
    free(c->event_of);
    free(c);
}

static struct cuda *new_state(const struct onnxcc_model *m) {
    struct cuda *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->model = m;
    c->image = m->image;
    c->n_faults = m->n_kernels + 1;
    c->n_key = 3 + m->n_dims + m->n_inputs + m->n_outputs;
    c->wanted = getenv("ONNXCC_CUDA_CODE");
    c->careful = is_set("ONNXCC_CUDA_SYNC", '1');
    c->one_stream = c->careful || is_set("ONNXCC_CUDA_STREAMS", '0');
    c->replays_allowed = !c->careful && !is_set("ONNXCC_CUDA_GRAPHS", '0');
    c->module = calloc((size_t)c->image->n_modules + 1, sizeof *c->module);
    c->function = calloc((size_t)c->image->n_kernels + 1, sizeof *c->function);
    c->in = calloc((size_t)m->n_inputs + 1, sizeof *c->in);
    c->key = calloc((size_t)c->n_key, sizeof *c->key);
    pthread_mutex_init(&c->lock, NULL);
    if (c->module && c->function && c->in && c->key) return c;
    cuda_close(c);
    return NULL;
}

static int cuda_open(const struct onnxcc_model *m, const struct onnxcc_config *config,
                     const char *weights, void **state) {
    struct cuda *c = new_state(m);
    if (!c) return cuda_fail(CUDA_UNUSABLE, "out of the host's memory");
    int code = open_device(c, config);
    if (!code) code = cuda_enter(c);
    if (!code) {
        code = ask_device(c);
        if (!code) code = load_modules(c);
        if (!code) code = find_functions(c);
        if (!code) code = open_memory(c, weights);
        cuda_leave(c);
    }
    if (code) cuda_close(c);
    else *state = c;
    return code;
}

/* ---- between runs ---- */
static void *cuda_room(void *state, size_t bytes) {
    struct cuda *c = state;
    pthread_mutex_lock(&c->lock);
    if (bytes > c->room_bytes) {
        bytes = (bytes + ONNXCC_ALIGN - 1) / ONNXCC_ALIGN * ONNXCC_ALIGN;
        free(c->room);
        c->room = aligned_alloc(ONNXCC_ALIGN, bytes);
        c->room_bytes = c->room ? bytes : 0;
    }
    if (!c->room) pthread_mutex_unlock(&c->lock);
    return c->room;
}

static void cuda_room_done(void *state) {
    pthread_mutex_unlock(&((struct cuda *)state)->lock);
}

static int cuda_status(void *state) {
    struct cuda *c = state;
    int code = cuda_enter(c), driver;
    if (code) return code;
    driver = c->d.stream_query(c->stream);
    if (driver && driver != CU_NOT_READY) code = cuda_check(c, driver, "running the kernels");
    if (!code) code = cuda_first_fault(c, c->n_faults);
    cuda_leave(c);
    return code;
}

static void cuda_use(void *state, struct onnxcc_device_use *u) {
    const struct cuda *c = state;
    *u = (struct onnxcc_device_use){.name = c->name,
                                    .weights = (int64_t)c->weights.bytes,
                                    .arena = (int64_t)c->arena.bytes,
                                    .staging = (int64_t)c->staging.bytes,
                                    .most = (int64_t)c->most,
                                    .replays = c->replays};
}

const struct onnxcc_device onnxcc_cuda = {.open = cuda_open,
                                          .close = cuda_close,
                                          .run = cuda_run,
                                          .run_on = cuda_run_on,
                                          .room = cuda_room,
                                          .room_done = cuda_room_done,
                                          .status = cuda_status,
                                          .launch = cuda_launch,
                                          .copy = cuda_copy,
                                          .input = cuda_input,
                                          .output = cuda_output,
                                          .stream = cuda_stream,
                                          .wait = cuda_wait,
                                          .said = cuda_said,
                                          .trace = cuda_trace,
                                          .traced = cuda_traced,
                                          .use = cuda_use,
                                          .stay = cuda_stay};
