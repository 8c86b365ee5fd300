/* The ONNX file before protobuf: a walk over the wire format that refuses what protobuf-c would die
 * of.
 *
 * wire_compact() checks every field of the file against the schema (frontend/onnx.proto) and writes
 * a smaller copy that protobuf-c can unpack safely and cheaply:
 *   - nesting is at most 512 messages deep, and the memory that unpacking takes at most 256 MB + 8
 * x the file;
 *   - unknown fields, doc strings and metadata are left out, a submessage that may occur once
 * occurs at most once;
 *   - names hold neither control characters nor broken UTF-8;
 *   - the bytes of TensorProto.raw_data stay where they are: the copy holds a RawRef instead. */
#ifndef ONNXCC_FRONTEND_WIRE_H
#define ONNXCC_FRONTEND_WIRE_H

#include "ir/base.h"

/* What stands in the place of raw_data in the copy: where in the file the bytes are. */
typedef struct RawRef {
    uint64_t offset, size;
} RawRef;

typedef struct WireImage {
    uint8_t *data; /* in the arena */
    size_t size;
} WireImage;

/* Walks over `size` bytes of a ModelProto. False after diagnostics ("not an ONNX model: ..."). */
bool wire_compact(Ctx *, Arena *, const uint8_t *data, size_t size, WireImage *out);

#endif
