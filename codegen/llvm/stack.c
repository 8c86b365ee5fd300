/* How much stack the code needs: frame sizes as LLVM reports them (a warning for every frame
 * above 0 bytes), and who calls whom. Written beside each object as text, summed up by the
 * parent over the longest path:
 *
 *   frame NAME BYTES      call FROM TO      kernel NAME
 *
 * Calls through pointers are those that the runtime makes: a launch runs kernels, a run calls
 * the model's functions. */
#include "codegen/llvm/llvm.h"
#include "codegen/llvm/model.h"

#include <stdlib.h>

/* "stack frame size (136) exceeds limit (0) in function 'f'" */
void stack_note(Gen *g, const char *warning) {
    const char *size = strstr(warning, "stack frame size ("),
               *name = strstr(warning, "in function '");
    if (!size || !name) return;
    name += 13;
    str_fmt(&g->frames, "frame %.*s %ld\n", (int)strcspn(name, "'"), name,
            strtol(size + 18, NULL, 10));
}

/* Asks for the warnings; call before objects are emitted. */
void stack_watch(Gen *g) {
    LLVMAttributeRef a = LLVMCreateStringAttribute(g->c, "warn-stack-size", 15, "0", 1);
    g->frames = str_new(g->ctx->perm);
    for (LLVMValueRef f = LLVMGetFirstFunction(g->m); f; f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f))
            LLVMAddAttributeAtIndex(f, (unsigned)LLVMAttributeFunctionIndex, a);
}

static void note_calls(Gen *g, LLVMValueRef f) {
    size_t n;
    const char *from = LLVMGetValueName2(f, &n);
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b; b = LLVMGetNextBasicBlock(b))
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) {
            LLVMValueRef to = LLVMIsACallInst(i) ? LLVMGetCalledValue(i) : NULL;
            if (!to || !LLVMIsAFunction(to) || LLVMGetIntrinsicID(to)) continue;
            str_fmt(&g->frames, "call %s %s\n", from, LLVMGetValueName2(to, &n));
        }
}

bool stack_write(Gen *g, const char *path) {
    for (LLVMValueRef f = LLVMGetFirstFunction(g->m); f; f = LLVMGetNextFunction(f))
        if (!LLVMIsDeclaration(f)) note_calls(g, f);
    return link_write_file(g->ctx, path, g->frames.n ? g->frames.at : "", g->frames.n);
}

/* ---- the sum ---- */
typedef struct StackFn {
    const char *name;
    int64_t frame, total; /* total: with what it calls; -1: not yet known */
    bool busy;            /* on the path that is being walked */
    VEC(struct StackFn *) calls;
} StackFn;
typedef struct Stack {
    Ctx *ctx;
    Map *by_name;
    VEC(StackFn *) all;
    int64_t word;
} Stack;

static StackFn *function_named(Stack *s, const char *name) {
    StackFn *f = map_get(s->by_name, name);
    if (f) return f;
    f = NEW(s->ctx->perm, StackFn);
    f->name = arena_str(s->ctx->perm, name);
    f->total = -1;
    map_set(s->by_name, f->name, f);
    vec_push(s->ctx->perm, &s->all, f);
    return f;
}

static void read_lines(Stack *s, FILE *file) {
    char line[1024], a[400], b[400];
    long bytes;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "frame %399s %ld", a, &bytes) == 2) function_named(s, a)->frame = bytes;
        else if (sscanf(line, "call %399s %399s", a, b) == 2)
            vec_push(s->ctx->perm, &function_named(s, a)->calls, function_named(s, b));
    }
}

static int64_t depth_of(Stack *s, StackFn *f) {
    if (f->total >= 0 || f->busy) return MAX(f->total, 0);
    int64_t most = 0;
    f->busy = true;
    for (int i = 0; i < f->calls.n; i++) most = MAX(most, depth_of(s, f->calls.at[i]));
    f->busy = false;
    return f->total = f->frame + s->word + most;
}

static void pointer_call(Stack *s, const char *from, const char *to) {
    vec_push(s->ctx->perm, &function_named(s, from)->calls, function_named(s, to));
}

int64_t llvm_stack_bytes(const LlvmJob *j, int entry, const char *const *files, int n) {
    Stack s = {.ctx = j->ctx, .by_name = map_new(j->ctx->perm), .word = 8};
    const Model *m = &j->models[entry];
    for (int i = 0; i < n; i++) {
        FILE *f = fopen(files[i], "r");
        if (!f) return 0;
        read_lines(&s, f);
        fclose(f);
    }
    if (!s.all.n) return 0;
    for (int i = 0; i < m->kernels.n; i++) pointer_call(&s, "run_part", m->kernels.at[i].symbol);
    pointer_call(&s, "onnxcc_launch", "run_part"); /* through the pool */
    for (int v = 0; v < m->entry->n_versions; v++)
        pointer_call(&s, "onnxcc_core_run", arena_printf(j->ctx->perm, "%s_run_v%d", m->name, v));
    pointer_call(&s, "bind", arena_printf(j->ctx->perm, "%s_bind", m->name));
    return depth_of(&s, function_named(&s, arena_printf(j->ctx->perm, "%s_run", m->name)));
}
