/* Executables and shared libraries, by --linker, else TRIPLE-gcc or cc, else lld.
 *
 * A compiler driver knows where the C library lies; for a bare linker (lld, ld) we look for its
 * start files where Debian and its kin keep them. The output is linked beside its place and
 * renamed, so a failure leaves nothing. */
#include "codegen/link/link.h"
#include "codegen/link/spawn.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Architectures of hosted targets: the first part of LLVM's triple, the folder of its libraries,
 * lld's emulation, the dynamic linker. */
static const struct Arch {
    const char *prefix, *dir, *emulation, *interpreter;
} arches[] = {
    {"x86_64", "x86_64-linux-gnu", "elf_x86_64", "/lib64/ld-linux-x86-64.so.2"},
    {"aarch64", "aarch64-linux-gnu", "aarch64linux", "/lib/ld-linux-aarch64.so.1"},
    {"arm64", "aarch64-linux-gnu", "aarch64linux", "/lib/ld-linux-aarch64.so.1"},
    {"arm", "arm-linux-gnueabihf", "armelf_linux_eabi", "/lib/ld-linux-armhf.so.3"},
    {"thumb", "arm-linux-gnueabihf", "armelf_linux_eabi", "/lib/ld-linux-armhf.so.3"},
    {"riscv64", "riscv64-linux-gnu", "elf64lriscv", "/lib/ld-linux-riscv64-lp64d.so.1"},
};

typedef struct Job {
    Ctx *ctx;
    const LinkJob *job;
    const struct Arch *arch; /* NULL: not one of the above */
    const char *triple, *temp_dir, *temp_out, *target; /* target: what is written in the end */
    bool in_place; /* the output exists and is a device, a pipe, ... */
    Command command;
} Job;

static const struct Arch *arch_of(const char *triple) {
    for (int i = 0; i < LEN(arches); i++)
        if (!strncmp(triple, arches[i].prefix, strlen(arches[i].prefix))) return &arches[i];
    return NULL;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A linker itself (ld, ld.lld-19, x86_64-linux-gnu-ld, mold, wasm-ld), not a compiler driver. */
static bool is_bare_linker(const char *program) {
    const char *base = base_name(program);
    return !strncmp(base, "ld", 2) || strstr(base, "lld") || strstr(base, "-ld") ||
           !strncmp(base, "mold", 4);
}

static bool is_wasm(const char *triple) {
    return !strncmp(triple, "wasm", 4);
}

static bool is_cross(const Job *j) {
    const struct Arch *host = arch_of(j->job->host_triple ? j->job->host_triple : j->triple);
    return !j->arch || !host || strcmp(host->dir, j->arch->dir);
}

/* The linker or driver to use; NULL: none. */
static const char *choose(Job *j) {
    Arena *arena = j->ctx->perm;
    const char *found = NULL;
    if (j->job->linker) return find_program(arena, j->job->linker);
    if (is_wasm(j->triple)) {
        found = find_program(arena, "wasm-ld-19");
        return found ? found : find_program(arena, "wasm-ld");
    }
    if (!is_cross(j)) {
        static const char *const native[] = {"cc", "gcc", "clang", "clang-19"};
        for (int i = 0; i < LEN(native) && !found; i++) found = find_program(arena, native[i]);
    } else {
        found = find_program(arena, arena_printf(arena, "%s-gcc", j->triple));
        if (!found && j->arch)
            found = find_program(arena, arena_printf(arena, "%s-gcc", j->arch->dir));
    }
    if (!found) found = find_program(arena, "ld.lld-19");
    return found ? found : find_program(arena, "ld.lld");
}

static bool none_found(const Job *j) {
    if (j->job->linker)
        return diag_error(j->ctx, NULL, "--linker=%s is not a program that can be run",
                          j->job->linker);
    if (is_wasm(j->triple))
        return diag_error(j->ctx, NULL, "no linker for %s: install Debian's package lld-19",
                          j->triple);
    if (is_cross(j) && j->arch)
        return diag_error(
            j->ctx, NULL,
            "no linker for %s: install Debian's package gcc-%s, or name one by --linker=",
            j->triple, !strncmp(j->arch->dir, "x86_64", 6) ? "x86-64-linux-gnu" : j->arch->dir);
    return diag_error(
        j->ctx, NULL,
        "no linker: install Debian's package gcc (or lld-19 and libc6-dev), or name one by "
        "--linker=; --emit=staticlib and -c need none");
}

/* Shared libraries show only what the caller lists. */
static const char *write_version_script(Job *j) {
    Str s = str_new(j->ctx->perm);
    const char *path = arena_printf(j->ctx->perm, "%s/exports.map", j->temp_dir);
    str_add(&s, "{ global:");
    for (int i = 0; i < j->job->n_exports; i++) str_fmt(&s, " %s;", j->job->exports[i]);
    str_add(&s, " local: *; };\n");
    return link_write_file(j->ctx, path, s.at, s.n) ? path : NULL;
}

static void add_objects(Job *j) {
    for (int i = 0; i < j->job->n_objects; i++) command_add(&j->command, j->job->objects[i]);
}

static bool driver_command(Job *j) {
    Command *c = &j->command;
    if (j->job->shared) command_fmt(c, "-shared");
    if (j->job->is_static) command_fmt(c, "-static");
    if (j->job->sysroot) command_fmt(c, "--sysroot=%s", j->job->sysroot);
    if (j->job->flag) command_add(c, j->job->flag);
    command_add(c, "-Wl,-z,noexecstack");
    if (j->job->shared) command_fmt(c, "-Wl,-soname,%s", base_name(j->job->out));
    if (j->job->shared && j->job->exports) {
        const char *script = write_version_script(j);
        if (!script) return false;
        command_fmt(c, "-Wl,--version-script=%s", script);
    }
    command_add(c, "-o");
    command_add(c, j->temp_out);
    add_objects(j);
    if (j->job->libm) command_add(c, "-lm");
    command_add(c, "-pthread");
    return true;
}

static bool wasm_command(Job *j) {
    Command *c = &j->command;
    command_add(c, "--no-entry");
    for (int i = 0; i < j->job->n_exports; i++) command_fmt(c, "--export=%s", j->job->exports[i]);
    command_add(c, "-o");
    command_add(c, j->temp_out);
    add_objects(j);
    return true;
}

/* A file of the C library under the roots where it may lie; NULL: none. */
static const char *find_file(Job *j, const char *name) {
    static const char *const dirs[] = {"/usr/lib/%s/%s", "/lib/%s/%s", "/usr/%s/lib/%s",
                                       "/usr/lib/gcc/%s/*/%s", "/usr/lib/gcc-cross/%s/*/%s"};
    const char *root = j->job->sysroot ? j->job->sysroot : "", *result = NULL;
    for (int i = 0; i < LEN(dirs) + 2 && !result; i++) {
        char path[1024];
        glob_t g;
        if (i >= LEN(dirs))
            snprintf(path, sizeof path, i == LEN(dirs) ? "/usr/lib64/%s" : "/usr/lib/%s", name);
        else snprintf(path, sizeof path, dirs[i], j->arch->dir, name);
        if (i >= LEN(dirs) && is_cross(j)) continue;
        if (!glob(arena_printf(j->ctx->perm, "%s%s", root, path), 0, NULL, &g) && g.gl_pathc)
            result = arena_str(j->ctx->perm, g.gl_pathv[g.gl_pathc - 1]);
        globfree(&g);
    }
    return result;
}

static bool add_file(Job *j, const char *name) {
    const char *path = find_file(j, name);
    if (!path)
        return diag_error(j->ctx, NULL, "%s is missing: install Debian's package %s", name,
                          is_cross(j) ? "libc6-dev of that architecture (libc6-dev-ARCH-cross)"
                                      : "libc6-dev");
    command_add(&j->command, path);
    return true;
}

static void add_library_dir(Job *j, const char *of) {
    const char *path = find_file(j, of);
    if (path) command_fmt(&j->command, "-L%.*s", (int)(strrchr(path, '/') - path), path);
}

static bool bare_command(Job *j) {
    Command *c = &j->command;
    bool exe = !j->job->shared, is_static = j->job->is_static;
    if (!j->arch)
        return diag_error(
            j->ctx, NULL,
            "how to link for %s is not known: name a compiler by --linker=", j->triple);
    command_add(c, "-m");
    command_add(c, j->arch->emulation);
    command_add(c, exe ? is_static ? "-static" : "-pie" : "-shared");
    if (j->job->sysroot) command_fmt(c, "--sysroot=%s", j->job->sysroot);
    if (exe && !is_static) command_fmt(c, "--dynamic-linker=%s", j->arch->interpreter);
    command_add(c, "-z");
    command_add(c, "noexecstack");
    command_add(c, "--eh-frame-hdr");
    if (!exe) command_fmt(c, "-soname=%s", base_name(j->job->out));
    if (!exe && j->job->exports) {
        const char *script = write_version_script(j);
        if (!script) return false;
        command_fmt(c, "--version-script=%s", script);
    }
    command_add(c, "-o");
    command_add(c, j->temp_out);
    if (exe && (!add_file(j, is_static ? "crt1.o" : "Scrt1.o"))) return false;
    if (!add_file(j, "crti.o")) return false;
    add_library_dir(j, "crti.o");
    add_library_dir(j, "libgcc.a");
    add_objects(j);
    if (j->job->libm) command_add(c, "-lm");
    if (is_static) command_add(c, "--start-group");
    command_add(c, "-lc");
    if (find_file(j, "libgcc.a")) command_add(c, "-lgcc");
    if (is_static && find_file(j, "libgcc_eh.a")) command_add(c, "-lgcc_eh");
    if (is_static) command_add(c, "--end-group");
    return add_file(j, "crtn.o");
}

/* What the linker wrote, its first lines as notes. */
static void show_log(Job *j, const char *log) {
    FILE *f = fopen(log, "r");
    char line[512];
    for (int i = 0; f && i < 12 && fgets(line, sizeof line, f); i++) {
        line[strcspn(line, "\n")] = 0;
        diag_note(j->ctx, NULL, "%s", line);
    }
    if (f) fclose(f);
}

/* The linker's output to its place: renamed, or copied to what is no regular file. */
static bool deliver(Job *j, uint64_t bytes) {
    if (j->in_place) {
        LinkPart whole = {.file = j->temp_out, .bytes = bytes};
        LinkFile *f = link_file_open(j->ctx, j->job->out, 0777);
        link_file_parts(f, (LinkParts){&whole, 1});
        return link_file_done(f);
    }
    if (!rename(j->temp_out, j->target)) return true;
    return diag_error(j->ctx, &(Loc){.file = j->job->out}, "%s", strerror(errno));
}

static bool run_linker(Job *j) {
    const char *log = arena_printf(j->ctx->perm, "%s/log", j->temp_dir);
    if (j->job->verbose && j->ctx->log) fprintf(j->ctx->log, "%s\n", command_text(&j->command));
    int code = command_run(&j->command, log);
    struct stat st;
    if (!code && !stat(j->temp_out, &st)) return deliver(j, (uint64_t)st.st_size);
    diag_error(j->ctx, NULL, "linking failed: %s (exit code %d)", j->command.word.at[0], code);
    show_log(j, log);
    return false;
}

static bool link_in(Job *j) {
    if (strstr(j->triple, "-none-") && !is_wasm(j->triple))
        return diag_error(
            j->ctx, NULL,
            "there are no executables and shared libraries for bare metal (%s): use -c or "
            "--emit=staticlib",
            j->triple);
    if (is_wasm(j->triple) && !j->job->shared)
        return diag_error(j->ctx, NULL, "%s has no executables: use --emit=sharedlib for a module",
                          j->triple);
    const char *program = choose(j);
    if (!program) return none_found(j);
    command_add(&j->command, program);
    bool good = is_wasm(j->triple)        ? wasm_command(j)
                : is_bare_linker(program) ? bare_command(j)
                                          : driver_command(j);
    return good && run_linker(j);
}

bool link_program(Ctx *ctx, const LinkJob *job) {
    Job j = {.ctx = ctx, .job = job, .command = {.arena = ctx->perm}};
    j.triple = job->triple ? job->triple : job->host_triple ? job->host_triple : "x86_64-linux-gnu";
    j.arch = strstr(j.triple, "linux") ? arch_of(j.triple) : NULL;
    j.temp_dir = link_temp_dir(ctx);
    if (!j.temp_dir) return false;
    struct stat st;
    j.target = output_target(ctx, job->out);
    j.in_place = !stat(job->out, &st) && !S_ISREG(st.st_mode);
    j.temp_out = j.in_place ? arena_printf(ctx->perm, "%s/out", j.temp_dir)
                            : arena_printf(ctx->perm, "%s.%ld.tmp", j.target, (long)getpid());
    bool good = link_in(&j);
    if (!good) unlink(j.temp_out);
    link_temp_remove(j.temp_dir);
    return good;
}
