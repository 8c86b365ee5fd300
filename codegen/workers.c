/* fork() per task; each child sends its diagnostics through a pipe, whose end says that the
 * child is done. */
#include "codegen/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Child {
    pid_t pid; /* 0: free */
    int pipe, task;
} Child;
typedef struct Workers {
    Ctx *ctx;
    WorkerTask task;
    void *user;
    char *doing; /* shared: WORKERS_DOING bytes per task */
    Str *said;   /* per task */
    int *code;
    Child *child;
    int jobs, n;
} Workers;

/* ---- in the child ---- */
static int report_to = -1; /* the child's pipe; set in children alone */

static void write_all(const char *s, size_t n) {
    while (n > 0) {
        ssize_t k = write(report_to, s, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return;
        s += k;
        n -= (size_t)k;
    }
}

static void on_fatal(int exit_code, const char *message) {
    write_all(message, strlen(message));
    write_all("\n", 1);
    _exit(exit_code);
}

static void run_child(Workers *w, int task, int to) {
    Ctx *ctx = w->ctx;
    Str said = str_new(ctx->perm);
    report_to = to;
    base_set_fatal(on_fatal);
    ctx->capture = &said;
    int code = w->task(w->user, task, w->doing + (size_t)task * WORKERS_DOING);
    if (said.n) write_all(said.at, said.n);
    _exit(code);
}

/* ---- in the parent ---- */
static void start(Workers *w, Child *c, int task) {
    int ends[2];
    if (pipe(ends)) die("onnxcc: pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0) die("onnxcc: fork: %s", strerror(errno));
    if (pid == 0) {
        close(ends[0]);
        for (int i = 0; i < w->jobs; i++)
            if (w->child[i].pid) close(w->child[i].pipe);
        run_child(w, task, ends[1]);
    }
    close(ends[1]);
    *c = (Child){pid, ends[0], task};
}

static void finish(Workers *w, Child *c) {
    int status = 0;
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
    }
    close(c->pipe);
    w->code[c->task] = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    c->pid = 0;
}

/* Reads what has arrived; a closed pipe is a finished child. */
static void listen_to(Workers *w) {
    struct pollfd p[256];
    Child *of[256];
    int n = 0;
    for (int i = 0; i < w->jobs; i++) {
        if (!w->child[i].pid) continue;
        of[n] = &w->child[i];
        p[n++] = (struct pollfd){.fd = w->child[i].pipe, .events = POLLIN};
    }
    if (poll(p, (nfds_t)n, -1) < 0) return;
    for (int i = 0; i < n; i++) {
        char buffer[4096];
        if (!p[i].revents) continue;
        ssize_t k = read(p[i].fd, buffer, sizeof buffer);
        if (k > 0) str_addn(&w->said[of[i]->task], buffer, (size_t)k);
        else if (k == 0 || errno != EINTR) finish(w, of[i]);
    }
}

static int running(const Workers *w) {
    int n = 0;
    for (int i = 0; i < w->jobs; i++) n += w->child[i].pid != 0;
    return n;
}

static int collect(Workers *w, char *died) {
    int worst = 0;
    died[0] = 0;
    for (int i = 0; i < w->n; i++) {
        if (w->said[i].n) diag_lines(w->ctx, str_c(&w->said[i]));
        if (w->code[i] < 0 && !died[0])
            snprintf(died, WORKERS_DOING, "%s", w->doing + (size_t)i * WORKERS_DOING);
        if (w->code[i]) w->ctx->errors++;
        worst = MAX(worst, w->code[i] < 0 ? 2 : w->code[i]);
    }
    return worst;
}

int workers_run(Ctx *ctx, int jobs, int n, WorkerTask task, void *user, char died[WORKERS_DOING]) {
    Workers w = {.ctx = ctx, .task = task, .user = user, .n = n, .jobs = MIN(MAX(jobs, 1), 256)};
    size_t bytes = (size_t)MAX(n, 1) * WORKERS_DOING;
    w.doing = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (w.doing == MAP_FAILED) die("onnxcc: mmap: %s", strerror(errno));
    w.said = NEW_ARRAY(ctx->perm, Str, n + 1);
    w.code = NEW_ARRAY(ctx->perm, int, n + 1);
    w.child = NEW_ARRAY(ctx->perm, Child, w.jobs);
    for (int i = 0; i < n; i++) w.said[i] = str_new(ctx->perm);
    fflush(NULL);
    for (int next = 0; next < n || running(&w) > 0;) {
        for (int i = 0; i < w.jobs && next < n; i++)
            if (!w.child[i].pid) start(&w, &w.child[i], next++);
        listen_to(&w);
    }
    int code = collect(&w, died);
    munmap(w.doing, bytes);
    return code;
}
