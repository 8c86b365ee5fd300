/* Models that are well-formed and wrong. */
#include "cases.h"

#include <stdio.h>

static Buf one(const char *op, const char *in, const char *out) {
    Graph g = simple_graph();
    add_node(&g, node(op, in, out));
    return model_of(&g);
}

static Buf with_attr(const char *op, Buf attr) {
    Graph g = simple_graph();
    Buf n = node(op, "x", "y");
    put_message(&n, 5, attr);
    add_node(&g, n);
    return model_of(&g);
}

static Buf unknown_op(void) {
    return one("Frobnicate", "x", "y");
}

static Buf in_domain(const char *domain) {
    Graph g = simple_graph();
    Buf n = node("Relu", "x", "y");
    put_text(&n, 7, domain);
    add_node(&g, n);
    return model_of(&g);
}

static Buf unknown_domain(void) {
    return in_domain("com.example");
}

static Buf opset_99(void) {
    Graph g = simple_graph();
    add_node(&g, node("Relu", "x", "y"));
    return model(graph_bytes(&g), 10, 99);
}

static Buf opset_too_old(void) {
    Graph g = simple_graph();
    add_node(&g, node("Gelu", "x", "y"));
    return model(graph_bytes(&g), 10, 13);
}

static Buf ir_99(void) {
    Graph g = simple_graph();
    add_node(&g, node("Relu", "x", "y"));
    return model(graph_bytes(&g), 99, 20);
}

static Buf unknown_attr(void) {
    return with_attr("Relu", attr_int("alpha", 1));
}

static Buf attr_type(void) {
    return with_attr("Softmax", attr_string("axis", "last"));
}

static Buf attr_value(void) {
    return with_attr("Gelu", attr_string("approximate", "roughly"));
}

static Buf attr_missing(void) {
    return one("Cast", "x", "y");
}

static Buf axis_range(void) {
    return with_attr("Softmax", attr_int("axis", 2));
}

static Buf perm(void) {
    return with_attr("Transpose", attr_ints("perm", "0 0"));
}

/* Three kinds of faults in one model, one behind the other. */
static Buf all_at_once(void) {
    Graph g = simple_graph();
    Buf softmax = node("Softmax", "a", "b"), relu = node("Relu", "b", "c");
    put_message(&softmax, 5, attr_string("axis", "last"));
    put_text(&relu, 7, "com.example");
    add_node(&g, node("Frobnicate", "x", "a"));
    add_node(&g, softmax);
    add_node(&g, relu);
    add_node(&g, node("Swish", "c", "y"));
    return model_of(&g);
}

static Buf cycle(void) {
    Graph g = simple_graph();
    add_node(&g, node("Add", "x b", "a"));
    add_node(&g, node("Relu", "a", "b"));
    add_node(&g, node("Relu", "b", "y"));
    return model_of(&g);
}

static Buf missing_value(void) {
    return one("Add", "x nowhere", "y");
}

static Buf missing_input(void) {
    return one("Add", "x", "y");
}

static Buf missing_output(void) {
    return one("Relu", "x", "z");
}

static Buf twice(void) {
    Graph g = simple_graph();
    add_node(&g, node("Relu", "x", "y"));
    add_node(&g, node("Exp", "x", "y"));
    return model_of(&g);
}

static Buf no_outputs(void) {
    Graph g = simple_graph();
    g.outputs.n = 0;
    add_node(&g, node("Relu", "x", "y"));
    return model_of(&g);
}

static Buf types_differ(void) {
    Graph g = simple_graph();
    put_message(&g.inputs, 11, value("i", 7, "2 3"));
    add_node(&g, node("Add", "x i", "y"));
    return model_of(&g);
}

static Buf type_not_allowed(void) {
    Graph g = simple_graph();
    put_message(&g.inputs, 11, value("b", 9, "2 3"));
    add_node(&g, node("Relu", "b", "y"));
    return model_of(&g);
}

static Buf output_type(void) {
    Graph g = simple_graph();
    add_node(&g, node("IsNaN", "x", "y"));
    return model_of(&g);
}

static Buf shapes(const char *op, const char *dims) {
    Graph g = simple_graph();
    put_message(&g.inputs, 11, value("w", 1, dims));
    add_node(&g, node(op, "x w", "y"));
    return model_of(&g);
}

static Buf matmul(void) {
    return shapes("MatMul", "4 5");
}

static Buf broadcast(void) {
    return shapes("Add", "2 4");
}

static Buf rank_17(void) {
    Graph g = {0};
    put_message(&g.inputs, 11, value("x", 1, "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"));
    put_message(&g.outputs, 12, value("y", 1, "1"));
    add_node(&g, node("Relu", "x", "y"));
    return model_of(&g);
}

static Buf input_type_99(void) {
    Graph g = {0};
    put_message(&g.inputs, 11, value("x", 99, "1"));
    put_message(&g.outputs, 12, value("y", 1, "1"));
    add_node(&g, node("Relu", "x", "y"));
    return model_of(&g);
}

const Case model_cases[] = {
    {"unknown_op", unknown_op, "(Frobnicate, opset 20)|unknown operator \"Frobnicate\"", NULL},
    {"unknown_domain", unknown_domain, "unknown domain \"com.example\"", NULL},
    {"opset_99", opset_99, "opset 99 of ONNX is not supported (1 to 27 are)", NULL},
    {"opset_too_old", opset_too_old,
     "operator \"Gelu\" exists from opset 20 on, but the model imports opset 13", NULL},
    {"ir_99", ir_99, "IR version 99 is not supported (3 to 14 are)", NULL},
    {"unknown_attr", unknown_attr, "unknown attribute \"alpha\"", NULL},
    {"attr_type", attr_type, "attribute \"axis\" must be an int, not a string", NULL},
    {"attr_value", attr_value, "attribute \"approximate\" is \"roughly\", not one of none|tanh",
     NULL},
    {"attr_missing", attr_missing, "attribute \"to\" is missing", NULL},
    {"axis_range", axis_range, "axis 2 is out of range for rank 2", NULL},
    {"perm", perm, "axis 0 is given twice", NULL},
    {"all_at_once", all_at_once,
     "unknown operator \"Frobnicate\"|attribute \"axis\" must be an int|unknown domain|operator "
     "\"Swish\" exists from opset 24",
     NULL},
    {"cycle", cycle, "depend on each other in a cycle|Add_0|Relu_1", NULL},
    {"missing_value", missing_value, "input 1, \"nowhere\", is computed by no node", NULL},
    {"missing_input", missing_input, "input 1 is missing", NULL},
    {"missing_output", missing_output, "output \"y\" is not computed by any node", NULL},
    {"twice", twice, "value \"y\" is defined twice", NULL},
    {"no_outputs", no_outputs, "the graph has no outputs", NULL},
    {"types_differ", types_differ, "must have the same element type|input 1, \"i\", is i64[2,3]",
     NULL},
    {"type_not_allowed", type_not_allowed, "must be a tensor of float or signed integer, not bool",
     NULL},
    {"output_type", output_type,
     "output \"y\" is computed as bool, but declared with another element type", NULL},
    {"matmul", matmul, "MatMul", NULL},
    {"broadcast", broadcast, "f32[2,3]|f32[2,4]|do not broadcast", NULL},
    {"rank_17", rank_17, "rank 17, more than 16", NULL},
    {"input_type_99", input_type_99, "element type 99 of input \"x\" is unknown", NULL},
    {NULL, NULL, NULL, NULL},
};
