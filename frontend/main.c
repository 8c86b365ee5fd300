/* onnxcc: the command. Exit codes: 0 done; 1 the model or the options are at fault; 2 the compiler
 * is. */
#include "frontend/cli.h"

#include <stdlib.h>

/* Bugs and lack of memory end here; what was half written has a temporary name and is not left
 * behind by name. */
static void end_fatally(int exit_code, const char *message) {
    fflush(stdout);
    fprintf(stderr, "%s\n", message);
    codegen_abandon();
    _Exit(exit_code);
}

static void print_passes(void) {
    static const char *const levels[] = {"graph", "kernels", "plan", "loops"};
    for (int i = 0; i < pass_count(); i++) {
        const PassInfo *p = pass_at(i);
        printf("%-16s %-8s %s\n", p->name, levels[p->level], p->text);
    }
}

static int run(Cli *cli, int argc, char **argv) {
    if (!cli_parse(cli, argc, argv)) return 1;
    cli->ctx->quiet = cli->quiet;
    if (cli->help || cli->help_all) return cli_help(stdout, cli->help_all), 0;
    if (cli->version) return printf("onnxcc %s\n", cli_version()), 0;
    if (cli->print_passes) return print_passes(), 0;
    if (!cli->models.list.n) {
        diag_error(cli->ctx, NULL, "no model is given; onnxcc --help says how");
        return 1;
    }
    return compile(cli);
}

int main(int argc, char **argv) {
    base_set_fatal(end_fatally);
    Ctx *ctx = ctx_new();
    Cli cli = {.ctx = ctx};
    int code = run(&cli, argc, argv);
    ctx_free(ctx);
    return code;
}
