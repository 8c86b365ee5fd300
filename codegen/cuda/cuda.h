/* CUDA: kernels as text, compiled for GPUs by NVRTC or for this machine through the emulation
 * header.
 *
 * A kernel is one __global__ function; its parallel space is spread over the threads of a grid,
 * or over blocks where the threads of a block work together. A launcher of the type
 * onnxcc_kernel_fn (runtime/abi.h) starts it over a range; the host functions of the program call
 * launchers as they call the kernels of any other build. */
#ifndef ONNXCC_CODEGEN_CUDA_H
#define ONNXCC_CODEGEN_CUDA_H

#include "codegen/codegen.h"
#include "codegen/sha256.h"

/* ---- text.c ---- */
struct Model; /* codegen/llvm/model.h */
/* How a kernel is launched: what runtime/cuda.h says of it. */
typedef struct CudaLaunch {
    const char *symbol; /* of the launch, as the program's host functions name it */
    const char *kernel; /* of the __global__ function */
    const LFunc *func;
    int entry; /* of which program */
    int flags, n_bufs, n_syms, n_maps;
    int *args; /* positions of the buffers it touches, then slots of symbols */
    int per_block, max_blocks, threads;
    int shared; /* bytes of shared memory that the launch asks for */
    Str device; /* the kernel's text */
    Str host;   /* its launchers as host code, for the emulation */
} CudaLaunch;
/* The text of any range of kernels stands by itself, behind the head of its kind. */
typedef struct CudaText {
    Str device_head; /* operations */
    VEC(const char *) pasted; /* of runtime/device: behind them, where a kernel calls one */
    Str host_head;
    VEC(CudaLaunch) launches;
} CudaText;
/* What NVRTC gets, and what stands behind it for the emulation: kernels from..to-1. */
void cuda_text_device(Str *, const CudaText *, int from, int to);
void cuda_text_host(Str *, const CudaText *, int from, int to);
/* What a kernel of `func` and its launcher are called. */
typedef struct CudaNames {
    const char *kernel, *launcher;
    const bool *may_alias; /* by parameter; NULL: none overlaps another */
} CudaNames;
void cuda_text_begin(Ctx *, CudaText *);
void cuda_text_kernel(Ctx *, CudaText *, const LFunc *, CudaNames);
void cuda_text(Ctx *, const Entry *, int n, CudaText *); /* all of a program */
bool cuda_is_made_for(const Entry *);                    /* its schedules are for GPUs */
/* Kernels with scratch run on at most so many threads; each has its own. */
enum { CUDA_SCRATCH_SLOTS = 128 };
const Entry *cuda_entries(Ctx *, const Entry *, int n); /* with scratch for all of them */

/* ---- use.c ---- */
typedef struct CudaUse { /* what ptxas says of a kernel; bytes, of a thread or a block (shared) */
    const char *kernel;
    int registers, stack, spill_stores, spill_loads, shared;
} CudaUse;
typedef struct CudaUses {
    VEC(CudaUse) list;
    VEC(const char *) serial; /* kernels whose products by groups wait for each other */
} CudaUses;
void cuda_parse_log(Ctx *, const char *log, CudaUses *); /* appends */

/* ---- archs.c ---- */
/* Architectures as asked for, or the default ones, each once; `ptx` is for the newest of them. */
typedef struct CudaArchs {
    const char **at;
    int n;
    const char *ptx;
} CudaArchs;
CudaArchs cuda_archs(Ctx *, const EmitOptions *);
CudaArchs cuda_image_archs(Ctx *, const EmitOptions *); /* and PTX, for later chips */
int cuda_arch_number(const char *arch);      /* 90 */
bool cuda_is_virtual(const char *arch);      /* compute_90: PTX */
int cuda_most_shared(const char *arch);      /* bytes of shared memory that a block may have */
/* PTX for sm_80 is what NVRTC makes on its way to a cubin for sm_80, which is in the list, too. */
bool cuda_is_by_the_way(const CudaArchs *, const char *arch);
bool cuda_is_for_one_chip(const char *arch); /* sm_90a */

/* ---- nvrtc.c: at compile time, found by dlopen ---- */
typedef struct CudaCode {
    const void *at;
    size_t bytes;
} CudaCode;
typedef struct NvrtcResult {
    const char *log; /* of ptxas */
    CudaCode cubin, ptx;
} NvrtcResult;
/* NVRTC is there and knows these architectures. False: reported, with what to install. */
bool nvrtc_ready(Ctx *, const CudaArchs *);
/* Everything but the source that a result depends on. */
void nvrtc_key(Ctx *, Sha256 *, const char *arch);
/* sm_XX gives a cubin, and PTX where asked for; compute_XX PTX alone. False: reported. */
bool nvrtc_compile(Ctx *, const char *source, const char *arch, bool ptx, NvrtcResult *);

/* ---- build.c: kernels to binaries ---- */
typedef struct CudaTarget {
    const char *arch;
    CudaCode *code; /* one binary per piece of the text */
    CudaUses uses;  /* empty for PTX */
} CudaTarget;
typedef struct CudaBuild {
    int n_pieces;
    int *first; /* kernel of each piece; first[n_pieces]: their number */
    CudaTarget *target;
    int n_targets;
} CudaBuild;
/* Compiles the kernels for each architecture, by the options' `jobs` processes. `whole`: as one
 * piece. `dir`: for intermediate files. False: reported. */
bool cuda_build(Ctx *, const CudaText *, const CudaArchs *, bool whole, const EmitOptions *,
                const char *dir, CudaBuild *);

/* Warns of kernels that spill; tells everything when verbose. */
void cuda_report_use(Ctx *, const CudaBuild *, bool verbose);

/* ---- binary.c ---- */
int cuda_emit_binary(Ctx *, const Entry *, int n,
                     const EmitOptions *); /* --emit=ptx, --emit=cubin */

/* ---- image.c: --device=cuda ---- */
/* The block that a program for GPUs carries (runtime/cuda.h). */
typedef struct CudaImage {
    Str bytes;
    Map *at; /* symbol of a launch to the place of its description + 1 */
} CudaImage;
/* False: reported. */
bool cuda_image(Ctx *, const Entry *, int n, const EmitOptions *, const char *dir, CudaImage *);
/* Tells the kernels of the program where their descriptions lie. */
void cuda_image_find(const CudaImage *, struct Model *, int n);

/* ---- emu.c ---- */
/* Kernels and launchers compiled for this machine by the system's C++ compiler. From the
 * environment: CXX; ONNXCC_EMU_CXXFLAGS, flags behind ours; ONNXCC_EMU_CHECK=address, races or
 * traffic. */
typedef struct CudaEmu {
    const char *const *objects; /* in the given folder */
    int n_objects;
    const char *linker, *sanitizer; /* NULL, or the compiler and its flag */
} CudaEmu;
bool cuda_emu_objects(Ctx *, const Entry *, int n, const EmitOptions *, const char *dir, CudaEmu *);
/* At most `jobs` pieces at a time. */
bool cuda_emu_compile(Ctx *, const CudaText *, int jobs, bool verbose, const char *dir, CudaEmu *);

#endif
