/* The frontend's door: an ONNX file (or its bytes) becomes a graph. */
#ifndef ONNXCC_FRONTEND_H
#define ONNXCC_FRONTEND_H

#include "ir/graph.h"

/* One --dim: NAME, INPUT.AXIS or VALUE.AXIS; lo == hi fixes it. */
typedef struct DimOption {
    const char *name;
    int64_t lo, hi;
    bool used;
} DimOption;

typedef struct ImportOptions {
    DimOption *dims;
    int n_dims;
    const char *const *keep; /* values that become outputs, too */
    int n_keep;
} ImportOptions;

typedef struct Model Model;
Model *model_open(Ctx *, const char *path);
Model *model_from_memory(Ctx *, const void *data, size_t size);
void model_close(Model *);
/* NULL after diagnostics. The graph's constants point into the model, which must outlive it. */
Graph *model_import(Model *, const ImportOptions *);

#endif
