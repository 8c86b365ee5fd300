/* Work in child processes: a crash of a code generator costs one child, and its messages arrive
 * in order. */
#ifndef ONNXCC_CODEGEN_WORKERS_H
#define ONNXCC_CODEGEN_WORKERS_H

#include "ir/base.h"

enum { WORKERS_DOING = 256 };
/* Does task i, in a child; returns an exit code. What it is doing stands in `doing`, for the
 * message if it dies. */
typedef int (*WorkerTask)(void *user, int i, char *doing);
/* Runs tasks 0..n-1, at most `jobs` at a time. Diagnostics are repeated in the order of tasks.
 * Returns the largest exit code; where a child died (2), `died` receives what it was doing (else
 * ""). */
int workers_run(Ctx *, int jobs, int n, WorkerTask, void *user, char died[WORKERS_DOING]);

#endif
