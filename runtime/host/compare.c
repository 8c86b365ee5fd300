/* Whether an output is what was expected, as numpy.testing.assert_allclose decides it. */
#include "host.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

struct result {
    int64_t wrong,
        worst; /* how many elements, and the index of the worst (or of the largest difference) */
    double excess, largest;
};

static bool is_complex(int dtype) {
    return dtype == 14 || dtype == 15;
}

/* One pair of numbers; by how much the difference is above what is allowed (<= 0: equal). */
static double excess_of(const struct host_args *a, double got, double want, double *difference) {
    *difference = 0;
    if (got == want || (got != got && want != want)) return -1;
    *difference = fabs(got - want);
    if (got != got || want != want || isinf(got) || isinf(want)) return INFINITY;
    double allowed = a->atol + a->rtol * fabs(want);
    return *difference <= allowed ? -1 : *difference - allowed;
}

static double excess_at(const struct host_args *a, const struct host_tensor *got,
                        const struct host_tensor *want, int64_t i, double *difference) {
    int dtype = got->dtype;
    if (host_is_float(dtype) || is_complex(dtype)) {
        int part = dtype == 14 ? 1 : dtype == 15 ? 11 : dtype;
        return excess_of(a, host_float_at(got->data, part, i), host_float_at(want->data, part, i),
                         difference);
    }
    *difference = 0;
    if (dtype == 8) {
        const struct onnxcc_string *x = (struct onnxcc_string *)got->data + i,
                                   *y = (struct onnxcc_string *)want->data + i;
        return x->size == y->size && (!x->size || !memcmp(x->data, y->data, x->size)) ? -1
                                                                                      : INFINITY;
    }
    if (host_int_at(got->data, dtype, i) == host_int_at(want->data, dtype, i)) return -1;
    *difference = fabs(host_float_at(got->data, dtype, i) - host_float_at(want->data, dtype, i));
    return *difference > 0 ? *difference : 1;
}

static struct result compare(const struct host_args *a, const struct host_tensor *got,
                             const struct host_tensor *want) {
    struct result r = {.excess = -1};
    int parts = is_complex(got->dtype) ? 2 : 1;
    int64_t n = host_elements(got) * parts, last = -1; /* last: the wrong element counted last */
    for (int64_t i = 0; i < n; i++) {
        double difference, excess = excess_at(a, got, want, i, &difference);
        if (excess > 0 && i / parts != last) r.wrong++, last = i / parts;
        if (excess > r.excess) r.excess = excess, r.worst = i;
        if (difference > r.largest) r.largest = difference;
    }
    r.worst /= parts;
    return r;
}

static void print_position(int64_t at, const struct host_tensor *t) {
    int64_t position[HOST_MAX_RANK];
    for (int d = t->rank - 1; d >= 0; d--) {
        position[d] = at % t->dims[d];
        at /= t->dims[d];
    }
    putchar('[');
    for (int d = 0; d < t->rank; d++) printf("%s%" PRId64, d ? "," : "", position[d]);
    putchar(']');
}

/* Items one by one; an optional that holds nothing is not an empty sequence. */
static bool compare_items(const struct host_args *a, const char *what,
                          const struct onnxcc_sequence *got, const struct onnxcc_sequence *want) {
    bool equal = got->count == want->count && !got->items == !want->items;
    if (!equal)
        printf("%s holds %zu items%s, but should hold %zu%s\n", what, got->count,
               got->items ? "" : " (nothing)", want->count, want->items ? "" : " (nothing)");
    else if (!got->count) printf("%s: ok\n", what);
    for (size_t i = 0; equal && i < got->count; i++) {
        char item[700];
        struct host_tensor x = host_item(&got->items[i]), y = host_item(&want->items[i]);
        snprintf(item, sizeof item, "%s item %zu", what, i);
        equal = host_compare(a, item, &x, &y);
    }
    return equal;
}

bool host_compare(const struct host_args *a, const char *what, const struct host_tensor *got,
                  const struct host_tensor *want) {
    if (got->dtype == ONNXCC_SEQUENCE) return compare_items(a, what, got->data, want->data);
    const char *type = host_type_text(got->dtype, got->rank, got->dims);
    bool same = got->dtype == want->dtype && got->rank == want->rank &&
                !memcmp(got->dims, want->dims, (size_t)got->rank * sizeof got->dims[0]);
    if (!same) {
        printf("%s is %s, but should be %s\n", what, type,
               host_type_text(want->dtype, want->rank, want->dims));
        return false;
    }
    struct result r = compare(a, got, want);
    if (!r.wrong) {
        printf("%s %s: ok", what, type);
        if (r.largest > 0) printf(", largest difference %.3g", r.largest);
        putchar('\n');
        return true;
    }
    printf("%s %s: %" PRId64 " of %" PRId64 " elements differ; the worst, at ", what, type, r.wrong,
           host_elements(got));
    print_position(r.worst, got);
    printf(", is ");
    host_print_at(stdout, got->data, got->dtype, r.worst);
    printf(", but should be ");
    host_print_at(stdout, want->data, want->dtype, r.worst);
    putchar('\n');
    return false;
}
