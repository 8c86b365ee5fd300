/* The files that onnxcc carries: texts are whole, the runtime is found by target. */
#include "codegen/embedded.h"
#include "ir/base.h"

static int failures;

static void expect(bool ok, const char *what) {
    if (ok) return;
    failures++;
    printf("unit_embedded.c: failed: %s\n", what);
}

static bool is_bitcode(const EmbeddedFile *f) {
    return f && f->size > 4 && !memcmp(f->data, "BC\xc0\xde", 4) && f->data[f->size] == 0;
}

int main(void) {
    const EmbeddedFile *abi = embedded_find("runtime/abi.h");
    expect(abi && abi->size == strlen((const char *)abi->data), "runtime/abi.h is a text");
    expect(abi && strstr((const char *)abi->data, "struct onnxcc_model"), "runtime/abi.h is whole");
    expect(!embedded_find("runtime/none.h"), "what is not carried is not found");
    const char *arm = "thumbv7em-none-unknown-eabihf";
    expect(is_bitcode(embedded_runtime("x86_64-pc-linux-gnu", "core.bc")), "core for x86-64");
    expect(is_bitcode(embedded_runtime("aarch64-linux-gnu", "core.bc")), "core for aarch64");
    expect(is_bitcode(embedded_runtime(arm, "core.bc")), "core for Cortex-M");
    const EmbeddedFile *object = embedded_runtime("x86_64-pc-linux-gnu", "host.o");
    expect(object && !memcmp(object->data, "\177ELF", 4), "an object for x86-64");
    expect(embedded_runtime("x86_64-unknown-linux-gnu", "core.bc") ==
               embedded_runtime("x86_64-pc-linux-gnu", "core.bc"),
           "another vendor's name for the same target");
    expect(!embedded_runtime("x86_64-none-elf", "core.bc"), "bare metal is not Linux");
    expect(!embedded_runtime(arm, "host.bc"), "bare metal has no host part");
    expect(!embedded_runtime("vax", "core.bc"), "unknown targets");
    return failures != 0;
}
