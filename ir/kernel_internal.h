/* What the files of the kernel level share: pieces of its text. */
#ifndef ONNXCC_IR_KERNEL_INTERNAL_H
#define ONNXCC_IR_KERNEL_INTERNAL_H

#include "ir/kernel.h"
#include "ir/graph_text.h"

/* ---- printing ---- */
typedef struct KPrint {
    Ctx *ctx;
    Str *s;
    int depth;
    /* text to stand as a comment below a kernel, statement, how or item; NULL: none. For the
     * verifier. */
    const char *(*note)(void *user, const void *thing);
    void *user;
} KPrint;
void kprint_indent(KPrint *);
void kprint_note(KPrint *, const void *thing);
void kprint_kernel(KPrint *, const Kernel *);
void kprint_stmt(Ctx *, Str *, const Stmt *);
void kprint_value(Ctx *, Str *, Expr *); /* with lets, where it is large */
void kprint_recipe(Str *, const char *by, const Recipe *); /* "by" f32 lanes 16; may be nothing */
void kprint_how(KPrint *, const Kernel *, const How *);
void kprint_tensor(Str *, const Tensor *); /* %x : f32[N,3] layout [1,0] */
void kprint_layout(Str *, const Layout *); /* [0/32,1,0%32] */
/* ---- canonical names: tensors, variables and symbols numbered by first use ---- */
typedef struct Renamed { /* a name that is set aside */
    char **at, *name;
} Renamed;
typedef struct Canon {
    Arena *arena;
    VEC(Renamed) renamed;
    VEC(Tensor *) tensors;
    VEC(Sym *) syms;
    VEC(Var *) vars;
} Canon;
/* Calls fn while the kernel has canonical names. */
void kernel_renamed(Ctx *, const Kernel *, void (*fn)(void *user, const Canon *), void *user);
/* What the hash is made of; each line begins with `start`. */
void kprint_canonical(Ctx *, Str *, const Canon *, const Kernel *, const char *start);
void program_print_noted(KPrint *, const Program *);
extern const char *const space_names[]; /* input output const arena temp reg stack scratch shared */
extern const char *const tail_names[];  /* exact mask peel */

/* ---- parsing ---- */
typedef struct KParse {
    Ctx *ctx;
    Lexer *lex;
    Program *program;
    Map *syms;     /* by name */
    Map *tensors;  /* by name: the program's and, inside a kernel, its temps */
    Map *vars;     /* of the kernel being read */
    Map *lets;     /* names in the expression being read; NULL: none */
    Map *how_vars; /* of the how being read, in front of them; NULL outside */
    ExprScope scope;
    bool in_params; /* types of parameters are read: symbols are looked up in `early` */
    Map *early;
    BlobFn find_blob;
    void *blob_user;
} KParse;
Tensor *kparse_tensor_ref(KParse *);    /* %x, declared before; NULL after an error */
Tensor *kparse_tensor(KParse *, Space); /* %x : f32[N,3] layout ...; entered into `tensors` */
bool kparse_layout(KParse *, int rank, Layout **); /* [0/32,1,0%32] */
Expr *kparse_index(KParse *);                      /* one expression of type index */
Expr *kparse_expr(KParse *, DType want);
Expr *kparse_value(KParse *, DType want); /* lets and an expression, as kprint_value writes it */
Var *kparse_var(KParse *, const Tok *);   /* a variable that is known, or an error */
bool kparse_items(KParse *, Block *);     /* to the closing brace */
bool kparse_stmt(KParse *, Kernel *);
bool kparse_recipe(KParse *, Recipe *);   /* behind the word `by` */
How *kparse_how(KParse *, Kernel *); /* behind the word `how` */
/* Takes one of the words; -1: none of them is next. */
int kparse_word(Lexer *, const char *const *words, int n);

#endif
