/* Recurrent networks: one direction is a scan over time whose step is the cell (recurrent.c,
 * recurrent_cells.c). */
#ifndef ONNXCC_FRONTEND_OPS_RECURRENT_H
#define ONNXCC_FRONTEND_OPS_RECURRENT_H

#include "frontend/ops.h"

typedef struct Activation {
    const char *name;
    double alpha, beta;
} Activation;

typedef struct Rnn Rnn;
/* One step: x is the projected input [batch, gates * hidden], biases included where the cell allows
 * it; h and c are the states before. Gives the new ones; false after a diagnostic. */
typedef bool RnnStep(Rnn *, Value *x, Value *h, Value *c, Value **new_h, Value **new_c);

struct Rnn {
    OnnxNode *n;
    RnnStep *step;
    int gates, states, activations; /* per direction */
    bool split_bias;                /* the recurrent bias is the cell's business */
    bool has_clip;
    double clip;
    int alphas_used, betas_used; /* of the activations' parameter lists */
    Expr *time, *batch, *hidden;
    /* of the direction at hand */
    Activation act[3];
    Value *recurrent, *recurrent_bias, *peephole;
};

Value *rnn_activate(Rnn *, int which, Value *x);      /* clipped before */
Value *rnn_part(Rnn *, Value *v, int axis, int gate); /* hidden elements along the axis */
RnnStep lstm_step, gru_step, rnn_step;

#endif
