/* Elements of tensors by ONNX's type numbers: names, widths, conversion to and from double and
 * int64. */
#include "codes.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    int bits;
    char kind;
} types[] = {
    [F32] = {"f32", 32, 'f'},
    [U8] = {"u8", 8, 'u'},
    [I8] = {"i8", 8, 'i'},
    [U16] = {"u16", 16, 'u'},
    [I16] = {"i16", 16, 'i'},
    [I32] = {"i32", 32, 'i'},
    [I64] = {"i64", 64, 'i'},
    [STR] = {"str", 8 * (int)sizeof(struct onnxcc_string), 's'},
    [BOOL] = {"bool", 8, 'b'},
    [F16] = {"f16", 16, 'f'},
    [F64] = {"f64", 64, 'f'},
    [U32] = {"u32", 32, 'u'},
    [U64] = {"u64", 64, 'u'},
    [C64] = {"c64", 64, 'c'},
    [C128] = {"c128", 128, 'c'},
    [BF16] = {"bf16", 16, 'f'},
    [F8E4M3FN] = {"f8e4m3fn", 8, 'f'},
    [F8E4M3FNUZ] = {"f8e4m3fnuz", 8, 'f'},
    [F8E5M2] = {"f8e5m2", 8, 'f'},
    [F8E5M2FNUZ] = {"f8e5m2fnuz", 8, 'f'},
    [U4] = {"u4", 4, 'u'},
    [I4] = {"i4", 4, 'i'},
    [F4E2M1] = {"f4e2m1", 4, 'f'},
    [F8E8M0] = {"f8e8m0", 8, 'f'},
    [U2] = {"u2", 2, 'u'},
    [I2] = {"i2", 2, 'i'},
    [ONNXCC_SEQUENCE] = {"seq", 8 * (int)sizeof(struct onnxcc_sequence), 'q'},
};

static bool known(int dtype) {
    return dtype > 0 && dtype < (int)(sizeof types / sizeof types[0]) && types[dtype].name;
}

const char *host_dtype_name(int dtype) {
    return known(dtype) ? types[dtype].name : "?";
}
int host_dtype_bits(int dtype) {
    return known(dtype) ? types[dtype].bits : 0;
}
bool host_is_float(int dtype) {
    return known(dtype) && types[dtype].kind == 'f';
}
bool host_is_small_float(int dtype) {
    return host_is_float(dtype) && types[dtype].bits <= 8;
}
bool host_is_signed(int dtype) {
    return known(dtype) && types[dtype].kind == 'i';
}

int64_t host_bytes(int dtype, int64_t elements) {
    int64_t bits = host_dtype_bits(dtype);
    if (elements < 0 || (bits && elements > ((int64_t)1 << 59) / bits)) return -1;
    return (elements * bits + 7) / 8;
}

int64_t host_elements(const struct host_tensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) {
        if (t->dims[i] < 0 || (t->dims[i] && n > ((int64_t)1 << 56) / t->dims[i])) return -1;
        n *= t->dims[i];
    }
    return n;
}

static float float_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static uint32_t bits_float(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

static double half_value(uint16_t h) {
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double v = exponent == 31 ? (mantissa ? NAN : INFINITY)
               : exponent     ? ldexp(1024 + mantissa, exponent - 25)
                              : ldexp(mantissa, -24);
    return h & 0x8000 ? -v : v;
}

/* v >= 0 to the nearest integer, ties to even. */
static long nearest(double v) {
    long n = (long)v;
    double rest = v - (double)n;
    return n + (rest > 0.5 || (rest == 0.5 && n % 2));
}

static uint16_t half_of(double v) {
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    v = fabs(v);
    if (v != v) return 0x7e00;
    if (v >= 65520) return sign | 0x7c00;
    int e;
    frexp(v, &e); /* v = m * 2^e, m in [0.5, 1) */
    int scale = v < ldexp(1, -14) ? -24 : e - 11;
    long m = nearest(ldexp(v, -scale)); /* 1024..2048 for normal numbers */
    return sign | (uint16_t)(v < ldexp(1, -14) ? m : ((long)(e + 13) << 10) + m);
}

static uint16_t bfloat_of(double v) {
    uint32_t u = bits_float((float)v);
    if (v != v) return 0x7fc0;
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

double host_float_at(const void *p, int dtype, int64_t i) {
    if (host_is_small_float(dtype)) return code_value(dtype, code_at(p, host_dtype_bits(dtype), i));
    switch (dtype) {
    case F32:
        return ((const float *)p)[i];
    case F64:
        return ((const double *)p)[i];
    case F16:
        return half_value(((const uint16_t *)p)[i]);
    case BF16:
        return float_bits((uint32_t)((const uint16_t *)p)[i] << 16);
    case U64:
        return (double)((const uint64_t *)p)[i];
    default:
        return (double)host_int_at(p, dtype, i);
    }
}

int64_t host_int_at(const void *p, int dtype, int64_t i) {
    switch (dtype) {
    case U8:
        return ((const uint8_t *)p)[i];
    case BOOL:
        return ((const uint8_t *)p)[i] != 0;
    case I8:
        return ((const int8_t *)p)[i];
    case U16:
        return ((const uint16_t *)p)[i];
    case I16:
        return ((const int16_t *)p)[i];
    case I32:
        return ((const int32_t *)p)[i];
    case U32:
        return ((const uint32_t *)p)[i];
    case I64:
    case U64:
        return ((const int64_t *)p)[i];
    case U4:
    case U2:
        return code_at(p, host_dtype_bits(dtype), i);
    case I4:
    case I2: {
        int sign = 1 << (host_dtype_bits(dtype) - 1);
        return (int)(code_at(p, host_dtype_bits(dtype), i) ^ (unsigned)sign) - sign;
    }
    default:
        return 0;
    }
}

void host_set_float(void *p, int dtype, int64_t i, double v) {
    if (host_is_small_float(dtype)) set_code(p, host_dtype_bits(dtype), i, code_of(dtype, v));
    switch (dtype) {
    case F32:
        ((float *)p)[i] = (float)v;
        break;
    case F64:
        ((double *)p)[i] = v;
        break;
    case F16:
        ((uint16_t *)p)[i] = half_of(v);
        break;
    case BF16:
        ((uint16_t *)p)[i] = bfloat_of(v);
        break;
    case C64:
        ((float *)p)[2 * i] = (float)v;
        break;
    case C128:
        ((double *)p)[2 * i] = v;
        break;
    default:
        break;
    }
}

void host_set_int(void *p, int dtype, int64_t i, int64_t v) {
    switch (host_dtype_bits(dtype)) {
    case 2:
    case 4:
    case 8:
        set_code(p, host_dtype_bits(dtype), i, (unsigned)v);
        break;
    case 16:
        ((uint16_t *)p)[i] = (uint16_t)v;
        break;
    case 32:
        ((uint32_t *)p)[i] = (uint32_t)v;
        break;
    case 64:
        ((uint64_t *)p)[i] = (uint64_t)v;
        break;
    default:
        break;
    }
}

static void print_string(FILE *f, const struct onnxcc_string *s) {
    fputc('"', f);
    for (size_t i = 0; i < s->size && i < 200; i++) {
        unsigned char c = (unsigned char)s->data[i];
        if (c < 0x20 || c == 0x7f) fprintf(f, "\\x%02x", c);
        else fputc(c, f);
    }
    fputs(s->size > 200 ? "...\"" : "\"", f);
}

static void print_items(FILE *f, const struct onnxcc_sequence *s) {
    fprintf(f, s->items ? "%zu items" : "nothing", s->count);
    for (size_t i = 0; i < s->count && i < 10; i++)
        fprintf(f, " %s", host_type_text(s->items[i].dtype, s->items[i].rank, s->items[i].shape));
    if (s->count > 10) fprintf(f, " ...");
}

void host_print_at(FILE *f, const void *p, int dtype, int64_t i) {
    if (host_is_float(dtype)) fprintf(f, "%.*g", dtype == F64 ? 17 : 9, host_float_at(p, dtype, i));
    else if (dtype == U64) fprintf(f, "%" PRIu64, ((const uint64_t *)p)[i]);
    else if (dtype == ONNXCC_SEQUENCE) print_items(f, p);
    else if (dtype == STR) print_string(f, &((const struct onnxcc_string *)p)[i]);
    else if (dtype == C64)
        fprintf(f, "%.9g%+.9gi", ((const float *)p)[2 * i], ((const float *)p)[2 * i + 1]);
    else if (dtype == C128)
        fprintf(f, "%.17g%+.17gi", ((const double *)p)[2 * i], ((const double *)p)[2 * i + 1]);
    else fprintf(f, "%" PRId64, host_int_at(p, dtype, i));
}

const char *host_type_text(int dtype, int rank, const int64_t *dims) {
    static char ring[4][640];
    static int turn;
    char *buf = ring[turn++ % 4];
    int n = sprintf(buf, "%s", host_dtype_name(dtype));
    if (dtype == ONNXCC_SEQUENCE) return buf;
    buf[n++] = '[';
    for (int i = 0; i < rank && n < 600; i++)
        n += sprintf(buf + n, "%s%" PRId64, i ? "," : "", dims[i]);
    strcpy(buf + n, "]");
    return buf;
}

struct host_tensor host_item(const struct onnxcc_item *it) {
    struct host_tensor t = {
        .dtype = it->dtype, .rank = it->rank, .data = (void *)(uintptr_t)it->data};
    for (int i = 0; i < t.rank && i < HOST_MAX_RANK; i++) t.dims[i] = it->shape[i];
    t.bytes = host_bytes(t.dtype, host_elements(&t));
    return t;
}
