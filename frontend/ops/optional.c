/* Optionals. One that is known to hold something is just that; one that is known to hold nothing
 * exists in the importer alone; else it is asked in the run (frontend/sequence.h). */
#include "frontend/sequence.h"

#include "onnx.pb-c.h"

ONNX_OP(Optional, 15) {
    ATTRS("type:p");
    if (has(n, 0)) return give(n, 0, need(n, 0, T_ANY | T_SEQ));
    const struct Onnx__TypeProto *type = attr_type(n, "type");
    if (!type) return bad(n, "an optional without an input needs attribute \"type\"");
    Sequence s;
    if (!sequence_type(n->import, "attribute \"type\" of an Optional", type, &s)) return false;
    s.of_sequence = s.of_sequence || (!s.optional && is_sequence_type(type));
    s.optional = true;
    return give(n, 0, optional_nothing(n, &s));
}

ONNX_OP(OptionalHasElement, 15) {
    ATTRS("");
    if (!has(n, 0)) return give(n, 0, graph_const_i(n->g, DT_BOOL, 0));
    Value *v = need(n, 0, T_ANY | T_SEQ);
    if (!v) return false;
    const Sequence *s = sequence_of(n, v);
    if (!s || !s->optional || s->known)
        return give(n, 0, graph_const_i(n->g, DT_BOOL, !s || !s->optional || s->n >= 0));
    RunCall c = {.n = n, .name = "opt_has"};
    static const Type flag = {.dtype = DT_BOOL};
    call_in(&c, v);
    call_int(&c, s->of_sequence);
    return give(n, 0, call_result(&c, &flag));
}

ONNX_OP(OptionalGetElement, 15) {
    ATTRS("");
    Value *v = need(n, 0, T_ANY | T_SEQ);
    if (!v) return false;
    const Sequence *s = sequence_of(n, v);
    if (!s || !s->optional) return give(n, 0, v);
    if (s->known) return bad(n, "the optional holds nothing");
    if (!s->of_sequence)
        return give(n, 0, sequence_item(n, v, graph_const_i(n->g, DT_I64, 0), &s->item));
    RunCall c = {.n = n, .name = "opt_get"};
    static const Type handle = {.dtype = DT_SEQ};
    Sequence inner = {.item = s->item};
    call_in(&c, v);
    return give(n, 0, sequence_value(n->import, call_result(&c, &handle), &inner));
}
