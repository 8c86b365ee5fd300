/* Windows over spatial axes: what convolutions and pools have in common (ops/window.c). */
#ifndef ONNXCC_FRONTEND_OPS_WINDOW_H
#define ONNXCC_FRONTEND_OPS_WINDOW_H

#include "frontend/ops.h"

typedef struct Window {
    int rank; /* of the space */
    int64_t kernel[MAX_RANK], strides[MAX_RANK], dilations[MAX_RANK];
    Expr *lo[MAX_RANK], *hi[MAX_RANK]; /* padding in front and behind */
    Expr *late[MAX_RANK]; /* the kernel's sizes where only the run knows them: all, or all NULL */
} Window;

#define WINDOW_ATTRS "auto_pad:s(NOTSET|SAME_UPPER|SAME_LOWER|VALID) pads:I strides:I "

/* Reads strides, dilations, pads and auto_pad for input 0; `kernel` is set already. */
bool window_read(OnnxNode *n, Window *w);
/* The size of the window with its holes. */
Expr *window_reach(OnnxNode *n, const Window *w, int i);
bool window_known(const Window *w); /* the padding: numbers, none of them negative */
/* The padding as integers, begins then ends; where that cannot be, x is padded with `value` and the
 * padding is 0. */
Value *window_pads(OnnxNode *n, Window *w, Value *x, double value, int64_t *pads);
void window_attrs(OnnxNode *n, Node *node, const Window *w, const int64_t *pads);

#endif
