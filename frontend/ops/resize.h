/* Resizing: what resize.c reads from a node, and resample.c turns into a comprehension. */
#ifndef ONNXCC_FRONTEND_OPS_RESIZE_H
#define ONNXCC_FRONTEND_OPS_RESIZE_H

#include "frontend/ops.h"

typedef struct Axis { /* how one axis is resized */
    bool resized, by_scale;
    Expr *in, *out;
    double scale;      /* 0: see late; where that is 0, too: out / in, known at run time */
    int late;          /* the scale is element late - 1 of Resize.scales */
    double start, end; /* of the region (tf_crop_and_resize) */
    int from, to;      /* of Resize.roi, where there is one: its elements */
} Axis;

typedef struct Resize {
    OnnxNode *n;
    Axis axis[MAX_RANK];
    int rank;
    const char *mode, *coordinates, *rounding;
    double cubic_a, outside;
    bool exclude_outside, crop;
    Value *scales, *roi; /* lists that only the run knows; NULL: none */
    Node *body;          /* the comprehension that is being made */
} Resize;

/* x as the axes say; x itself where none of them changes. */
Value *resample(Resize *, Value *x);
/* The same with a filter as wide as an output element (antialias), axis by axis. */
Value *resample_smooth(Resize *, Value *x);

#endif
