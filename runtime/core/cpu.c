/* Whether this CPU can run a version of the code: lists of LLVM feature names, and names of
 * x86-64's levels and CPUs that stand for such lists. Of a CPU's features only those count that a
 * code generator may use for arithmetic: virtual machines often hide the others. */
#include "core.h"

static const struct {
    const char *name, *means;
} levels[] = {
    {"x86-64", ""},
    {"x86-64-v2", "cx16,sahf,popcnt,sse3,ssse3,sse4.1,sse4.2"},
    {"x86-64-v3", "x86-64-v2,avx,avx2,bmi,bmi2,f16c,fma,lzcnt,movbe,xsave"},
    {"x86-64-v4", "x86-64-v3,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"},
    {"nehalem", "x86-64-v2"},
    {"westmere", "x86-64-v2"},
    {"sandybridge", "x86-64-v2,avx"},
    {"ivybridge", "sandybridge,f16c"},
    {"haswell", "x86-64-v3"},
    {"broadwell", "x86-64-v3"},
    {"skylake", "x86-64-v3"},
    {"alderlake", "x86-64-v3,avxvnni,gfni"},
    {"raptorlake", "alderlake"},
    {"meteorlake", "alderlake"},
    {"gracemont", "alderlake"},
    {"arrowlake", "alderlake,avxifma,avxneconvert,avxvnniint8"},
    {"sierraforest", "arrowlake"},
    {"lunarlake", "arrowlake,avxvnniint16"},
    {"skylake-avx512", "x86-64-v4"},
    {"cascadelake", "x86-64-v4,avx512vnni"},
    {"cooperlake", "cascadelake,avx512bf16"},
    {"cannonlake", "x86-64-v4,avx512ifma,avx512vbmi"},
    {"icelake-client", "cannonlake,avx512bitalg,avx512vbmi2,avx512vnni,avx512vpopcntdq,gfni"},
    {"icelake-server", "icelake-client"},
    {"rocketlake", "icelake-client"},
    {"tigerlake", "icelake-client,avx512vp2intersect"},
    {"sapphirerapids", "icelake-client,avx512bf16,avx512fp16,avxvnni,amx-bf16,amx-int8,amx-tile"},
    {"emeraldrapids", "sapphirerapids"},
    {"graniterapids", "sapphirerapids,amx-fp16"},
    {"znver1", "x86-64-v3,sse4a"},
    {"znver2", "znver1"},
    {"znver3", "znver1"},
    {"znver4", "icelake-client,avx512bf16,sse4a"},
    {"znver5", "znver4,avx512vp2intersect,avxvnni"},
};

/* The features a level stands for, or NULL where the name is not a level. */
static const char *level_means(const char *name, size_t n) {
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (core_same(levels[i].name, name, n)) return levels[i].means;
    return 0;
}

static void say(struct text *missing, bool first, const char *name, size_t n) {
    if (missing && !first) text_str(missing, ", ");
    for (size_t i = 0; missing && i < n; i++) text_char(missing, name[i]);
}

/* Cuts the first name off a list; *n is its length, 0 for what does not count. */
static const char *next_name(const char **list, size_t *n) {
    const char *name = *list;
    size_t all = 0;
    while (name[all] && name[all] != ',') all++;
    *list += all + (name[all] == ',');
    *n = all;
    if (*name == '-') *n = 0; /* LLVM's "-feature": not used */
    if (*name == '+') ++name, --*n;
    return name;
}

/* Lists within lists are worked off on a stack: nothing in here calls itself. */
bool core_cpu_fits(const char *needs, struct text *missing) {
    enum { DEPTH = 12 };
    const char *stack[DEPTH] = {needs ? needs : ""};
    bool all = true;
    for (int top = 0; top >= 0;) {
        if (!*stack[top]) {
            top--;
            continue;
        }
        size_t n;
        const char *name = next_name(&stack[top], &n), *means = level_means(name, n);
        if (n && means && top + 1 < DEPTH) {
            stack[++top] = means;
        } else if (n && !core_cpu_has(name, n)) {
            say(missing, all, name, n);
            all = false;
        }
    }
    return all;
}
