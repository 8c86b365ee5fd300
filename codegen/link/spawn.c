/* Running the system's tools: no shell in between, so no name needs quoting. Also the folder for
 * what they read. */
#include "codegen/link/spawn.h"

#include "codegen/codegen.h"
#include "codegen/link/link.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void command_add(Command *c, const char *word) {
    vec_push(c->arena, &c->word, word);
}

void command_fmt(Command *c, const char *fmt, ...) {
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    CHECK(n >= 0 && n < (int)sizeof text);
    command_add(c, arena_str(c->arena, text));
}

const char *command_text(const Command *c) {
    Str s = str_new(c->arena);
    for (int i = 0; i < c->word.n; i++) {
        const char *w = c->word.at[i];
        bool plain = *w && !w[strcspn(w, " \t\n\"'\\$`*?[]{}()<>|&;#~!")];
        str_fmt(&s, plain ? "%s%s" : "%s'%s'", i ? " " : "", w);
    }
    return str_c(&s);
}

int command_run(const Command *c, const char *log) {
    pid_t pid;
    int status;
    char **argv = NEW_ARRAY(c->arena, char *, c->word.n + 1);
    for (int i = 0; i < c->word.n; i++) argv[i] = arena_str(c->arena, c->word.at[i]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    int error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error) return 127;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool is_program(const char *path) {
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

const char *find_program(Arena *arena, const char *name) {
    if (strchr(name, '/')) return is_program(name) ? name : NULL;
    const char *path = getenv("PATH");
    for (path = path ? path : "/usr/bin:/bin"; *path;) {
        size_t n = strcspn(path, ":");
        const char *full = arena_printf(arena, "%.*s/%s", (int)n, path, name);
        if (n && is_program(full)) return full;
        path += n + (path[n] == ':');
    }
    return NULL;
}

/* What must not stay behind where the process ends early. */
static char temp_in_use[4096];

void codegen_abandon(void) {
    if (*temp_in_use) link_temp_remove(temp_in_use);
}

const char *link_temp_dir(Ctx *ctx) {
    const char *base = getenv("TMPDIR");
    char *dir = arena_printf(ctx->perm, "%s/onnxcc-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(dir)) {
        diag_error(ctx, &(Loc){.file = dir}, "no folder for temporary files: %s", strerror(errno));
        return NULL;
    }
    snprintf(temp_in_use, sizeof temp_in_use, "%s", dir);
    return dir;
}

void link_temp_remove(const char *dir) {
    DIR *d = dir ? opendir(dir) : NULL;
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    rmdir(dir);
    *temp_in_use = 0;
}
