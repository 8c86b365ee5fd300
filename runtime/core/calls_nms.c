/* NonMaxSuppression: greedy choice of boxes in the order of their scores, per batch and class. */
#include "core.h"

struct box {
    float lo[2], hi[2];
};

/* From two opposite corners, or (centered) from the centre and the size. Which coordinate is x does
 * not matter. */
static struct box box_at(const float *v, bool centered) {
    struct box b;
    for (int i = 0; i < 2; i++) {
        float first = centered ? v[i] - v[i + 2] / 2 : v[i];
        float second = centered ? v[i] + v[i + 2] / 2 : v[i + 2];
        bool turned = !centered && second < first;
        b.lo[i] = turned ? second : first;
        b.hi[i] = turned ? first : second;
    }
    return b;
}

static float area(const struct box *b) {
    return (b->hi[0] - b->lo[0]) * (b->hi[1] - b->lo[1]);
}

/* Is intersection / union of the boxes above the limit? */
static bool overlap(const struct box *a, const struct box *b, float limit) {
    struct box both;
    for (int i = 0; i < 2; i++) {
        both.lo[i] = a->lo[i] > b->lo[i] ? a->lo[i] : b->lo[i];
        both.hi[i] = a->hi[i] < b->hi[i] ? a->hi[i] : b->hi[i];
        if (!(both.hi[i] > both.lo[i])) return false;
    }
    float common = area(&both), first = area(a), second = area(b);
    float all = first + second - common;
    return common > 0 && first > 0 && second > 0 && all > 0 && common / all > limit;
}

/* bufs: f32 boxes[batches][n][4], f32 scores[batches][classes][n] in descending order, int64
 * order[batches][classes][n] (where each of those was), f32 iou, f32 least score,
 * int64 selected[batches * classes * most][3] (batch, class, box; zeros behind the last), int64
 * count. args: batches, classes, n, most (per class), centered. */
int onnxcc_call_nms(struct onnxcc_frame *f, void *const *bufs, const int64_t *args) {
    (void)f;
    const float *boxes = bufs[0], *scores = bufs[1], *iou = bufs[3], *least = bufs[4];
    const int64_t *order = bufs[2], n = args[2];
    int64_t *to = bufs[5], *end = to + args[0] * args[1] * args[3] * 3, count = 0;
    for (int64_t line = 0; line < args[0] * args[1]; line++) {
        const float *of = boxes + line / args[1] * n * 4;
        int64_t *first = to;
        for (int64_t i = 0; i < n && to - first < 3 * args[3]; i++) {
            int64_t at = order[line * n + i];
            if (!(scores[line * n + i] > *least)) continue;
            struct box candidate = box_at(of + 4 * at, args[4] != 0);
            bool kept = true;
            for (const int64_t *s = first; s < to && kept; s += 3) {
                struct box chosen = box_at(of + 4 * s[2], args[4] != 0);
                kept = !overlap(&chosen, &candidate, *iou);
            }
            if (!kept) continue;
            to[0] = line / args[1];
            to[1] = line % args[1];
            to[2] = at;
            to += 3;
            count++;
        }
    }
    while (to < end) *to++ = 0;
    *(int64_t *)bufs[6] = count;
    return ONNXCC_OK;
}
