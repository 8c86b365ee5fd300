/* Every access of a kernel in the emulation. Kernels are compiled with clang's -fsanitize=thread,
 * whose calls before every access come here; its own runtime is not linked. What is done with them
 * is said by `look` of races.h or traffic.h. What atomics do is not looked at. */
#ifndef ONNXCC_RUNTIME_EMU_LOOKS_H
#define ONNXCC_RUNTIME_EMU_LOOKS_H

extern "C" {
extern char __start_onnxcc_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_onnxcc_shared[] __attribute__((weak, visibility("hidden")));
}

namespace onnxcc_emu {

inline void look(uintptr_t at, size_t bytes, bool writes, void *code);
inline bool is_local(const Machine *m, uintptr_t at) {
    return at - (uintptr_t)m->stacks < (size_t)(MAX_THREADS + 1) * (GUARD + STACK);
}
inline bool is_shared(uintptr_t at) {
    return at >= (uintptr_t)__start_onnxcc_shared && at < (uintptr_t)__stop_onnxcc_shared;
}

} // namespace onnxcc_emu

#define ONNXCC_EMU_LOOK(name, bytes, writes)                                                       \
    extern "C" __attribute__((weak, visibility("hidden"))) void __tsan_##name(void *at) {          \
        onnxcc_emu::look((uintptr_t)at, bytes, writes, __builtin_return_address(0));               \
    }
#define ONNXCC_EMU_LOOKS(n)                                                                        \
    ONNXCC_EMU_LOOK(read##n, n, false)                                                             \
    ONNXCC_EMU_LOOK(write##n, n, true)                                                             \
    ONNXCC_EMU_LOOK(unaligned_read##n, n, false)                                                   \
    ONNXCC_EMU_LOOK(unaligned_write##n, n, true)
ONNXCC_EMU_LOOKS(1)
ONNXCC_EMU_LOOKS(2)
ONNXCC_EMU_LOOKS(4)
ONNXCC_EMU_LOOKS(8)
ONNXCC_EMU_LOOKS(16)
extern "C" {
#define ONNXCC_EMU_OWN __attribute__((weak, visibility("hidden")))
ONNXCC_EMU_OWN void __tsan_read_range(void *at, size_t bytes) {
    onnxcc_emu::look((uintptr_t)at, bytes, false, __builtin_return_address(0));
}
ONNXCC_EMU_OWN void __tsan_write_range(void *at, size_t bytes) {
    onnxcc_emu::look((uintptr_t)at, bytes, true, __builtin_return_address(0));
}
ONNXCC_EMU_OWN void *__tsan_memcpy(void *to, const void *from, size_t bytes) {
    onnxcc_emu::look((uintptr_t)from, bytes, false, __builtin_return_address(0));
    onnxcc_emu::look((uintptr_t)to, bytes, true, __builtin_return_address(0));
    return memmove(to, from, bytes);
}
ONNXCC_EMU_OWN void *__tsan_memmove(void *to, const void *from, size_t bytes) {
    onnxcc_emu::look((uintptr_t)from, bytes, false, __builtin_return_address(0));
    onnxcc_emu::look((uintptr_t)to, bytes, true, __builtin_return_address(0));
    return memmove(to, from, bytes);
}
ONNXCC_EMU_OWN void *__tsan_memset(void *to, int v, size_t bytes) {
    onnxcc_emu::look((uintptr_t)to, bytes, true, __builtin_return_address(0));
    return memset(to, v, bytes);
}
ONNXCC_EMU_OWN void __tsan_func_entry(void *) {
}
ONNXCC_EMU_OWN void __tsan_func_exit() {
}
ONNXCC_EMU_OWN void __tsan_init() {
}
}

#endif
