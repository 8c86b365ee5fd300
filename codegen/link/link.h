/* The last step: headers, weights, archives, executables. Uses ir/base.h only.
 *
 *   header.c        NAME.h from a description of the entries
 *   stream.c        payloads in pieces; files that appear complete or not at all
 *   elf.c           constant data into ELF objects, without holding it in memory
 *   archive.c       static libraries
 *   weights_file.c  the file of --weights=file and --weights=extern
 *   program.c       executables and shared libraries, by the system's linker
 *
 * Functions that return bool have reported their error (diag_error) when they return false, and
 * leave no output file behind. */
#ifndef ONNXCC_CODEGEN_LINK_H
#define ONNXCC_CODEGEN_LINK_H

#include "ir/base.h"

/* ---- stream.c ---- */
/* A piece of a payload: memory, else a range of a file, else zeros. */
typedef struct LinkPart {
    const void *mem;
    const char *file; /* used where mem is NULL; NULL too: zeros */
    uint64_t offset;  /* into the file */
    uint64_t bytes;
} LinkPart;
typedef struct LinkParts {
    const LinkPart *at;
    int n;
} LinkParts;
uint64_t link_parts_bytes(LinkParts);
/* Hash of the concatenated bytes, however they are cut into parts. */
bool link_parts_hash(Ctx *, LinkParts, uint64_t *hash);

/* An output file under a temporary name; only done() gives it its own, and keeps stdout-like
 * targets (existing devices, pipes) working. After a failure further calls do nothing. */
typedef struct LinkFile LinkFile;
LinkFile *link_file_open(Ctx *, const char *path, int mode); /* NULL: reported */
void link_file_write(LinkFile *, const void *, size_t bytes);
void link_file_parts(LinkFile *, LinkParts);
void link_file_zeros(LinkFile *, uint64_t bytes);
bool link_file_done(LinkFile *); /* closes, renames; false: reported, removed */
void link_file_drop(LinkFile *); /* closes, removes */
bool link_write_file(Ctx *, const char *path, const void *, size_t bytes);

/* ---- header.c ---- */
typedef struct LinkAxis {
    int64_t size;     /* -1: not a constant */
    const char *text; /* "64", "N", "2*N+1", "?" */
} LinkAxis;
typedef struct LinkTensor {
    const char *name; /* as in the model */
    int dtype;        /* ONNX TensorProto.DataType */
    int rank;
    const LinkAxis *axes;
    bool unknown;    /* output whose size is known only after the run */
    const char *doc; /* NULL, or a sentence: units, ranges */
    bool on_device;  /* run_device takes it in the device's memory */
} LinkTensor;
typedef struct LinkDim {
    const char *name;
    int64_t lo, hi; /* hi INT64_MAX: unbounded */
} LinkDim;
typedef struct LinkEntry {
    const char *name;  /* NAME, an identifier already (link_ident) */
    const char *model; /* file and graph, for the comment */
    const LinkTensor *inputs, *outputs;
    const LinkDim *dims;
    int n_inputs, n_outputs, n_dims;
    int64_t arena_bytes; /* most for bounded dims, one thread, with head; 0: no bound, no macro */
    int64_t stack_bytes; /* 0: not known, no macro */
    int64_t weights_bytes;
    bool weights_outside; /* --weights=file or extern: the caller gives path or address */
    bool device;          /* kernels run on one */
    bool hosted;          /* NAME_pool_new exists */
} LinkEntry;
/* The signature that the header passes and the model's description must hold. */
uint64_t link_signature(const LinkEntry *);
/* The text of a header for these entries (several: of one library). `guard` is made from `base`. */
void link_header_text(Str *out, const char *base, const LinkEntry *, int n);
bool link_header(Ctx *, const char *path, const char *base, const LinkEntry *, int n);
/* A C identifier from any name: other characters become _, keywords get _, a leading digit is
 * preceded by _, and what is in `taken` already gets _2, _3, ...; the result is added to `taken`
 * (may be NULL). */
const char *link_ident(Arena *, Map *taken, const char *name);
/* The entry's name that follows from an output path: base name without "lib" and extension. */
const char *link_base_name(Arena *, const char *path);

/* ---- elf.c ---- */
/* From 2 GB on, x86-64 data goes to .lrodata, and code must use the medium code model. */
/* A new relocatable object with one read-only section that holds the payload, aligned to 64, under
 * `symbol` (global, hidden). The target's architecture: x86_64, aarch64, arm/thumb, riscv64,
 * riscv32 (by the triple's first part). `section`: NULL for .rodata, or .lrodata for 2 GB and more
 * on x86-64. */
bool elf_write_data(Ctx *, const char *path, const char *triple, const char *symbol,
                    const char *section, LinkParts);
/* `object` (the bytes of an ELF relocatable that refers to `symbol` without defining it) plus such
 * a section: one object that needs nothing else. */
bool elf_attach_data(Ctx *, const char *path, const void *object, size_t bytes, const char *symbol,
                     const char *section, LinkParts);
/* The same two as parts of a larger file (an archive member): `out` receives pieces whose memory
 * lives in the arena. */
bool elf_data_parts(Ctx *, const char *triple, const char *symbol, const char *section, LinkParts,
                    LinkParts *out);
bool elf_attach_parts(Ctx *, const void *object, size_t bytes, const char *symbol,
                      const char *section, LinkParts, LinkParts *out);

/* ---- archive.c ---- */
typedef struct LinkMember {
    const char *name; /* of the member: "digits.o" */
    LinkParts parts;
    /* What it defines; NULL: read from the object, whose tables must be ELF's and in memory. */
    const char *const *symbols;
    int n_symbols;
} LinkMember;
/* A GNU archive with a symbol table; times and owners are zero, so that equal input gives equal
 * bytes. */
bool archive_write(Ctx *, const char *path, const LinkMember *, int n);

/* ---- weights_file.c ---- */
/* 64-byte header ("ONNXCCW1", bytes, hash, zeros) and payload. */
bool weights_file_write(Ctx *, const char *path, uint64_t hash, LinkParts);

/* ---- program.c ---- */
typedef struct LinkJob {
    bool shared;                /* a shared library; else an executable */
    bool is_static;             /* -static */
    bool libm;                  /* add -lm */
    bool verbose;               /* print the command */
    const char *triple;         /* NULL: this machine */
    const char *host_triple;    /* this machine's, to know a cross link; NULL: as triple */
    const char *linker;         /* --linker=, or NULL */
    const char *flag;           /* one more for a compiler driver that links, or NULL */
    const char *sysroot;        /* --sysroot=, or NULL */
    const char *const *objects; /* files, also archives */
    int n_objects;
    const char *const *exports; /* shared: the only symbols to stay visible; NULL: as compiled */
    int n_exports;
    const char *out;
} LinkJob;
bool link_program(Ctx *, const LinkJob *);
/* A fresh folder for intermediate files ($TMPDIR or /tmp), and its removal with everything in it
 * (one level). */
const char *link_temp_dir(Ctx *);
void link_temp_remove(const char *dir);

#endif
