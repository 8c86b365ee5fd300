/* Opening a model: versions of everything agree, the CPU can run it, the weights are there. */
#include "core.h"

_Static_assert(sizeof(struct core_ctx) <= 8 * ONNXCC_CTX_WORDS, "NAME_ctx is too small");
_Static_assert(sizeof(struct onnxcc_weights_header) == 64, "the weights header has 64 bytes");

static const uint64_t MAGIC = 0x6f6e6e7863634331; /* "onnxccC1" */

const struct core_ctx *core_ctx_of(const struct onnxcc_model *m, const void *ctx) {
    const struct core_ctx *c = ctx;
    return c && c->magic == MAGIC && c->model == m ? c : 0;
}

/* The caller's config may be older (shorter) or newer (longer: what is not known must be 0). */
static int read_config(const struct onnxcc_config *from, struct onnxcc_config *to) {
    memset(to, 0, sizeof *to);
    if (!from) return ONNXCC_OK;
    size_t size = from->size;
    if (size < sizeof(size_t)) return ONNXCC_E_ABI;
    for (size_t i = sizeof *to; i < size; i++)
        if (((const char *)from)[i]) return ONNXCC_E_ABI;
    memcpy(to, from, size < sizeof *to ? size : sizeof *to);
    return ONNXCC_OK;
}

static int weights_error(int which) {
    return ONNXCC_CODE(ONNXCC_E_WEIGHTS, which, 0);
}

/* Checks header and size of weights from outside; gives the payload's address. */
static int check_weights(const struct onnxcc_model *m, const void *at, size_t bytes,
                         const char **payload) {
    const struct onnxcc_weights_header *h = at;
    if ((uintptr_t)at % ONNXCC_ALIGN) return weights_error(5);
    if (bytes < sizeof *h) return weights_error(1);
    if (!core_same("ONNXCCW1", h->magic, 8)) return weights_error(2);
    if (h->hash != m->weights_hash || h->bytes != (uint64_t)m->weights_bytes)
        return weights_error(3);
    if (bytes - sizeof *h < h->bytes) return weights_error(1);
    *payload = (const char *)(h + 1);
    return ONNXCC_OK;
}

static int find_weights(const struct onnxcc_model *m, const struct onnxcc_config *config,
                        struct core_ctx *c) {
    if (m->weights || !m->weights_bytes) {
        c->weights = m->weights;
        return ONNXCC_OK;
    }
    if (config->weights)
        return check_weights(m, config->weights, config->weights_bytes, &c->weights);
    if (!m->host || !m->host->map || !(config->weights_path || m->weights_file))
        return weights_error(0);
    c->mapped = m->host->map(config->weights_path, m->weights_file, &c->mapped_bytes);
    if (!c->mapped) return weights_error(4);
    int code = check_weights(m, c->mapped, c->mapped_bytes, &c->weights);
    if (code && m->host->unmap) m->host->unmap(c->mapped, c->mapped_bytes);
    return code;
}

int onnxcc_core_open(const struct onnxcc_model *m, void *ctx, const struct onnxcc_config *from,
                     uint64_t signature) {
    struct core_ctx c;
    struct onnxcc_config config;
    if (!ctx) return ONNXCC_E_CONTEXT;
    memset(&c, 0, sizeof c);
    memcpy(ctx, &c, sizeof c); /* not open, whatever happens below */
    if (m->abi != ONNXCC_ABI) return ONNXCC_E_ABI;
    if (signature != m->signature) return ONNXCC_E_SIGNATURE;
    int code = read_config(from, &config);
    if (code) return code;
    for (int i = 0; i < m->n_versions && !c.run; i++)
        if (core_cpu_fits(m->versions[i].needs, 0)) c.run = m->versions[i].run;
    if (!c.run) return ONNXCC_E_CPU;
    if ((code = find_weights(m, &config, &c))) return code;
    c.magic = MAGIC;
    c.model = m;
    c.pool = config.pool;
    c.hook = config.hook;
    c.user = config.user;
    c.state = config.state;
    c.seed = config.seed;
    code = m->device ? m->device->open(m, &config, c.weights, &c.device) : ONNXCC_OK;
    if (code) {
        if (c.mapped && m->host && m->host->unmap) m->host->unmap(c.mapped, c.mapped_bytes);
        return code;
    }
    memcpy(ctx, &c, sizeof c);
    return ONNXCC_OK;
}

void onnxcc_core_close(const struct onnxcc_model *m, void *ctx) {
    const struct core_ctx *c = core_ctx_of(m, ctx);
    if (!c) return;
    if (m->device) m->device->close(c->device);
    if (c->mapped && m->host && m->host->unmap) m->host->unmap(c->mapped, c->mapped_bytes);
    memset(ctx, 0, sizeof *c);
}
