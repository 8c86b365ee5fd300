/* Malformed input through the command line: every case must give its message and exit code 1, and
 * leave no file.
 *
 *   errors ONNXCC [CASE...]
 *   errors --write FOLDER      only writes the small ones: seeds for a fuzzer
 *
 * Each case runs in a fresh folder that holds the model and nothing else. A compiler that hangs is
 * stopped after two minutes, which is a failure. */
#define _DEFAULT_SOURCE 1
#include "cases.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIME_LIMIT = 120 };

static int passed, failed;

static void write_file(const char *path, Buf b) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(b.at, 1, b.n, f) != b.n || fclose(f)) {
        perror(path);
        exit(2);
    }
}

/* Runs the compiler with stderr in `log`; the exit code, or -1 where a signal ended it. */
static int run(char *const *argv, char *log, size_t size) {
    int pipes[2], status = 0;
    if (pipe(pipes)) exit(2);
    pid_t child = fork();
    if (child == 0) {
        alarm(TIME_LIMIT);
        dup2(pipes[1], 2);
        dup2(pipes[1], 1);
        close(pipes[0]);
        execv(argv[0], argv);
        _exit(127);
    }
    close(pipes[1]);
    size_t n = 0;
    char rest[4096];
    for (ssize_t got; (got = read(pipes[0], rest, sizeof rest)) > 0;) {
        size_t take = (size_t)got < size - 1 - n ? (size_t)got : size - 1 - n;
        memcpy(log + n, rest, take);
        n += take;
    }
    log[n] = 0;
    close(pipes[0]);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Are all parts of `text`, which | separates, in the log? */
static bool contains(const char *log, const char *text) {
    while (*text) {
        size_t n = strcspn(text, "|");
        char part[256];
        snprintf(part, sizeof part, "%.*s", (int)n, text);
        if (!strstr(log, part)) return false;
        text += n + (text[n] == '|');
    }
    return true;
}

static int count_files(const char *folder) {
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.';
    if (d) closedir(d);
    return n;
}

static bool has_control(const char *log) {
    for (const unsigned char *p = (const unsigned char *)log; *p; p++)
        if ((*p < 0x20 && *p != '\n') || *p == 0x7f) return true;
    return false;
}

static void report(const char *name, const char *why, const char *log) {
    failed++;
    printf("FAIL %s: %s\n%s\n", name, why, log);
}

static void remove_all(const char *folder) {
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command)) perror("rm");
}

/* Runs the compiler in a fresh folder that holds `model`; the last of `args` is NULL. */
static void check(const char *compiler, const char *name, Buf model, void (*prepare)(void),
                  const char *const *args, const char *text, const char *names) {
    static char log[1 << 16];
    char folder[] = "/tmp/onnxcc-errors-XXXXXX", home[4096], *argv[10];
    int n = 0;
    if (!getcwd(home, sizeof home) || !mkdtemp(folder) || chdir(folder)) exit(2);
    write_file("model.onnx", model);
    if (prepare) prepare();
    argv[n++] = (char *)(uintptr_t)compiler;
    while (*args) argv[n++] = (char *)(uintptr_t)*args++;
    argv[n++] = "-o";
    argv[n++] = "out";
    argv[n] = NULL;
    int before = count_files("."), code = run(argv, log, sizeof log), after = count_files(".");
    if (chdir(home)) exit(2);
    remove_all(folder);
    if (code != 1) report(name, "exit code is not 1", log);
    else if (!contains(log, text)) report(name, "message lacks what is expected", log);
    else if (!strstr(log, names)) report(name, "message does not name the file", log);
    else if (after != before) report(name, "a file was left behind", log);
    else if (has_control(log)) report(name, "message has control characters", log);
    else passed++;
}

static int write_seeds(const char *folder) {
    const Case *const lists[] = {file_cases, model_cases, tensor_cases, nesting_cases,
                                 sequence_cases};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const Case *c = lists[i]; c->name; c++) {
            char path[4096];
            Buf b = c->make();
            snprintf(path, sizeof path, "%s/%s.onnx", folder, c->name);
            if (b.n < 5000) write_file(path, b);
        }
    return 0;
}

static bool wanted(const char *name, int argc, char **argv) {
    for (int i = 2; i < argc; i++)
        if (!strcmp(argv[i], name)) return true;
    return argc <= 2;
}

int main(int argc, char **argv) {
    const Case *const lists[] = {file_cases, model_cases, tensor_cases, nesting_cases,
                                 sequence_cases};
    if (argc < 2) return 2;
    if (argc == 3 && !strcmp(argv[1], "--write")) return write_seeds(argv[2]);
    char *compiler = realpath(argv[1], NULL);
    static const char *const only_model[] = {"model.onnx", NULL};
    for (size_t i = 0; compiler && i < sizeof lists / sizeof *lists; i++)
        for (const Case *c = lists[i]; c->name; c++)
            if (wanted(c->name, argc, argv))
                check(compiler, c->name, c->make(), c->prepare, only_model, c->text,
                      "model.onnx: ");
    for (const OptionCase *c = option_cases; compiler && c->name; c++)
        if (wanted(c->name, argc, argv))
            check(compiler, c->name, good_model(), NULL, c->args, c->text, ": error: ");
    printf("%d passed, %d failed\n", passed, failed);
    return failed || !passed;
}
