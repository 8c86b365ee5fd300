/* Workers: results in the order of tasks, messages of each, a task that dies. */
#include "codegen/workers.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static int failures;
#define EXPECT(cond)                                                                               \
    ((cond) ? (void)0 : (void)(failures++, printf("FAIL line %d: %s\n", __LINE__, #cond)))

static int quiet(void *user, int i, char *doing) {
    (void)user, (void)doing;
    usleep((useconds_t)(1000 * (7 - i)));
    return 0;
}

static int complaining(void *user, int i, char *doing) {
    Ctx *ctx = user;
    (void)doing;
    usleep((useconds_t)(1000 * (7 - i)));
    if (i % 2 == 0) return 0;
    diag_error(ctx, NULL, "task %d fails", i);
    return 1;
}

static int confused(void *user, int i, char *doing) {
    (void)user, (void)doing;
    if (i == 2) BUG("task %d is confused", i);
    return 0;
}

static int dying(void *user, int i, char *doing) {
    (void)user;
    snprintf(doing, WORKERS_DOING, "thing %d", i);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (i == 3) abort();
    return 0;
}

int main(void) {
    char died[WORKERS_DOING];
    for (int jobs = 1; jobs <= 5; jobs += 2) {
        Ctx *ctx = ctx_new();
        Str said = str_new(ctx->perm);
        ctx->capture = &said;
        EXPECT(workers_run(ctx, jobs, 6, quiet, ctx, died) == 0 && !died[0] && said.n == 0);
        EXPECT(workers_run(ctx, jobs, 0, quiet, ctx, died) == 0);
        EXPECT(workers_run(ctx, jobs, 6, complaining, ctx, died) == 1 && !died[0]);
        const char *a = strstr(str_c(&said), "task 1 fails"),
                   *b = strstr(str_c(&said), "task 3 fails"),
                   *c = strstr(str_c(&said), "task 5 fails");
        EXPECT(a && b && c && a < b && b < c);
        EXPECT(diag_errors(ctx) > 0);
        EXPECT(workers_run(ctx, jobs, 4, confused, ctx, died) == 2 && !died[0]);
        EXPECT(strstr(str_c(&said), "task 2 is confused"));
        EXPECT(workers_run(ctx, jobs, 5, dying, ctx, died) == 2 && !strcmp(died, "thing 3"));
        ctx_free(ctx);
    }
    return failures != 0;
}
