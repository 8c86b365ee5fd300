/* Error codes as sentences. */
#include "core.h"

static void quoted(struct text *t, const char *what, const char *name) {
    text_str(t, what);
    text_str(t, " \"");
    text_str(t, name);
    text_str(t, "\"");
}

static void say_dim(struct text *t, const struct onnxcc_dim *d) {
    quoted(t, "dimension", d->name);
    text_str(t, " must be ");
    if (d->hi == INT64_MAX || d->lo == d->hi) {
        text_str(t, d->lo == d->hi ? "" : "at least ");
        text_int(t, d->lo);
        return;
    }
    text_str(t, "in ");
    text_int(t, d->lo);
    text_str(t, "..");
    text_int(t, d->hi);
}

static void say_cpu(struct text *t, const struct onnxcc_model *m) {
    text_str(t, "this CPU cannot run the code:");
    for (int i = 0; i < m->n_versions; i++) {
        text_str(t, i ? "; " : " ");
        text_str(t, m->versions[i].cpu);
        text_str(t, " needs ");
        core_cpu_fits(m->versions[i].needs, t);
    }
}

static const char *const weights_text[] = {
    "the model's weights are not inside: give config.weights or config.weights_path",
    "the weights are too short",
    "this is not a weights file of onnxcc",
    "these weights belong to another model",
    "the weights file cannot be opened",
    "config.weights must be aligned to 64 bytes",
};

static void say_weights(struct text *t, const struct onnxcc_model *m, int which) {
    if (which < 0 || which >= (int)(sizeof weights_text / sizeof weights_text[0])) which = 0;
    if (which == 4 && m->weights_file) {
        quoted(t, "the weights file", m->weights_file);
        text_str(t, " (or config.weights_path) cannot be opened");
    } else {
        text_str(t, weights_text[which]);
    }
}

static const char *const device_text[] = {
    "NVIDIA's driver was not found",
    "NVIDIA's driver is too old",
    "no NVIDIA GPU was found",
    "the program has no code for this GPU",
    "the GPU is out of memory",
    "a kernel failed on the GPU",
    "the GPU cannot be used",
};

static void say_device(struct text *t, const struct onnxcc_model *m, int code) {
    int n = (int)(sizeof device_text / sizeof device_text[0]), i = ONNXCC_INDEX(code);
    const char *said = m->device ? m->device->said(code) : 0;
    text_str(t, said ? said : device_text[i >= 0 && i < n ? i : n - 1]);
}

static const char *const plain[ONNXCC_E_KINDS] = {
    [ONNXCC_OK] = "no error",
    [ONNXCC_E_ABI] = "config.size is not that of the model's header, or the header is of another "
                     "version of onnxcc",
    [ONNXCC_E_SIGNATURE] = "the caller was compiled with the header of another model",
    [ONNXCC_E_ARENA] =
        "the arena is too small: outputs.arena_needed holds the bytes that are needed",
    [ONNXCC_E_OVERFLOW] = "the dimensions give tensors larger than the address space",
    [ONNXCC_E_CONTEXT] = "the context is NULL or not open",
};

static const char *const lacks[ONNXCC_LACKS] = {
    [ONNXCC_LACKS_MEMORY] = "there is not enough memory",
    [ONNXCC_LACKS_TURBOJPEG] =
        "JPEG needs libturbojpeg.so.0: install Debian's package libturbojpeg0",
    [ONNXCC_LACKS_PNG] = "PNG needs libpng16.so.16: install Debian's package libpng16-16",
    [ONNXCC_LACKS_TIFF] = "TIFF needs libtiff.so.6: install Debian's package libtiff6",
    [ONNXCC_LACKS_OPENJPEG] =
        "JPEG 2000 needs libopenjp2.so.7: install Debian's package libopenjp2-7",
    [ONNXCC_LACKS_WEBP] = "WebP needs libwebp.so.7: install Debian's package libwebp7",
};

static void say_fault(struct text *t, const struct onnxcc_site *site, int lack) {
    text_str(t, "node ");
    text_str(t, site->node);
    text_str(t, ": ");
    text_str(t, lack > 0 && lack < ONNXCC_LACKS ? lacks[lack] : site->text);
}

static void say_align(struct text *t, const struct onnxcc_model *m, int i) {
    if (i <= 0 || i > m->n_inputs + m->n_outputs) {
        text_str(t, "the arena must be aligned to 64 bytes");
        return;
    }
    bool input = i <= m->n_inputs;
    quoted(t, input ? "input" : "output",
           input ? m->inputs[i - 1].name : m->outputs[i - 1 - m->n_inputs].name);
    text_str(t, " must be aligned to 16 bytes in the GPU's memory");
}

/* Sentences that name an input, output, node, ...; false: the index does not exist. */
static bool say_indexed(struct text *t, const struct onnxcc_model *m, int code) {
    int kind = ONNXCC_KIND(code), i = ONNXCC_INDEX(code);
    if (kind == ONNXCC_E_DIM && i < m->n_dims) {
        say_dim(t, &m->dims[i]);
    } else if (kind == ONNXCC_E_CONSTRAINT && i < m->n_constraints) {
        text_str(t, m->constraints[i]);
    } else if (kind == ONNXCC_E_INPUT && i < m->n_inputs) {
        quoted(t, "input", m->inputs[i].name);
        text_str(t, " is NULL");
    } else if (kind == ONNXCC_E_ITEM && i < m->n_inputs) {
        quoted(t, "input", m->inputs[i].name);
        text_str(t, " has an item without data, or of an impossible type or shape");
    } else if (kind == ONNXCC_E_OUTPUT && i < m->n_outputs) {
        quoted(t, "output", m->outputs[i].name);
        text_str(t, " is NULL");
    } else if (kind == ONNXCC_E_CAPACITY && i < m->n_outputs) {
        quoted(t, "output", m->outputs[i].name);
        text_str(t, " has more elements than its capacity");
    } else if (kind == ONNXCC_E_FAULT && i < m->n_sites) {
        say_fault(t, &m->sites[i], ONNXCC_AXIS(code));
    } else if (kind == ONNXCC_E_STOPPED && i < m->n_kernels) {
        quoted(t, "the hook stopped the run at kernel", m->kernels[i].name);
    } else {
        return false;
    }
    return true;
}

/* Writes at most n bytes, NUL included; returns the length of the whole sentence. */
int onnxcc_core_explain(const struct onnxcc_model *m, int code, char *buf, size_t n) {
    struct text t = {buf, n, 0};
    int kind = ONNXCC_KIND(code);
    if (n) buf[0] = 0;
    if (kind == ONNXCC_E_CPU) say_cpu(&t, m);
    else if (kind == ONNXCC_E_DEVICE) say_device(&t, m, code);
    else if (kind == ONNXCC_E_WEIGHTS) say_weights(&t, m, ONNXCC_INDEX(code));
    else if (kind == ONNXCC_E_ALIGN) say_align(&t, m, ONNXCC_INDEX(code));
    else if (kind < ONNXCC_E_KINDS && plain[kind]) text_str(&t, plain[kind]);
    else if (code < 0 || !say_indexed(&t, m, code)) {
        text_str(&t, "unknown error code ");
        text_int(&t, code);
    }
    return (int)t.n;
}
