/* NumPy's .npy files, versions 1 to 3. Big-endian data and Fortran order are turned round on
 * reading. */
#include "host.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* NumPy's letter and width for each type; bf16 and float8 have none of their own (ml_dtypes writes
 * V2 and V1). What has less than 8 bits takes a byte for each element, as ml_dtypes has it. */
static const struct {
    int dtype;
    const char *descr;
} descrs[] = {
    {1, "f4"},  {11, "f8"}, {10, "f2"}, {2, "u1"},  {3, "i1"},  {4, "u2"},  {5, "i2"},
    {6, "i4"},  {7, "i8"},  {9, "b1"},  {12, "u4"}, {13, "u8"}, {14, "c8"}, {15, "c16"},
    {16, "V2"}, {17, "V1"}, {18, "V1"}, {19, "V1"}, {20, "V1"}, {21, "u1"}, {22, "i1"},
    {23, "V1"}, {24, "V1"}, {25, "u1"}, {26, "i1"},
};

/* What follows 'key': in the header's dictionary, spaces skipped; NULL: absent. */
static const char *find(const char *header, const char *key) {
    const char *at = strstr(header, key);
    if (!at) return NULL;
    for (at += strlen(key); *at == '\'' || *at == '"' || *at == ':' || isspace((unsigned char)*at);
         at++)
        ;
    return at;
}

static void parse_shape(const char *path, const char *at, struct host_tensor *t) {
    if (!at || *at != '(') host_refuse("%s: the .npy header has no shape", host_quote(path));
    for (at++; *at && *at != ')';) {
        char *end;
        if (*at == ',' || isspace((unsigned char)*at)) {
            at++;
            continue;
        }
        long long v = strtoll(at, &end, 10);
        if (end == at || v < 0 || t->rank == HOST_MAX_RANK)
            host_refuse("%s: the .npy header has a shape that cannot be read", host_quote(path));
        t->dims[t->rank++] = v;
        at = end + (*end == 'L');
    }
}

static int parse_descr(const char *path, const char *descr, int wanted, bool *swap) {
    size_t n = strcspn(descr ? descr : "", "'\",}");
    if (n < 2 || !strchr("<>=|", *descr))
        host_refuse("%s: the .npy header has no element type that can be read", host_quote(path));
    *swap = *descr == '>';
    if (wanted == 16 && n == 3 && !strncmp(descr + 1, "u2", 2)) return 16;
    if (wanted > 16 && n == 3 && descr[2] == '1' && strchr("Vuif", descr[1])) return wanted;
    for (size_t i = 0; i < sizeof descrs / sizeof descrs[0]; i++)
        if (strlen(descrs[i].descr) == n - 1 && !strncmp(descr + 1, descrs[i].descr, n - 1))
            return descrs[i].dtype;
    host_refuse("%s: NumPy type %.*s is not supported", host_quote(path), (int)(n > 16 ? 16 : n),
                descr);
}

/* One element in each byte; what is read becomes `dtype`, packed. */
static void pack(struct host_tensor *t, int dtype) {
    unsigned char *bytes = t->data;
    int64_t n = host_elements(t);
    t->dtype = dtype;
    t->bytes = host_bytes(dtype, n);
    t->data = host_alloc((size_t)t->bytes);
    for (int64_t i = 0; i < n; i++) host_set_int(t->data, dtype, i, bytes[i]);
    free(bytes);
}

static void write_unpacked(FILE *f, const struct host_tensor *t) {
    int bits = host_dtype_bits(t->dtype), each = 8 / bits;
    bool is_float = host_is_float(t->dtype);
    for (int64_t i = 0; i < host_elements(t); i++) {
        int code =
            ((const unsigned char *)t->data)[i / each] >> (i % each * bits) & ((1 << bits) - 1);
        fputc(is_float ? code : (int)host_int_at(t->data, t->dtype, i) & 255, f);
    }
}

static void swap_bytes(struct host_tensor *t) {
    int64_t unit = host_dtype_bits(t->dtype) / 8 / (t->dtype == 14 || t->dtype == 15 ? 2 : 1);
    unsigned char *p = t->data;
    for (int64_t i = 0; i + unit <= t->bytes; i += unit)
        for (int64_t k = 0; k < unit / 2; k++) {
            unsigned char c = p[i + k];
            p[i + k] = p[i + unit - 1 - k];
            p[i + unit - 1 - k] = c;
        }
}

/* Column-major to row-major. */
static void transpose(struct host_tensor *t) {
    int64_t n = host_elements(t), each = host_dtype_bits(t->dtype) / 8, at[HOST_MAX_RANK] = {0};
    char *to = host_alloc((size_t)t->bytes);
    for (int64_t i = 0; i < n; i++) {
        int64_t from = 0;
        for (int d = t->rank - 1; d >= 0; d--) from = from * t->dims[d] + at[d];
        memcpy(to + i * each, (char *)t->data + from * each, (size_t)each);
        for (int d = t->rank - 1; d >= 0 && ++at[d] == t->dims[d]; d--) at[d] = 0;
    }
    free(t->data);
    t->data = to;
}

struct host_tensor npy_parse(const char *path, const char *file, size_t size, int dtype) {
    struct host_tensor t = {.dtype = 0};
    const unsigned char *u = (const unsigned char *)file;
    if (size < 12 || memcmp(file, "\x93NUMPY", 6))
        host_refuse("%s: not a .npy file", host_quote(path));
    if (u[6] < 1 || u[6] > 3)
        host_refuse("%s: .npy version %d is not supported (1 to 3 are)", host_quote(path), u[6]);
    size_t start = u[6] == 1 ? 10 : 12;
    size_t length =
        u[8] | (size_t)u[9] << 8 | (u[6] == 1 ? 0 : (size_t)u[10] << 16 | (size_t)u[11] << 24);
    if (length > size - start)
        host_refuse("%s: the .npy file is cut off inside its header", host_quote(path));
    char *header = host_alloc(length + 1);
    memcpy(header, file + start, length);
    bool swap;
    t.dtype = parse_descr(path, find(header, "descr"), dtype, &swap);
    parse_shape(path, find(header, "shape"), &t);
    const char *order = find(header, "fortran_order");
    int narrow = host_dtype_bits(t.dtype) < 8 ? t.dtype : 0;
    if (narrow) t.dtype = 2; /* u8 until all is in its place */
    t.bytes = host_bytes(t.dtype, host_elements(&t));
    if (t.bytes < 0 || (uint64_t)t.bytes != size - start - length)
        host_refuse("%s: the .npy file holds %zu bytes of data, but %s needs %" PRId64,
                    host_quote(path), size - start - length,
                    host_type_text(t.dtype, t.rank, t.dims), t.bytes);
    t.data = host_alloc((size_t)t.bytes);
    memcpy(t.data, file + start + length, (size_t)t.bytes);
    if (swap) swap_bytes(&t);
    if (order && *order == 'T' && t.rank > 1) transpose(&t);
    if (narrow) pack(&t, narrow);
    free(header);
    return t;
}

void npy_write(FILE *f, const struct host_tensor *t) {
    char header[1024];
    const char *descr = NULL;
    for (size_t i = 0; i < sizeof descrs / sizeof descrs[0]; i++)
        if (descrs[i].dtype == t->dtype) descr = descrs[i].descr;
    if (!descr) host_refuse(".npy has no type for %s: write a .pb file", host_dtype_name(t->dtype));
    int n = sprintf(header, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                    host_dtype_bits(t->dtype) <= 8 ? '|' : '<', descr);
    for (int i = 0; i < t->rank; i++)
        n += sprintf(header + n, "%" PRId64 "%s", t->dims[i],
                     t->rank == 1 || i + 1 < t->rank ? ", " : "");
    n += sprintf(header + n, "), }");
    while ((10 + n + 1) % 64) header[n++] = ' ';
    header[n++] = '\n';
    fwrite("\x93NUMPY\x01\x00", 1, 8, f);
    fputc(n & 255, f);
    fputc(n >> 8, f);
    fwrite(header, 1, (size_t)n, f);
    if (host_dtype_bits(t->dtype) < 8) write_unpacked(f, t);
    else fwrite(t->data, 1, (size_t)t->bytes, f);
}
