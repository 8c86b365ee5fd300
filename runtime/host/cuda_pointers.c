/* What the caller gives a run on the device: an address of the other side, or in the middle of what
 * kernels move at once, would be the end of the context and not only of the run. */
#include "../core/core.h"
#include "cuda_state.h"

/* Memory of the host that was not registered is not known to the driver. */
static bool lies_there(struct cuda *c, const void *at, bool device) {
    int type = 0, managed = 0;
    CuPointer p = (uintptr_t)at;
    if (c->d.pointer_get(&type, CU_MEMORY_TYPE, p)) return !device;
    if (device || type != CU_MEMORY_DEVICE) return true;
    return !c->d.pointer_get(&managed, CU_IS_MANAGED, p) && managed;
}

static int check(struct onnxcc_frame *f, const struct onnxcc_tensor *t, int number,
                 const void *at) {
    bool device = t->flags & ONNXCC_T_DEVICE;
    if (!at || t->dtype == ONNXCC_SEQUENCE) return 0;
    if (!(t->flags & ONNXCC_T_UNKNOWN) && !core_elements(t, f->syms)) return 0;
    if (device && (uintptr_t)at % ONNXCC_DEVICE_ALIGN)
        return ONNXCC_CODE(ONNXCC_E_ALIGN, number, 0);
    if (lies_there(f->device, at, device)) return 0;
    return cuda_fail(CUDA_UNUSABLE, "%s \"%s\" of a run on the GPU must lie in the %s memory",
                     number <= f->model->n_inputs ? "input" : "output", t->name,
                     device ? "GPU's" : "host's");
}

int cuda_check_pointers(struct onnxcc_frame *f) {
    const struct onnxcc_model *m = f->model;
    int code = 0;
    if (f->device_bytes && !lies_there(f->device, f->device_arena, true))
        return cuda_fail(CUDA_UNUSABLE, "the arena of a run on the GPU must lie in its memory");
    for (int i = 0; i < m->n_inputs && !code; i++) code = check(f, &m->inputs[i], 1 + i, f->in[i]);
    for (int k = 0; k < m->n_outputs && !code; k++)
        code = check(f, &m->outputs[k], 1 + m->n_inputs + k, f->out[k]);
    return code;
}
