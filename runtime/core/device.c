/* Steps of a run that happen on a device, between what the hook sees and the device's driver. */
#include "core.h"

/* After a failure of the device nothing more is asked of it. */
static bool broken(struct onnxcc_frame *f) {
    return ONNXCC_KIND(f->fault) == ONNXCC_E_DEVICE || ONNXCC_KIND(f->fault) == ONNXCC_E_STOPPED;
}

/* Whoever looks sees the step's end. */
static void looked_at(struct onnxcc_frame *f, int step) {
    if (f->hook) f->model->device->wait(f);
    core_step_ends(f, step);
}

void onnxcc_device_launch(struct onnxcc_frame *f, int step, const void *kernel, void *const *bufs,
                          const int64_t *maps, int64_t total) {
    if (broken(f) || !core_step_begins(f, step)) return;
    if (total > 0) f->model->device->launch(f, step, kernel, bufs, maps, total);
    looked_at(f, step);
}

void onnxcc_device_copy(struct onnxcc_frame *f, int step, int input, void *to, const void *from,
                        int64_t bytes, int to_device) {
    if (broken(f) || !core_step_begins(f, step)) return;
    if (bytes > 0) f->model->device->copy(f, step, input, to, from, bytes, to_device);
    looked_at(f, step);
}

void onnxcc_device_input(struct onnxcc_frame *f, int step, int k, int64_t bytes) {
    if (!f->given || broken(f) || !core_step_begins(f, step)) return;
    f->model->device->input(f, step, k, bytes);
    looked_at(f, step);
}

void onnxcc_device_output(struct onnxcc_frame *f, int step, int k, int64_t bytes) {
    if (!f->given || broken(f) || !core_step_begins(f, step)) return;
    f->model->device->output(f, step, k, bytes);
    looked_at(f, step);
}

/* Whoever looks sees one step after the other. */
void onnxcc_device_stream(struct onnxcc_frame *f, int act, int n) {
    if (!f->hook && !broken(f)) f->model->device->stream(f, act, n);
}

void onnxcc_wait(struct onnxcc_frame *f) {
    if (!broken(f)) f->model->device->wait(f);
}

int onnxcc_device_fit(struct onnxcc_frame *f, int64_t bytes) {
    if (bytes >= 0 && bytes <= f->device_bytes) return ONNXCC_OK;
    if (bytes < 0 || bytes > CORE_MAX_BYTES) return ONNXCC_E_OVERFLOW;
    f->arena_needed = bytes;
    return ONNXCC_CODE(ONNXCC_E_ARENA, 1, 0);
}
