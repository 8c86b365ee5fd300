/* x86-64: CPUID, and XGETBV for the registers that the system saves. */
#include "core.h"

#if defined(__x86_64__)

enum { EAX, EBX, ECX, EDX };
enum { AVX = 0x6, AVX512 = 0xe6, AMX = 0x60000 }; /* what XCR0 must hold */

/* LLVM's name; leaf, subleaf, register, bit; XCR0 mask. Leaf 0: never chosen by a code generator,
 * or part of every x86-64. */
static const struct feature {
    const char *name;
    uint32_t leaf;
    uint8_t sub, reg, bit;
    uint32_t xcr0;
} features[] = {
    {"sse3", 1, 0, ECX, 0, 0},
    {"pclmul", 1, 0, ECX, 1, 0},
    {"ssse3", 1, 0, ECX, 9, 0},
    {"fma", 1, 0, ECX, 12, AVX},
    {"cx16", 1, 0, ECX, 13, 0},
    {"sse4.1", 1, 0, ECX, 19, 0},
    {"sse4.2", 1, 0, ECX, 20, 0},
    {"crc32", 1, 0, ECX, 20, 0},
    {"movbe", 1, 0, ECX, 22, 0},
    {"popcnt", 1, 0, ECX, 23, 0},
    {"aes", 1, 0, ECX, 25, 0},
    {"xsave", 1, 0, ECX, 27, 0},
    {"avx", 1, 0, ECX, 28, AVX},
    {"f16c", 1, 0, ECX, 29, AVX},
    {"rdrnd", 1, 0, ECX, 30, 0},
    {"bmi", 7, 0, EBX, 3, 0},
    {"avx2", 7, 0, EBX, 5, AVX},
    {"bmi2", 7, 0, EBX, 8, 0},
    {"avx512f", 7, 0, EBX, 16, AVX512},
    {"evex512", 7, 0, EBX, 16, AVX512},
    {"avx512dq", 7, 0, EBX, 17, AVX512},
    {"rdseed", 7, 0, EBX, 18, 0},
    {"adx", 7, 0, EBX, 19, 0},
    {"avx512ifma", 7, 0, EBX, 21, AVX512},
    {"avx512cd", 7, 0, EBX, 28, AVX512},
    {"sha", 7, 0, EBX, 29, 0},
    {"avx512bw", 7, 0, EBX, 30, AVX512},
    {"avx512vl", 7, 0, EBX, 31, AVX512},
    {"avx512vbmi", 7, 0, ECX, 1, AVX512},
    {"avx512vbmi2", 7, 0, ECX, 6, AVX512},
    {"gfni", 7, 0, ECX, 8, 0},
    {"vaes", 7, 0, ECX, 9, AVX},
    {"vpclmulqdq", 7, 0, ECX, 10, AVX},
    {"avx512vnni", 7, 0, ECX, 11, AVX512},
    {"avx512bitalg", 7, 0, ECX, 12, AVX512},
    {"avx512vpopcntdq", 7, 0, ECX, 14, AVX512},
    {"avx512vp2intersect", 7, 0, EDX, 8, AVX512},
    {"amx-bf16", 7, 0, EDX, 22, AMX},
    {"avx512fp16", 7, 0, EDX, 23, AVX512},
    {"amx-tile", 7, 0, EDX, 24, AMX},
    {"amx-int8", 7, 0, EDX, 25, AMX},
    {"avxvnni", 7, 1, EAX, 4, AVX},
    {"avx512bf16", 7, 1, EAX, 5, AVX512},
    {"amx-fp16", 7, 1, EAX, 21, AMX},
    {"avxifma", 7, 1, EAX, 23, AVX},
    {"avxvnniint8", 7, 1, EDX, 4, AVX},
    {"avxneconvert", 7, 1, EDX, 5, AVX},
    {"amx-complex", 7, 1, EDX, 8, AMX},
    {"avxvnniint16", 7, 1, EDX, 10, AVX},
    {"sahf", 0x80000001, 0, ECX, 0, 0},
    {"lzcnt", 0x80000001, 0, ECX, 5, 0},
    {"sse4a", 0x80000001, 0, ECX, 6, 0},
    {"xop", 0x80000001, 0, ECX, 11, AVX},
    {"fma4", 0x80000001, 0, ECX, 16, AVX},
    {"tbm", 0x80000001, 0, ECX, 21, 0},
};
static const char *const ignored = "64bit,cmov,cx8,fxsr,mmx,x87,sse,sse2,prfchw,prefetchi,"
                                   "prefetchwt1,clflushopt,clwb,cldemote,clzero,mwaitx,pku,"
                                   "waitpkg,shstk,invpcid,fsgsbase,rdpid,rdpru,rdtscp,xsavec,"
                                   "xsaveopt,xsaves,wbnoinvd,movdiri,movdir64b,enqcmd,"
                                   "ptwrite,serialize,tsxldtrk,uintr,usermsr,hreset,pconfig,sgx,"
                                   "rtm,kl,widekl,lwp,raoint,cmpccxadd,"
                                   "avx10.1-256,avx10.1-512,";

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4]) {
    __asm__ volatile("cpuid"
                     : "=a"(out[EAX]), "=b"(out[EBX]), "=c"(out[ECX]), "=d"(out[EDX])
                     : "a"(leaf), "c"(sub));
}

static uint32_t xcr0(void) {
    uint32_t r[4], low, high;
    cpuid(1, 0, r);
    if (!(r[ECX] >> 27 & 1)) /* OSXSAVE */
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Linux hands out the tile registers on request only. */
static bool tiles_permitted(void) {
#if defined(__linux__)
    long r;
    __asm__ volatile("syscall" /* arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) */
                     : "=a"(r)
                     : "0"(158L), "D"(0x1023L), "S"(18L)
                     : "rcx", "r11", "memory");
    return r == 0;
#else
    return false;
#endif
}

static bool is_ignored(const char *name, size_t n) {
    for (const char *s = ignored; *s;) {
        size_t k = 0;
        while (s[k] != ',') k++;
        size_t i = 0;
        while (k == n && i < n && s[i] == name[i]) i++;
        if (k == n && i == n) return true;
        s += k + 1;
    }
    return false;
}

static bool has(const struct feature *f) {
    uint32_t r[4];
    cpuid(f->leaf & 0x80000000, 0, r);
    if (r[EAX] < f->leaf) return false;
    cpuid(f->leaf, 0, r);
    if (f->sub && r[EAX] < f->sub) return false;
    cpuid(f->leaf, f->sub, r);
    if (!(r[f->reg] >> f->bit & 1) || (f->xcr0 && (xcr0() & f->xcr0) != f->xcr0)) return false;
    return f->xcr0 != AMX || tiles_permitted();
}

bool core_cpu_has(const char *name, size_t n) {
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++)
        if (core_same(features[i].name, name, n)) return has(&features[i]);
    return is_ignored(name, n);
}

#endif
