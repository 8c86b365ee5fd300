/* --target, -mcpu and --device: for which processors code is made, and what the schedules may know
 * of them. */
#include "frontend/cli.h"

static const char *const host_triple =
#if defined(__x86_64__)
    "x86_64-pc-linux-gnu";
#elif defined(__aarch64__)
    "aarch64-unknown-linux-gnu";
#elif defined(__riscv)
    "riscv64-unknown-linux-gnu";
#else
    "unknown";
#endif

/* The level of the x86-64 instruction set that this machine has. */
static const char *host_level(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi2");
    bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
              __builtin_cpu_supports("avx512cd");
    if (v4) return "x86-64-v4";
    if (v3) return "x86-64-v3";
    return __builtin_cpu_supports("sse4.2") ? "x86-64-v2" : "x86-64";
#else
    return "generic";
#endif
}

typedef struct Family { /* how a triple begins, and what its processors are scheduled as */
    const char *prefix, *machine, *cpu;
} Family;

static const Family families[] = {
    {"x86_64", "x86-64-v3", "x86-64-v3"},   {"aarch64", "aarch64", "generic"},
    {"arm64", "aarch64", "generic"},        {"thumbv7", "cortex-m4", "cortex-m4"},
    {"thumbv8", "cortex-m4", "cortex-m55"}, {"arm", "generic", "generic"},
    {"riscv64", "generic", "generic-rv64"}, {"riscv32", "generic", "generic-rv32"},
    {"wasm32", "generic", "generic"},
};

/* The processors of x86-64 that runtime/core/cpu.c can recognise, and what they are scheduled as.
 */
static const struct {
    const char *name, *level;
} x86[] = {
    {"x86-64", "x86-64"},
    {"x86-64-v2", "x86-64-v2"},
    {"x86-64-v3", "x86-64-v3"},
    {"x86-64-v4", "x86-64-v4"},
    {"nehalem", "x86-64-v2"},
    {"westmere", "x86-64-v2"},
    {"sandybridge", "x86-64-v2"},
    {"ivybridge", "x86-64-v2"},
    {"haswell", "x86-64-v3"},
    {"broadwell", "x86-64-v3"},
    {"skylake", "x86-64-v3"},
    {"alderlake", "x86-64-v3"},
    {"raptorlake", "x86-64-v3"},
    {"meteorlake", "x86-64-v3"},
    {"gracemont", "x86-64-v3"},
    {"arrowlake", "x86-64-v3"},
    {"sierraforest", "x86-64-v3"},
    {"lunarlake", "x86-64-v3"},
    {"skylake-avx512", "x86-64-v4"},
    {"cascadelake", "x86-64-v4"},
    {"cooperlake", "x86-64-v4"},
    {"cannonlake", "x86-64-v4"},
    {"icelake-client", "x86-64-v4"},
    {"icelake-server", "x86-64-v4"},
    {"rocketlake", "x86-64-v4"},
    {"tigerlake", "x86-64-v4"},
    {"sapphirerapids", "x86-64-v4"},
    {"emeraldrapids", "x86-64-v4"},
    {"graniterapids", "x86-64-v4"},
    {"znver1", "x86-64-v3"},
    {"znver2", "x86-64-v3"},
    {"znver3", "x86-64-v3"},
    {"znver4", "x86-64-v4"},
    {"znver5", "x86-64-v4"},
};

static bool begins(const char *s, const char *prefix) {
    return !strncmp(s, prefix, strlen(prefix));
}

static const Family *family_of(const char *triple) {
    for (int i = 0; i < LEN(families); i++)
        if (begins(triple, families[i].prefix)) return &families[i];
    return NULL;
}

/* What else LLVM knows: the beginning of the triple, its name. */
static const struct {
    const char *family, *name;
} others[] = {
#define X(family, name) {family, name},
#include "cpus.inc"
#undef X
};

static bool same_family(const Family *f, const char *name) {
    if (begins(f->prefix, "thumb")) return !strcmp(name, "arm");
    return !strcmp(f->prefix, name) || (!strcmp(f->prefix, "arm64") && !strcmp(name, "aarch64"));
}

/* The machine that the processor is scheduled as; NULL: there is no such processor. */
static const char *machine_name(const Family *f, const char *cpu) {
    const Machine *own = machine_by_name(cpu);
    bool known = own && strcmp(own->family, "c"); /* "generic" is portable C, not this family's */
    for (int i = 0; i < LEN(others); i++)
        if (same_family(f, others[i].family) && !strcmp(cpu, others[i].name))
            return known ? cpu : f->machine;
    if (!begins(f->prefix, "x86_64")) return NULL;
    for (int i = 0; i < LEN(x86); i++)
        if (!strcmp(cpu, x86[i].name)) return x86[i].level;
    return NULL;
}

static bool unknown_cpu(const Cli *cli, const Family *f, const char *cpu) {
    Str all = str_new(cli->ctx->perm);
    bool pc = begins(f->prefix, "x86_64");
    for (int i = 0; pc && i < LEN(x86); i++) str_fmt(&all, "%s%s", i ? ", " : "", x86[i].name);
    for (int i = 0; i < LEN(others); i++)
        if (same_family(f, others[i].family))
            str_fmt(&all, "%s%s", all.n ? ", " : "", others[i].name);
    diag_error(cli->ctx, NULL, "-mcpu: \"%s\" is not a processor that is known here",
               diag_name(cli->ctx, cpu));
    diag_note(cli->ctx, NULL, "it can be native, or one of %s", str_c(&all));
    return false;
}

static void add(const Cli *cli, Processors *p, const char *machine, const char *cpu) {
    p->machine[p->n] = machine_by_name(machine);
    if (!p->machine[p->n]) p->machine[p->n] = machine_by_name("generic");
    CHECK(p->machine[p->n]);
    p->cpu[p->n] = cpu;
    p->features[p->n++] = cli->features ? cli->features : "";
}

/* Wider vectors are better; then what has more beyond the level: it stands further down. */
static bool better(const Processors *p, int a, int b) {
    int rank[2] = {-1, -1};
    if (p->machine[a]->vector_bytes != p->machine[b]->vector_bytes)
        return p->machine[a]->vector_bytes > p->machine[b]->vector_bytes;
    for (int i = 0; i < LEN(x86); i++) {
        if (!strcmp(p->cpu[a], x86[i].name)) rank[0] = i;
        if (!strcmp(p->cpu[b], x86[i].name)) rank[1] = i;
    }
    return rank[0] > rank[1];
}

/* The newest first, so that the program finds the best that fits. */
static void best_first(Processors *p) {
    for (int i = 1; i < p->n; i++)
        for (int k = i; k > 0 && better(p, k, k - 1); k--) {
            const Machine *m = p->machine[k];
            const char *cpu = p->cpu[k];
            p->machine[k] = p->machine[k - 1], p->machine[k - 1] = m;
            p->cpu[k] = p->cpu[k - 1], p->cpu[k - 1] = cpu;
        }
}

static bool is_bare(const char *triple) {
    return strstr(triple, "-none") || strstr(triple, "-elf");
}

/* Without -mcpu an executable for this machine may use all it has; a library runs on machines of
 * the last ten years. */
static const char *default_cpu(const Cli *cli, const Family *f) {
    bool mine = !cli->triple && cli->emit != EMIT_STATICLIB && cli->emit != EMIT_SHAREDLIB &&
                cli->emit != EMIT_OBJ;
    return mine && begins(f->prefix, "x86_64") ? host_level() : f->cpu;
}

bool processors_pick(const Cli *cli, Processors *p) {
    Arena *perm = cli->ctx->perm;
    int n = MAX(1, cli->cpus.list.n);
    *p = (Processors){.triple = cli->triple ? cli->triple : host_triple};
    p->machine = NEW_ARRAY(perm, const Machine *, n);
    p->cpu = NEW_ARRAY(perm, const char *, n);
    p->features = NEW_ARRAY(perm, const char *, n);
    p->bare_metal = is_bare(p->triple);
    const Family *f = family_of(p->triple);
    if (!f)
        return diag_error(cli->ctx, NULL, "target %s is not supported",
                          diag_name(cli->ctx, p->triple));
    if (cli->device != ON_CPU || cli->emit == EMIT_CUDA || cli->emit == EMIT_PTX ||
        cli->emit == EMIT_CUBIN) {
        add(cli, p, "cuda", f->cpu);
        p->host = machine_by_name(f->machine);
    } else if (cli->emit == EMIT_C) {
        add(cli, p, "generic", "generic");
    } else if (!cli->cpus.list.n) {
        const char *cpu = default_cpu(cli, f);
        add(cli, p, machine_name(f, cpu), cpu);
    }
    for (int i = 0; i < cli->cpus.list.n && !p->n; i++) {
        for (i = 0; i < cli->cpus.list.n; i++) {
            const char *cpu = cli->cpus.list.at[i];
            if (!strcmp(cpu, "native")) cpu = begins(f->prefix, "x86_64") ? host_level() : f->cpu;
            const char *machine = machine_name(f, cpu);
            if (!machine) return unknown_cpu(cli, f, cpu);
            add(cli, p, machine, cpu);
        }
    }
    best_first(p);
    return true;
}
