/* Cases of refused input: a file, and what the message must contain. */
#ifndef ONNXCC_TESTS_CASES_H
#define ONNXCC_TESTS_CASES_H

#include "write.h"

typedef struct Case {
    const char *name;
    Buf (*make)(void);
    const char *text;      /* in the message; several parts are separated by | */
    void (*prepare)(void); /* more files, in the current folder; may be NULL */
} Case;

typedef struct OptionCase {
    const char *name, *args[6], *text;
} OptionCase;

extern const OptionCase option_cases[]; /* on good_model() */
Buf good_model(void);
extern const Case file_cases[], model_cases[], tensor_cases[],
    nesting_cases[], sequence_cases[]; /* end with a NULL name */

#endif
