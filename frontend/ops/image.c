/* Encoded images (runtime/image/). */
#include "frontend/calls.h"

/* Height and width are read first; then the image has its place. */
ONNX_OP(ImageDecoder, 20) {
    ATTRS("pixel_format:s(RGB|BGR|Grayscale)");
    Value *x = need(n, 0, T_U);
    if (!x || !want_rank(n, 0, 1, 1)) return false;
    if (x->type.dtype != DT_U8)
        return bad(n, "an encoded image is a list of u8, not %s", dtype_name(x->type.dtype));
    bool gray = attr_is(n, "pixel_format", "Grayscale");
    Expr *two = ix(n, 2), *bytes = x->type.dims[0];
    Type size = type_make(DT_I64, &two, 1);
    RunCall sizes = {.n = n, .name = "image_size"}, pixels = {.n = n, .name = "image_pixels"};
    call_in(&sizes, x);
    call_arg(&sizes, bytes);
    Value *found = call_result(&sizes, &size);
    if (!found) return false;
    Expr *dims[] = {value_cell(n->g, found, 0, 1, INT64_MAX),
                    value_cell(n->g, found, 1, 1, INT64_MAX), ix(n, gray ? 1 : 3)};
    if (!dims[0] || !dims[1]) return false;
    Type y = type_make(DT_U8, dims, 3);
    call_in(&pixels, x);
    call_arg(&pixels, bytes);
    call_int(&pixels, gray ? 2 : attr_is(n, "pixel_format", "BGR"));
    call_arg(&pixels, dims[0]);
    call_arg(&pixels, dims[1]);
    return give(n, 0, call_result(&pixels, &y));
}
