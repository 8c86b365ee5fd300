/* NAME.h: the C99 header of a compiled library, usable from C++. The part that all models share is
 * cut out of runtime/abi.h, where the runtime reads it from, too. */
#include "codegen/link/link.h"

#include "codegen/embedded.h"

#include <ctype.h>
#include <inttypes.h>

enum { ABI = 1, SEQUENCE = 64 }; /* as in runtime/abi.h */

/* ONNX's type numbers: our name, the C type of an element, and what else a reader must know. */
static const struct {
    const char *name, *c, *note;
} types[] = {
    [1] = {"f32", "float", ""},
    [2] = {"u8", "uint8_t", ""},
    [3] = {"i8", "int8_t", ""},
    [4] = {"u16", "uint16_t", ""},
    [5] = {"i16", "int16_t", ""},
    [6] = {"i32", "int32_t", ""},
    [7] = {"i64", "int64_t", ""},
    [8] = {"str", "struct onnxcc_string", ""},
    [9] = {"bool", "uint8_t", ", non-zero is true"},
    [10] = {"f16", "uint16_t", ", the bits of IEEE binary16"},
    [11] = {"f64", "double", ""},
    [12] = {"u32", "uint32_t", ""},
    [13] = {"u64", "uint64_t", ""},
    [14] = {"c64", "float", ", pairs of real and imaginary part"},
    [15] = {"c128", "double", ", pairs of real and imaginary part"},
    [16] = {"bf16", "uint16_t", ", the upper 16 bits of a float"},
    [17] = {"f8e4m3fn", "uint8_t", ", ONNX's codes"},
    [18] = {"f8e4m3fnuz", "uint8_t", ", ONNX's codes"},
    [19] = {"f8e5m2", "uint8_t", ", ONNX's codes"},
    [20] = {"f8e5m2fnuz", "uint8_t", ", ONNX's codes"},
    [21] = {"u4", "uint8_t", ", two in a byte, low bits first"},
    [22] = {"i4", "uint8_t", ", two in a byte, low bits first"},
    [23] = {"f4e2m1", "uint8_t", ", two in a byte, low bits first"},
    [24] = {"f8e8m0", "uint8_t", ", the exponent of a power of two plus 127"},
    [25] = {"u2", "uint8_t", ", four in a byte, low bits first"},
    [26] = {"i2", "uint8_t", ", four in a byte, low bits first"},
    [SEQUENCE] = {"seq", "struct onnxcc_sequence", ""},
};

static bool known(int dtype) {
    return dtype > 0 && dtype < LEN(types) && types[dtype].name;
}
static const char *type_name(int dtype) {
    return known(dtype) ? types[dtype].name : "?";
}
static bool is_pair(int dtype) {
    return dtype == 14 || dtype == 15;
}

/* Text inside a comment: nothing in it can end the comment or the line. */
static void add_comment(Str *out, const char *s) {
    for (; s && *s; s++) {
        unsigned char c = (unsigned char)*s;
        str_char(out, c < 0x20 || c == 0x7f || c == '\\' ? '?' : (char)c);
        if ((c == '*' && s[1] == '/') || (c == '/' && s[1] == '*') || (c == '?' && s[1] == '?'))
            str_char(out, ' ');
    }
}

static void add_type(Str *out, const LinkTensor *t) {
    if (t->dtype == SEQUENCE) {
        str_add(out, "a sequence or an optional");
        return;
    }
    str_fmt(out, "%s[", type_name(t->dtype));
    for (int i = 0; i < t->rank; i++) {
        if (i) str_char(out, ',');
        add_comment(out, t->axes[i].text);
    }
    str_fmt(out, "]%s", known(t->dtype) ? types[t->dtype].note : "");
}

/* ` / * "name": f32[N,3]; doc * /` behind a member. */
static void add_note(Str *out, const LinkEntry *e, const LinkTensor *t) {
    str_add(out, " /* \"");
    add_comment(out, t->name);
    str_add(out, "\": ");
    add_type(out, t);
    if (e->device && !t->on_device) str_add(out, "; always in the host's memory");
    if (t->doc) {
        str_add(out, "; ");
        add_comment(out, t->doc);
    }
    str_add(out, " */\n");
}

uint64_t link_signature(const LinkEntry *e) {
    Arena *arena = arena_new();
    Str s = str_new(arena);
    str_fmt(&s, "%d %s\n", ABI, e->name);
    for (int side = 0; side < 2; side++) {
        const LinkTensor *list = side ? e->outputs : e->inputs;
        str_fmt(&s, "%d\n", side ? e->n_outputs : e->n_inputs);
        for (int i = 0; i < (side ? e->n_outputs : e->n_inputs); i++) {
            str_quote(&s, list[i].name);
            str_fmt(&s, " %d %d %d", list[i].dtype, list[i].rank, list[i].unknown);
            if (e->device) str_add(&s, list[i].on_device ? " device" : " host");
            for (int k = 0; k < list[i].rank; k++) {
                str_fmt(&s, " %" PRId64 " ", list[i].axes[k].size);
                str_quote(&s, list[i].axes[k].text);
            }
            str_char(&s, '\n');
        }
    }
    for (int i = 0; i < e->n_dims; i++) {
        str_quote(&s, e->dims[i].name);
        str_fmt(&s, " %" PRId64 " %" PRId64 "\n", e->dims[i].lo, e->dims[i].hi);
    }
    uint64_t hash = hash_bytes(s.at, s.n, 0);
    arena_free(arena);
    return hash;
}

/* The part of runtime/abi.h between the lines of its guard. */
static void add_shared(Str *out) {
    const EmbeddedFile *abi = embedded_find("runtime/abi.h");
    CHECK(abi);
    const char *from = strstr((const char *)abi->data, "#ifndef ONNXCC_ABI_1\n");
    const char *to = from ? strstr(from, "\n#endif\n") : NULL;
    CHECK(to);
    str_addn(out, from, (size_t)(to - from));
    str_add(out, "\n#endif\n");
}

static void add_inputs(Str *out, const LinkEntry *e) {
    Map *taken = map_new(out->arena);
    bool sequence = false;
    for (int i = 0; i < e->n_inputs; i++) sequence |= e->inputs[i].dtype == SEQUENCE;
    str_add(out, "\n/* Dense, row-major, aligned to the element. The caller's; only read.");
    if (sequence) str_add(out, "\n * Of a sequence NULL is none, of an optional it is nothing.");
    str_add(out, " */\ntypedef struct {\n");
    for (int i = 0; i < e->n_inputs; i++) {
        const LinkTensor *t = &e->inputs[i];
        const char *c = known(t->dtype) ? types[t->dtype].c : "void",
                   *id = link_ident(out->arena, taken, t->name);
        str_fmt(out, is_pair(t->dtype) ? "    const %s (*%s)[2];" : "    const %s *%s;", c, id);
        add_note(out, e, t);
    }
    if (!e->n_inputs) str_add(out, "    const void *none; /* there are no inputs */\n");
    str_fmt(out, "} %s_inputs;\n", e->name);
}

static void add_output(Str *out, const LinkEntry *e, const LinkTensor *t, const char *id) {
    const char *c = known(t->dtype) ? types[t->dtype].c : "void",
               *pair = is_pair(t->dtype) ? "(*" : "*";
    const char *end = is_pair(t->dtype) ? ")[2]" : "";
    if (t->unknown) {
        str_fmt(out,
                "    struct {\n        %s %sdata%s;\n        size_t capacity; /* elements */\n", c,
                pair, end);
        str_fmt(out, "        int64_t shape[%d]; /* filled by run */\n    } %s;", MAX(t->rank, 1),
                id);
    } else if (t->dtype == SEQUENCE) {
        str_fmt(out, "    %s %s;", c, id);
    } else {
        str_fmt(out, "    %s %s%s%s;", c, pair, id, end);
    }
    add_note(out, e, t);
}

static void add_outputs(Str *out, const LinkEntry *e) {
    Map *taken = map_new(out->arena);
    bool unknown = false, sequence = false;
    map_set(taken, "arena_needed", taken);
    for (int i = 0; i < e->n_outputs; i++) unknown |= e->outputs[i].unknown;
    for (int i = 0; i < e->n_outputs; i++) sequence |= e->outputs[i].dtype == SEQUENCE;
    str_add(out, "\n/* The caller's memory, as large as the shape says; outputs overlap nothing.");
    if (unknown)
        str_add(out,
                "\n * Where data is NULL it receives a pointer into the arena, valid until the "
                "arena's next run; where"
                "\n * capacity is too small, run returns ONNXCC_E_CAPACITY with the shape filled.");
    if (sequence)
        str_add(out, "\n * Sequences are filled by run; their items lie in the arena until its "
                     "next run.");
    str_add(out, " */\ntypedef struct {\n");
    for (int i = 0; i < e->n_outputs; i++)
        add_output(out, e, &e->outputs[i], link_ident(out->arena, taken, e->outputs[i].name));
    str_add(out, "    size_t arena_needed; /* filled where run returns ONNXCC_E_ARENA: bytes */\n");
    str_fmt(out, "} %s_outputs;\n", e->name);
}

static void add_dims(Str *out, const LinkEntry *e) {
    Map *taken = map_new(out->arena);
    str_add(out, "\n/* The symbolic dimensions of this run. */\ntypedef struct {\n");
    for (int i = 0; i < e->n_dims; i++) {
        const LinkDim *d = &e->dims[i];
        str_fmt(out, "    int64_t %s; /* \"", link_ident(out->arena, taken, d->name));
        add_comment(out, d->name);
        str_fmt(out, "\": %" PRId64 "..", d->lo);
        if (d->hi != INT64_MAX) str_fmt(out, "%" PRId64, d->hi);
        str_add(out, " */\n");
    }
    if (!e->n_dims) str_add(out, "    int64_t none; /* all are fixed: dims may be NULL */\n");
    str_fmt(out, "} %s_dims;\n", e->name);
}

/* A text in which every `@` stands for the entry's name. */
static void add_named(Str *out, const char *text, const char *name) {
    for (; *text; text++) {
        if (*text == '@') str_add(out, name);
        else str_char(out, *text);
    }
}

static void add_macro(Str *out, const char *name, const char *what, int64_t value,
                      const char *note) {
    str_fmt(out, "#define %s_%s %" PRId64 " /* %s */\n", name, what, value, note);
}

static void add_macros(Str *out, const LinkEntry *e) {
    str_char(out, '\n');
    add_macro(out, e->name, "ARENA_ALIGN", 64, "bytes");
    if (e->arena_bytes)
        add_macro(out, e->name, "ARENA_BYTES", e->arena_bytes,
                  e->n_dims ? "the most, over all dimensions within their bounds; one thread"
                            : "one thread");
    if (e->stack_bytes)
        add_macro(out, e->name, "STACK_BYTES", e->stack_bytes, "the most of any function above");
    add_macro(out, e->name, "WEIGHTS_BYTES", e->weights_bytes,
              e->weights_outside ? "outside of the object" : "in the object");
    str_fmt(out, "#define %s_SIGNATURE UINT64_C(0x%016" PRIx64 ")\n", e->name, link_signature(e));
}

static const char config_text[] =
    "\n/* What open takes; zero it, then set what is needed.\n"
    " *   size            sizeof(@_config)\n"
    " *   weights         weights that are outside of the object: the bytes of the weights file, "
    "aligned to 64\n"
    " *   weights_path    or the file's path, mapped by open; else NULL\n"
    " *   pool            threads to work on; NULL: the caller alone. The bits of the results are "
    "the same\n"
    " *   hook            called before (end 0) and after (end 1) each kernel; non-zero stops the "
    "run\n"
    " *   seed            of random operators";
static const char config_device_text[] =
    "\n"
    " *   context         a CUcontext, which outlives the model; NULL: the one that is current\n"
    " *                   where open is called, unless it is of another device than a `device`\n"
    " *                   above 0; else the primary one\n"
    " *   device          number of the GPU";
static const char config_struct_text[] =
    " */\n"
    "typedef struct {\n"
    "    size_t size;\n    const void *weights;\n    size_t weights_bytes;\n    const char "
    "*weights_path;\n"
    "    void *state;\n    struct onnxcc_pool *pool;\n    int (*hook)(void *user, int kernel, int "
    "end);\n"
    "    void *user;\n    uint64_t seed;\n";
static const char ctx_text[] =
    "} @_config;\n"
    "\n/* An open model. The caller's memory; read-only after open, so threads may share it, each "
    "run with an arena\n"
    " * of its own. */\n"
    "typedef struct {\n    uint64_t opaque[16];\n} @_ctx;\n";
static const char functions_text[] =
    "\n/* All return 0 or an error code (ONNXCC_KIND(code) is an onnxcc_error), except as noted. ";
static const char cpu_promise[] =
    "Nothing is allocated\n"
    " * during a run; nothing is written outside of arena and outputs. */\n";
static const char device_promise[] =
    "Nothing of the\n"
    " * caller's is written outside of arena and outputs. The first run with larger dimensions "
    "allocates memory of\n"
    " * the GPU for all runs of this context, which run one after the other. */\n";
static const char host_functions_text[] =
    "/* Checks CPU, versions, weights and that this header is the model's. config NULL: all zero. "
    "*/\n"
    "int @_open(@_ctx *ctx, const @_config *config);\n"
    "/* Bytes that a run with these dimensions needs on a pool of so many threads; 0: out of "
    "bounds. */\n"
    "size_t @_arena_bytes(const @_dims *dims, int threads);\n"
    "/* One run. The arena is aligned to @_ARENA_ALIGN and may hold anything. */\n"
    "int @_run(@_ctx *ctx, const @_inputs *in, @_outputs *out, const @_dims *dims, void *arena,\n"
    "    size_t arena_bytes);\n"
    "void @_close(@_ctx *ctx);\n"
    "/* The sentence for a code: which input, which axis, which node. Writes at most n bytes, the "
    "NUL included;\n"
    " * returns the sentence's length. */\n"
    "int @_explain(int code, char *buf, size_t n);\n"
    "/* open with the signature of this header. */\n"
    "int @_open_signed(@_ctx *ctx, const @_config *config, uint64_t signature);\n"
    "#define @_open(ctx, config) @_open_signed((ctx), (config), @_SIGNATURE)\n";
static const char pool_text[] = "/* A thread pool (NULL: no memory), for as many models and "
                                "threads as one likes; free it after the last run. */\n"
                                "struct onnxcc_pool *@_pool_new(int threads);\n"
                                "void @_pool_free(struct onnxcc_pool *pool);\n";

static const char device_functions_text[] =
    "\n/* ---- @ on the caller's stream ---- */\n"
    "/* What run_device needs of the GPU's memory with these dimensions; 0: out of bounds. */\n"
    "size_t @_device_arena_bytes(const @_dims *dims);\n"
    "/* One run on tensors in the GPU's memory, aligned to 16 bytes, queued on `stream` (a\n"
    " * CUstream or cudaStream_t; NULL: the default one). Returns without waiting, but where the\n"
    " * host has to look at results in between; `in`, `out` and `dims` may go then. The arena is\n"
    " * memory of the GPU, aligned to @_ARENA_ALIGN, one for each run that is under way. What\n"
    " * fails on the GPU later is returned by a later call. */\n"
    "int @_run_device(@_ctx *ctx, const @_inputs *in, @_outputs *out, const @_dims *dims, void "
    "*arena,\n"
    "    size_t arena_bytes, void *stream);\n"
    "/* Once the stream has been waited for: 0, or a fault of runs that nobody has asked for. */\n"
    "int @_status(@_ctx *ctx);\n";

static void add_config(Str *out, const LinkEntry *e) {
    add_named(out, config_text, e->name);
    if (e->device) str_add(out, config_device_text);
    add_named(out, config_struct_text, e->name);
    if (e->device) str_add(out, "    void *context;\n    int device;\n");
    add_named(out, ctx_text, e->name);
}

static void add_functions(Str *out, const LinkEntry *e) {
    add_named(out, functions_text, e->name);
    str_add(out, e->device ? device_promise : cpu_promise);
    add_named(out, host_functions_text, e->name);
    if (e->hosted) add_named(out, pool_text, e->name);
    if (e->device) add_named(out, device_functions_text, e->name);
}

static void add_entry(Str *out, const LinkEntry *e) {
    str_add(out, "\n/* ---- ");
    add_comment(out, e->name);
    if (e->model) {
        str_add(out, ", from ");
        add_comment(out, e->model);
    }
    str_add(out, " ---- */\n");
    add_config(out, e);
    add_inputs(out, e);
    add_outputs(out, e);
    add_dims(out, e);
    add_macros(out, e);
    add_functions(out, e);
}

void link_header_text(Str *out, const char *base, const LinkEntry *entries, int n) {
    const char *id = link_ident(out->arena, NULL, base);
    str_add(
        out,
        "/* Written by onnxcc. The functions are in the object or library of the same name. */\n");
    str_fmt(out, "#ifndef ONNXCC_MODEL_%s_H\n#define ONNXCC_MODEL_%s_H\n\n", id, id);
    str_add(out, "#include <stddef.h>\n#include <stdint.h>\n\n");
    str_add(out, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    add_shared(out);
    for (int i = 0; i < n; i++) add_entry(out, &entries[i]);
    str_add(out, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}

bool link_header(Ctx *ctx, const char *path, const char *base, const LinkEntry *entries, int n) {
    Str s = str_new(ctx->perm);
    link_header_text(&s, base, entries, n);
    return link_write_file(ctx, path, s.at, s.n);
}
