/* Files of ONNX's test data: TensorProto, SequenceProto, OptionalProto; read by the compiler's own
 * reader. What is read lives until files_close, which comes before the end of the context. */
#ifndef ONNXCC_TESTS_ONNX_FILES_H
#define ONNXCC_TESTS_ONNX_FILES_H

#include "frontend/model.h"
#include "runtime/abi.h"

/* The tensor as the only initializer of a model; NULL: reported. */
Model *open_tensor(Ctx *, const char *path);
bool read_tensor(Ctx *, const char *path, Const **data, Type *);

typedef struct ItemFile {
    struct {
        Const *data;
        Type type;
    } * at;
    int64_t count;
    bool nothing; /* an optional that holds nothing */
} ItemFile;
bool read_items(Ctx *, const char *path, ItemFile *);
struct onnxcc_sequence *items_in_memory(Ctx *, const ItemFile *);
void files_close(void);

#endif
