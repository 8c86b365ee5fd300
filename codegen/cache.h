/* What was computed before and takes long to compute: results under a hash of everything they
 * depend on, in a folder that outlives the process. An entry is a file; one that is damaged counts
 * as absent. Several compilers may use the folder at once. Where there can be no cache (no home, a
 * folder that cannot be written), nothing is found and nothing is kept, in silence. */
#ifndef ONNXCC_CODEGEN_CACHE_H
#define ONNXCC_CODEGEN_CACHE_H

#include "codegen/sha256.h"
#include "ir/base.h"

enum { CACHE_NAME = 2 * SHA256_BYTES + 1 };
typedef struct Cache {
    Ctx *ctx;
    const char *dir; /* NULL: nothing is kept */
} Cache;
/* $XDG_CACHE_HOME/onnxcc, else ~/.cache/onnxcc; `off`: none. */
Cache cache_open(Ctx *, bool off);
/* An entry's name is the hash of what is added between the two; it begins with this build of the
 * compiler. */
void cache_key_begin(Sha256 *);
void cache_key_text(Sha256 *, const char *text); /* and its end */
void cache_key_end(Sha256 *, char name[CACHE_NAME]);
bool cache_read(const Cache *, const char *name, Str *out); /* appends; counts as a use */
void cache_write(const Cache *, const char *name, const void *, size_t bytes);
/* Removes entries, the one first whose last use is the longest ago, until no more than `most` bytes
 * are left. */
void cache_trim(const Cache *, uint64_t most);
extern const uint64_t cache_most; /* what is kept */

#endif
