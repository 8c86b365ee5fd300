/* The file of --weights=file and --weights=extern: a header of 64 bytes (little endian: "ONNXCCW1",
 * bytes, hash, zeros), then the payload. The program compares bytes and hash at start. */
#include "codegen/link/link.h"

bool weights_file_write(Ctx *ctx, const char *path, uint64_t hash, LinkParts payload) {
    unsigned char header[64] = "ONNXCCW1";
    uint64_t bytes = link_parts_bytes(payload);
    for (int i = 0; i < 8; i++) {
        header[8 + i] = (unsigned char)(bytes >> 8 * i);
        header[16 + i] = (unsigned char)(hash >> 8 * i);
    }
    LinkFile *f = link_file_open(ctx, path, 0666);
    link_file_write(f, header, sizeof header);
    link_file_parts(f, payload);
    return link_file_done(f);
}
