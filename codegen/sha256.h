/* SHA-256 (FIPS 180-4): names of cache entries, and whether one is whole. */
#ifndef ONNXCC_CODEGEN_SHA256_H
#define ONNXCC_CODEGEN_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_BLOCK = 64 };
typedef struct Sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[SHA256_BLOCK]; /* what is not hashed yet */
} Sha256;
void sha256_begin(Sha256 *);
void sha256_add(Sha256 *, const void *, size_t bytes);
void sha256_end(Sha256 *, uint8_t digest[SHA256_BYTES]);
void sha256_of(const void *, size_t bytes, uint8_t digest[SHA256_BYTES]);

#endif
