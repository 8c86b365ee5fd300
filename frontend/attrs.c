/* Attributes: checked against an operator's list once, in the survey; read by name afterwards
 * (ops.h). */
#include "frontend/import.h"

#include <stdlib.h>

/* The value of a node's attribute, reference resolved; NULL: absent. */
static const AttributeProto *find(OnnxNode *n, const char *name) {
    for (size_t i = 0; i < n->proto->n_attribute; i++) {
        const AttributeProto *a = n->proto->attribute[i];
        if (a->name && !strcmp(a->name, name)) return frame_attribute(n->frame, a);
    }
    return NULL;
}

/* ---- the check ---- */

typedef struct Item { /* one entry of an attribute list */
    const char *name, *choices;
    int n_name, n_choices; /* choices: the text between the parentheses */
    char kind;
    bool required;
    int from, before; /* opsets */
} Item;

static const char *parse_item(const char *s, Item *it) {
    *it = (Item){.name = s, .before = MAX_OPSET + 1};
    it->n_name = (int)strcspn(s, ":");
    s += it->n_name;
    CHECK(*s == ':');
    it->kind = s[1];
    for (s += 2; *s && *s != ' ';) {
        if (*s == '(') {
            it->choices = s + 1;
            it->n_choices = (int)strcspn(s + 1, ")");
            s += it->n_choices + 2;
        } else if (*s == '!') {
            it->required = true;
            s++;
        } else {
            CHECK(*s == '@' || *s == '<');
            char *end;
            int opset = (int)strtol(s + 1, &end, 10);
            if (*s == '@') it->from = opset;
            else it->before = opset;
            s = end;
        }
    }
    return s + strspn(s, " ");
}

/* The kind that an attribute has: by its type, or (IR version 1 had none) by its contents. */
static char kind_of(const AttributeProto *a) {
    static const char kinds[] = {0,   'f', 'i', 's', 't', 'g', 'F', 'I',
                                 'S', 'T', 'G', 'x', 'X', 'p', 'P'};
    if (a->type > 0 && a->type < LEN(kinds)) return kinds[a->type];
    if (a->type) return '?';
    if (a->has_f) return 'f';
    if (a->has_i) return 'i';
    if (a->has_s) return 's';
    if (a->t) return 't';
    if (a->g) return 'g';
    if (a->n_floats) return 'F';
    if (a->n_strings) return 'S';
    return 'I';
}

static const char *kind_name(char kind) {
    static const char kinds[] = "fistgFISxp";
    static const char *const names[] = {
        "a float",          "an int",         "a string",          "a tensor",        "a graph",
        "a list of floats", "a list of ints", "a list of strings", "a sparse tensor", "a type"};
    const char *at = kind ? strchr(kinds, kind) : NULL;
    return at ? names[at - kinds] : "something else";
}

static bool is_choice(const Item *it, const char *s, size_t len) {
    for (const char *c = it->choices; c <= it->choices + it->n_choices;) {
        size_t n = strcspn(c, "|)");
        if (n == len && !memcmp(c, s, n)) return true;
        c += n + 1;
    }
    return false;
}

static bool check_value(OnnxNode *n, const Item *it, const AttributeProto *a) {
    char kind = kind_of(a);
    bool empty_list = strchr("FIS", it->kind) && !a->type && kind == 'I';
    if (kind != it->kind && !empty_list)
        return bad(n, "attribute \"%.*s\" must be %s, not %s", it->n_name, it->name,
                   kind_name(it->kind), kind_name(kind));
    bool missing =
        (kind == 't' && !a->t) || (kind == 'g' && !a->g) || (kind == 'x' && !a->sparse_tensor);
    if (missing) return bad(n, "attribute \"%.*s\" is empty", it->n_name, it->name);
    if (!it->choices || is_choice(it, (const char *)a->s.data, a->s.len)) return true;
    const char *value = arena_strn(n->ctx->perm, (const char *)a->s.data, a->s.len);
    return bad(n, "attribute \"%.*s\" is %s, not one of %.*s", it->n_name, it->name,
               shown(n->ctx, value), it->n_choices, it->choices);
}

/* Checks one listed attribute; *known is raised where the node has it. */
static bool check_item(OnnxNode *n, const Item *it, int *known) {
    const AttributeProto *a = NULL;
    bool there = false;
    for (size_t i = 0; i < n->proto->n_attribute; i++) {
        const char *name = n->proto->attribute[i]->name;
        if (!name || strlen(name) != (size_t)it->n_name ||
            memcmp(name, it->name, (size_t)it->n_name))
            continue;
        if (there) return bad(n, "attribute %s is given twice", shown(n->ctx, name));
        there = true;
        a = frame_attribute(n->frame, n->proto->attribute[i]);
    }
    if (n->opset < it->from || n->opset >= it->before) return true;
    *known += there;
    if (!a) return !it->required || bad(n, "attribute \"%.*s\" is missing", it->n_name, it->name);
    return check_value(n, it, a);
}

/* Names the attributes that no item of the list covers. */
static bool report_unknown(OnnxNode *n, const char *list) {
    for (size_t i = 0; i < n->proto->n_attribute; i++) {
        const char *name = n->proto->attribute[i]->name;
        bool known = false;
        Item it;
        for (const char *s = list; *s && name && !known;) {
            s = parse_item(s, &it);
            known = strlen(name) == (size_t)it.n_name &&
                    !memcmp(name, it.name, (size_t)it.n_name) && n->opset >= it.from &&
                    n->opset < it.before;
        }
        if (!known) bad(n, "unknown attribute %s", shown(n->ctx, name));
    }
    return false;
}

bool node_attributes(OnnxNode *n, const char *list) {
    n->checked = true;
    if (!n->survey) return true;
    int known = 0;
    for (const char *s = list; *s;) {
        Item it;
        s = parse_item(s, &it);
        if (!check_item(n, &it, &known)) return false;
    }
    if (known < (int)n->proto->n_attribute) report_unknown(n, list);
    return false;
}

/* ---- reading ---- */

bool attr_has(OnnxNode *n, const char *name) {
    return find(n, name) != NULL;
}

int64_t attr_int(OnnxNode *n, const char *name, int64_t otherwise) {
    const AttributeProto *a = find(n, name);
    return a ? a->i : otherwise;
}

double attr_float(OnnxNode *n, const char *name, double otherwise) {
    const AttributeProto *a = find(n, name);
    return a ? (double)a->f : otherwise;
}

const char *attr_string(OnnxNode *n, const char *name, const char *otherwise) {
    const AttributeProto *a = find(n, name);
    return a ? arena_strn(n->ctx->perm, (const char *)a->s.data, a->s.len) : otherwise;
}

bool attr_is(OnnxNode *n, const char *name, const char *value) {
    const AttributeProto *a = find(n, name);
    return a && a->s.len == strlen(value) && !memcmp(a->s.data, value, a->s.len);
}

int attr_ints(OnnxNode *n, const char *name, const int64_t **out) {
    const AttributeProto *a = find(n, name);
    if (!a) return -1;
    *out = a->ints;
    return (int)MIN(a->n_ints, INT32_MAX);
}

int attr_floats(OnnxNode *n, const char *name, const float **out) {
    const AttributeProto *a = find(n, name);
    if (!a) return -1;
    *out = a->floats;
    return (int)MIN(a->n_floats, INT32_MAX);
}

const TensorProto *attr_tensor(OnnxNode *n, const char *name) {
    const AttributeProto *a = find(n, name);
    return a ? a->t : NULL;
}

const GraphProto *attr_graph(OnnxNode *n, const char *name) {
    const AttributeProto *a = find(n, name);
    return a ? a->g : NULL;
}

const Onnx__SparseTensorProto *attr_sparse(OnnxNode *n, const char *name) {
    const AttributeProto *a = find(n, name);
    return a ? a->sparse_tensor : NULL;
}

const Onnx__TypeProto *attr_type(OnnxNode *n, const char *name) {
    const AttributeProto *a = find(n, name);
    return a ? a->tp : NULL;
}

int attr_strings(OnnxNode *n, const char *name) {
    const AttributeProto *a = find(n, name);
    return a ? (int)MIN(a->n_strings, INT32_MAX) : -1;
}

const char *attr_string_at(OnnxNode *n, const char *name, int i) {
    const ProtobufCBinaryData *s = &find(n, name)->strings[i];
    return arena_strn(n->ctx->perm, (const char *)s->data, s->len);
}
