/* Other targets than x86-64. On 64-bit ARM, Linux lets programs read the identification registers;
 * elsewhere a program is compiled for the chip it runs on, and nothing is asked. */
#include "core.h"

#if defined(__aarch64__) && defined(__linux__)

enum { ISAR0, ISAR1, PFR0, ZFR0 };

/* LLVM's name; register, lowest bit of the 4-bit field, the least value. */
static const struct {
    const char *name;
    uint8_t reg, shift, least;
} features[] = {
    {"aes", ISAR0, 4, 1},      {"sha2", ISAR0, 12, 1},   {"crc", ISAR0, 16, 1},
    {"lse", ISAR0, 20, 2},     {"rdm", ISAR0, 28, 1},    {"dotprod", ISAR0, 44, 1},
    {"fp16fml", ISAR0, 48, 1}, {"jsconv", ISAR1, 12, 1}, {"complxnum", ISAR1, 16, 1},
    {"rcpc", ISAR1, 20, 1},    {"bf16", ISAR1, 44, 1},   {"i8mm", ISAR1, 52, 1},
    {"fullfp16", PFR0, 20, 1}, {"sve", PFR0, 32, 1},     {"sve2", ZFR0, 0, 1},
    {"f32mm", ZFR0, 52, 1},    {"f64mm", ZFR0, 56, 1},
};

/* Numbered names where an assembler for the base architecture does not know the register. */
static uint64_t id_register(int reg) {
    uint64_t v = 0;
    if (reg == ISAR0) __asm__ volatile("mrs %0, ID_AA64ISAR0_EL1" : "=r"(v));
    else if (reg == ISAR1) __asm__ volatile("mrs %0, ID_AA64ISAR1_EL1" : "=r"(v));
    else if (reg == PFR0) __asm__ volatile("mrs %0, ID_AA64PFR0_EL1" : "=r"(v));
    else __asm__ volatile("mrs %0, S3_0_C0_C4_4" : "=r"(v));
    return v;
}

bool core_cpu_has(const char *name, size_t n) {
    if (core_same("neon", name, n) || core_same("fp-armv8", name, n)) {
        uint64_t simd = id_register(PFR0) >> 20 & 15;
        return simd != 15;
    }
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        if (!core_same(features[i].name, name, n)) continue;
        uint64_t field = id_register(features[i].reg) >> features[i].shift & 15;
        return field >= features[i].least && (features[i].reg != PFR0 || field != 15);
    }
    return false;
}

#elif !defined(__x86_64__)

bool core_cpu_has(const char *name, size_t n) {
    (void)name, (void)n;
    return true;
}

#endif
