/* Running the system's tools. */
#ifndef ONNXCC_CODEGEN_LINK_SPAWN_H
#define ONNXCC_CODEGEN_LINK_SPAWN_H

#include "ir/base.h"

typedef struct Command {
    Arena *arena;
    VEC(const char *) word;
} Command;
void command_add(Command *, const char *word); /* not copied */
void command_fmt(Command *, const char *fmt, ...) PRINTF(2, 3);
/* The command as one would type it. */
const char *command_text(const Command *);
/* Runs it, input empty, outputs into `log`: its exit code; 127: not run; 128 + n: signal n. */
int command_run(const Command *, const char *log);
/* The path of a program: the name itself where it has a slash, else found in $PATH; NULL: none. */
const char *find_program(Arena *, const char *name);

#endif
