/* A Cortex-M4 without an operating system: vectors, start, the functions that compilers call, and
 * the exit code through semihosting (mps2-an386 of qemu). */
#include <stddef.h>
#include <stdint.h>

extern uint32_t stack_top[], data_from[], data_start[], data_end[], bss_start[], bss_end[];
int main(void);

static void leave(uint32_t code) {
    uint32_t block[2] = {0x20026, code};              /* ADP_Stopped_ApplicationExit */
    register uint32_t operation __asm__("r0") = 0x20; /* SYS_EXIT_EXTENDED */
    register void *argument __asm__("r1") = block;
    __asm__ volatile("bkpt 0xab" : : "r"(operation), "r"(argument) : "memory");
    for (;;) continue;
}

static void fault(void) {
    leave(99);
}

void reset(void) {
    *(volatile uint32_t *)0xe000ed88 |= 0xfu
                                        << 20; /* the floating-point unit, before its first use */
    __asm__ volatile("dsb\n\tisb");
    uint32_t *from = data_from;
    for (uint32_t *to = data_start; to < data_end; to++) *to = *from++;
    for (uint32_t *to = bss_start; to < bss_end; to++) *to = 0;
    leave((uint32_t)main());
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top,     (void *)reset, (void *)fault, (void *)fault,
    (void *)fault, (void *)fault, (void *)fault,
};

/* ---- what compilers call ---- */
#define PLAIN __attribute__((optimize("no-tree-loop-distribute-patterns")))
PLAIN void *memcpy(void *restrict to, const void *restrict from, size_t n) {
    for (size_t i = 0; i < n; i++) ((char *)to)[i] = ((const char *)from)[i];
    return to;
}
PLAIN void *memset(void *to, int c, size_t n) {
    for (size_t i = 0; i < n; i++) ((char *)to)[i] = (char)c;
    return to;
}
PLAIN void *memmove(void *to, const void *from, size_t n) {
    if ((uintptr_t)to <= (uintptr_t)from) return memcpy(to, from, n);
    while (n--) ((char *)to)[n] = ((const char *)from)[n];
    return to;
}
#define SAME_AS(of) __attribute__((alias(#of)))
void *__aeabi_memcpy(void *, const void *, size_t) SAME_AS(memcpy);
void *__aeabi_memcpy4(void *, const void *, size_t) SAME_AS(memcpy);
void *__aeabi_memcpy8(void *, const void *, size_t) SAME_AS(memcpy);
void *__aeabi_memmove(void *, const void *, size_t) SAME_AS(memmove);
void *__aeabi_memmove4(void *, const void *, size_t) SAME_AS(memmove);
void __aeabi_memclr(void *to, size_t n) {
    memset(to, 0, n);
}
void __aeabi_memclr4(void *, size_t) SAME_AS(__aeabi_memclr);
void __aeabi_memclr8(void *, size_t) SAME_AS(__aeabi_memclr);
void __aeabi_memset(void *to, size_t n, int c) {
    memset(to, c, n);
}
void __aeabi_memset4(void *, size_t, int) SAME_AS(__aeabi_memset);
void __aeabi_memset8(void *, size_t, int) SAME_AS(__aeabi_memset);
