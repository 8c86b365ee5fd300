/* A model file in memory: mapped, checked, unpacked; and its tensors as constants.
 *
 * Tensor data is not copied: constants point into the mapped file, or into mapped files of external
 * data, or (typed fields) into the model's arena. So a Model lives as long as the graph that was
 * imported from it. Pointers into files have no alignment. */
#ifndef ONNXCC_FRONTEND_MODEL_H
#define ONNXCC_FRONTEND_MODEL_H

#include "ir/graph.h"

#include "onnx.pb-c.h"

/* No dimension is larger, so that sums and small products of dimensions never overflow. */
static const int64_t MAX_DIM = (int64_t)1 << 48;

typedef struct MappedFile {
    const char *path; /* resolved */
    const uint8_t *data;
    size_t size;
    struct MappedFile *next;
} MappedFile;

typedef struct Model {
    Ctx *ctx;
    Arena *arena;     /* the unpacked messages and converted tensors */
    const char *path; /* NULL: the model has no place on disk, and so no external data */
    MappedFile file;
    MappedFile *external; /* each mapped once */
    Onnx__ModelProto *proto;
} Model;

/* NULL after diagnostics. ctx->file should name the file already. */
Model *model_open(Ctx *, const char *path);
Model *model_from_memory(Ctx *, const void *data, size_t size); /* borrows data */
void model_close(Model *);

/* ---- external.c ---- */
/* Maps the whole file at `path` for reading; reports, false. */
bool map_file(Ctx *, const Loc *, Arena *, const char *path, MappedFile *out);
/* The bytes that external_data names: a regular file in the model's folder (symbolic links
 * resolved). */
bool external_bytes(Model *, const Loc *, const Onnx__TensorProto *, const uint8_t **data,
                    size_t *size);

/* ---- tensor.c ---- */
/* The constant and its static type; false after one diagnostic that names the tensor. */
bool tensor_read(Model *, const Loc *, const Onnx__TensorProto *, Const **, Type *);
/* The element type of a TensorProto.data_type; reports what is unknown or not supported. `what`
 * names its owner. */
bool tensor_dtype_of(Ctx *, const Loc *, int64_t code, const char *what, DType *);
bool tensor_dims(Ctx *, const Loc *, const char *name, const int64_t *dims, size_t rank, DType,
                 Type *, int64_t *elements);

/* ---- sparse.c ---- */
bool sparse_read(Model *, const Loc *, const Onnx__SparseTensorProto *, Const **, Type *);

/* A name from the file, quoted and escaped for a message; "" for NULL. */
const char *shown(Ctx *, const char *name);

#endif
