/* Options that are wrong, with a model that is not. */
#include "cases.h"

Buf good_model(void) {
    Graph g = {0};
    put_message(&g.inputs, 11, value("x", 1, "N 3"));
    put_message(&g.outputs, 12, value("y", 1, "N 3"));
    add_node(&g, node("Relu", "x", "y"));
    return model_of(&g);
}

const OptionCase option_cases[] = {
    {"unknown_option", {"model.onnx", "--frobnicate"}, "unknown option --frobnicate"},
    {"emit", {"model.onnx", "--emit=poetry"}, "\"poetry\" is not one of exe, obj"},
    {"dim_syntax", {"model.onnx", "--dim", "N"}, "\"N\" is not NAME=N or NAME=LO..HI"},
    {"dim_order", {"model.onnx", "--dim", "N=9..3"}, "is not NAME=N or NAME=LO..HI"},
    {"dim_unknown", {"model.onnx", "--dim", "M=3"}, "--dim names \"M\"|it has: N"},
    {"dim_fixed", {"model.onnx", "--dim", "x.1=4"}, "--dim x.1 does not fit: the model says 3"},
    {"dim_clash",
     {"model.onnx", "--dim", "N=4", "--dim", "x.0=5"},
     "leaves no value for dimension"},
    {"keep", {"model.onnx", "--keep=z"}, "--keep names \"z\", which no node computes"},
    {"no_file", {"nothing.onnx"}, "cannot open \"nothing.onnx\": No such file"},
    {"folder", {"."}, "cannot read \".\": not a regular file"},
    {"same_name", {"model.onnx", "model.onnx"}, "two models are called model; --entry"},
    {"entries", {"model.onnx", "--entry=a,b"}, "2 entries are named for 1 models"},
    {"entry_name", {"model.onnx", "--entry=9x"}, "entry \"9x\" is not a C identifier"},
    {"target", {"model.onnx", "--target=pdp11-dec-none-none"}, "target pdp11-dec-none-none is not"},
    {"jobs", {"model.onnx", "-j0"}, "\"0\" is not a number from 1 to 1024"},
    {"precision", {"model.onnx", "--precision=f8"}, "\"f8\" is not one of f32, f16, bf16"},
    {"no_model", {0}, "no model is given"},
    {0},
};
