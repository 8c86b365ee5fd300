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
    expect(is_bitcode(embedded_runtime("x86_64-pc-linux-gnu", "core")), "core for x86-64");
    expect(is_bitcode(embedded_runtime("aarch64-linux-gnu", "core")), "core for aarch64");
    expect(is_bitcode(embedded_runtime(arm, "core")), "core for Cortex-M");
    expect(embedded_runtime("x86_64-unknown-linux-gnu", "core") ==
               embedded_runtime("x86_64-pc-linux-gnu", "core"),
           "another vendor's name for the same target");
    expect(!embedded_runtime("x86_64-none-elf", "core"), "bare metal is not Linux");
    expect(!embedded_runtime(arm, "host") && !embedded_runtime("vax", "core"), "unknown targets");
    return failures != 0;
}
