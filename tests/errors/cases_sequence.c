/* Models that use sequences, optionals and strings wrongly. */
#include "cases.h"

/* A graph input of a sequence (field 4) or an optional (9) of what `inner` is; TypeProto's
 * fields. */
static Buf typed_input(const char *name, int field, Buf inner) {
    Buf wrapped = {0}, type = {0}, info = {0};
    put_message(&wrapped, 1, inner);
    put_message(&type, field, wrapped);
    put_text(&info, 1, name);
    put_message(&info, 2, type);
    return info;
}

/* The TypeProto of a tensor without a shape. */
static Buf tensor_type(int element) {
    Buf t = {0}, type = {0};
    put_int(&t, 1, element);
    put_message(&type, 1, t);
    return type;
}

static Buf sequence_of_sequences(void) {
    Graph g = simple_graph();
    Buf list = {0}, inner = {0};
    put_message(&list, 1, tensor_type(1));
    put_message(&inner, 4, list);
    put_message(&g.inputs, 11, typed_input("s", 4, inner));
    add_node(&g, node("Relu", "x", "y"));
    return model_of(&g);
}

static Buf unknown_rank(void) {
    Graph g = simple_graph();
    put_message(&g.inputs, 11, typed_input("s", 4, tensor_type(1)));
    put_message(&g.inputs, 11, value("at", 7, ""));
    add_node(&g, node("SequenceAt", "s at", "y"));
    return model_of(&g);
}

static Buf as_tensor(void) {
    Graph g = simple_graph();
    put_message(&g.inputs, 11, typed_input("s", 4, tensor_type(1)));
    add_node(&g, node("Relu", "s", "y"));
    return model_of(&g);
}

static Buf no_sequence(void) {
    Graph g = simple_graph();
    add_node(&g, node("SequenceLength", "x", "y"));
    return model_of(&g);
}

static Buf mixed_items(void) {
    Graph g = simple_graph();
    put_message(&g.inputs, 11, value("i", 7, "2"));
    add_node(&g, node("SequenceConstruct", "x i", "s"));
    add_node(&g, node("SequenceLength", "s", "y"));
    return model_of(&g);
}

static Buf outside(void) {
    Graph g = simple_graph();
    Buf at = node("Constant", "", "at");
    put_message(&at, 5, attr_int("value_int", 2));
    add_node(&g, at);
    add_node(&g, node("SequenceConstruct", "x x", "s"));
    add_node(&g, node("SequenceAt", "s at", "y"));
    return model_of(&g);
}

static Buf output_as_tensor(void) {
    Graph g = simple_graph();
    add_node(&g, node("SequenceConstruct", "x x", "y"));
    return model_of(&g);
}

static Buf erase_of_nothing(void) {
    Graph g = simple_graph();
    add_node(&g, node("SequenceEmpty", "", "s"));
    add_node(&g, node("SequenceErase", "s", "t"));
    add_node(&g, node("SequenceLength", "t", "y"));
    return model_of(&g);
}

static Buf optional_without_type(void) {
    Graph g = simple_graph();
    add_node(&g, node("Optional", "", "o"));
    add_node(&g, node("OptionalHasElement", "o", "y"));
    return model_of(&g);
}

static Buf optional_as_sequence(void) {
    Graph g = simple_graph();
    put_message(&g.inputs, 11, typed_input("o", 9, tensor_type(1)));
    add_node(&g, node("SequenceLength", "o", "y"));
    return model_of(&g);
}

static Buf string_node(const char *op, Buf attribute) {
    Graph g = simple_graph();
    Buf n = node(op, "s", "y");
    put_message(&g.inputs, 11, value("s", 8, "2 3"));
    put_message(&n, 5, attribute);
    add_node(&g, n);
    return model_of(&g);
}

static Buf wrong_pattern(void) {
    return string_node("RegexFullMatch", attr_string("pattern", "a(b"));
}

static Buf large_pattern(void) {
    return string_node("RegexFullMatch", attr_string("pattern", "(a|b)*a(a|b){20}"));
}

static Buf matrix_of_words(void) {
    return string_node("StringNormalizer", attr_string("case_change_action", "LOWER"));
}

static Buf sum_of_strings(void) {
    Graph g = simple_graph();
    put_message(&g.inputs, 11, value("s", 8, "2 3"));
    add_node(&g, node("Add", "s s", "y"));
    return model_of(&g);
}

const Case sequence_cases[] = {
    {"wrong_pattern", wrong_pattern, "(RegexFullMatch|\"a(b\": ( has no )", NULL},
    {"large_pattern", large_pattern, "the pattern needs too many states", NULL},
    {"matrix_of_words", matrix_of_words, "the first dimension of a matrix of words must be 1",
     NULL},
    {"sum_of_strings", sum_of_strings, "input 0 must be a tensor of|not str", NULL},
    {"sequence_of_sequences", sequence_of_sequences,
     "input \"s\" is not a tensor, a sequence of tensors, or an optional of one of them", NULL},
    {"unknown_rank", unknown_rank, "the rank of the sequence's items is not known", NULL},
    {"as_tensor", as_tensor, "(Relu|input 0 must be a tensor, not a sequence", NULL},
    {"no_sequence", no_sequence, "(SequenceLength|input 0 must be a sequence, not a tensor", NULL},
    {"mixed_items", mixed_items, "the element types f32 and i64", NULL},
    {"outside", outside, "position 2 is outside of a sequence of 2", NULL},
    {"output_as_tensor", output_as_tensor,
     "output \"y\" is a sequence or an optional, but declared as a tensor", NULL},
    {"erase_of_nothing", erase_of_nothing, "the sequence is empty", NULL},
    {"optional_without_type", optional_without_type, "needs attribute \"type\"", NULL},
    {"optional_as_sequence", optional_as_sequence, "input 0 is an optional, not a sequence", NULL},
    {NULL, NULL, NULL, NULL},
};
