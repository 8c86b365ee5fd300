/* Streams of a device: kernels that do not need each other may run side by side.
 *
 * A stretch is a row of kernels of the device, and of copies of inputs and outputs, in a program or
 * in the body of a loop or branch. It begins at an item marked `fork` and ends behind one marked
 * `join`; everything else runs when all before it has ended. Each item of a stretch runs on one
 * stream, behind what stands before it on that stream, and behind the events that it waits for:
 * event 0 is the fork, others are recorded behind the item that carries their number. Behind a join
 * all streams have ended.
 *
 *   fork device event 1 kernel k0_conv { ... }
 *   device kernel k1_conv { ... }                      # stream 0, behind k0_conv
 *   stream 1 wait 1 event 2 device kernel k2_conv { ... } # beside k1_conv
 *   join wait 2 device kernel k3_add { ... } */
#ifndef ONNXCC_IR_STREAMS_H
#define ONNXCC_IR_STREAMS_H

#include "ir/kernel.h"

enum { MAX_STREAMS = 4, FORK_EVENT = 0 };

/* What has ended when an item begins: everything in front of item `base` of the block (-1: nothing
 * is known to have), and on each stream what stands up to an item. */
typedef struct Clock {
    int base, upto[MAX_STREAMS];
} Clock;
/* What an item touches, as storage, and as the tensors that lie in it. */
typedef struct Use {
    Tensor **in, **out;
    int n_in, n_out;
} Use;
bool stream_unit(const Item *); /* may it be part of a stretch? */
Use stream_use(Ctx *, const Item *);
/* Must the second run when the first has ended? Kernels that write parts of one tensor need not. */
bool stream_conflict(const Item *, const Use *, const Item *, const Use *);

Clock stream_clock(int base);
void clock_join(Clock *, const Clock *);
void clock_end(Clock *, int stream, int item); /* item i of that stream has ended, too */
bool clock_has(const Clock *, int stream, int item);

Clock *stream_clocks(Ctx *, const Block *); /* of every item */
/* The last item that may begin before item i has ended; i itself where there is none. */
int stream_beside(const Block *, const Clock *, int i);
/* What is wrong with the streams of a block, and at which item; NULL: nothing. */
const char *stream_problem(Ctx *, const Block *, const Item **at);

#endif
