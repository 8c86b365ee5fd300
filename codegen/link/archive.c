/* Static libraries: GNU ar archives with a symbol table. Times, owners and modes are fixed, so that
 * the same members give the same bytes. The table has 32-bit offsets ("/"), or 64-bit ones
 * ("/SYM64/") where the archive is too large. */
#include "codegen/link/elf_format.h"
#include "codegen/link/link.h"

#include <inttypes.h>

enum { HEADER = 60 };

typedef struct Archive {
    const LinkMember *member;
    int n;
    uint64_t *at; /* n + 1: where each member's header begins */
    Str names;    /* all symbols, each with its NUL */
    VEC(int) of;  /* for each symbol its member */
    Str long_names;
    uint64_t *name_at; /* n: offset in long_names, UINT64_MAX: short */
} Archive;

static void add_symbol(Ctx *ctx, Archive *a, int member, const char *name) {
    str_addn(&a->names, name, strlen(name) + 1);
    vec_push(ctx->perm, &a->of, member);
}

/* The global symbols that an ELF object defines, hidden ones included: members share them. */
static bool read_symbols(Ctx *ctx, Archive *a, int member) {
    const LinkMember *m = &a->member[member];
    ElfFile f;
    ElfSection symtab, strtab;
    ElfSymbol s;
    for (int i = 0; m->symbols && i < m->n_symbols; i++) add_symbol(ctx, a, member, m->symbols[i]);
    if (m->symbols) return true;
    if (!elf_open(&f, m->parts))
        return diag_error(ctx, NULL, "\"%s\" is not an ELF object in memory", m->name);
    if (!elf_find(&f, SHT_SYMTAB, &symtab) || !elf_section(&f, symtab.link, &strtab)) return true;
    for (uint64_t i = 1; elf_symbol(&f, &symtab, i, &s); i++) {
        int bind = s.info >> 4;
        if (s.shndx && (bind == STB_GLOBAL || bind == STB_WEAK))
            add_symbol(ctx, a, member, elf_string(&f, &strtab, s.name));
    }
    return true;
}

static void put_header(LinkFile *f, const char *name, uint64_t bytes, bool member) {
    char h[HEADER + 32];
    int n = snprintf(h, sizeof h, "%-16s%-12d%-6d%-6d%-8s%-10" PRIu64 "`\n", name, 0, 0, 0,
                     member ? "644" : "0", bytes);
    CHECK(n == HEADER);
    link_file_write(f, h, HEADER);
}

/* Big-endian, as the table wants it. */
static void put_number(LinkFile *f, uint64_t v, int bytes) {
    unsigned char b[8];
    for (int i = 0; i < bytes; i++) b[i] = (unsigned char)(v >> 8 * (bytes - 1 - i));
    link_file_write(f, b, (size_t)bytes);
}

static uint64_t even(uint64_t n) {
    return n + n % 2;
}

static uint64_t table_bytes(const Archive *a, int width) {
    return even((uint64_t)width * ((uint64_t)a->of.n + 1) + a->names.n);
}

/* Places all members behind the tables; returns whether 32-bit offsets do. */
static bool place(Archive *a, int width) {
    uint64_t at = 8 + HEADER + table_bytes(a, width);
    if (a->long_names.n) at += HEADER + even(a->long_names.n);
    for (int i = 0; i < a->n; i++) {
        a->at[i] = at;
        at += HEADER + even(link_parts_bytes(a->member[i].parts));
    }
    return at <= UINT32_MAX;
}

static void write_table(LinkFile *f, const Archive *a, int width) {
    uint64_t bytes = table_bytes(a, width),
             used = (uint64_t)width * ((uint64_t)a->of.n + 1) + a->names.n;
    put_header(f, width == 8 ? "/SYM64/" : "/", bytes, false);
    put_number(f, (uint64_t)a->of.n, width);
    for (int i = 0; i < a->of.n; i++) put_number(f, a->at[a->of.at[i]], width);
    link_file_write(f, a->names.at, a->names.n);
    link_file_zeros(f, bytes - used);
}

static void write_members(LinkFile *f, const Archive *a) {
    for (int i = 0; i < a->n; i++) {
        char name[32];
        if (a->name_at[i] == UINT64_MAX) snprintf(name, sizeof name, "%s/", a->member[i].name);
        else snprintf(name, sizeof name, "/%" PRIu64, a->name_at[i]);
        uint64_t bytes = link_parts_bytes(a->member[i].parts);
        put_header(f, name, bytes, true);
        link_file_parts(f, a->member[i].parts);
        if (bytes % 2) link_file_write(f, "\n", 1);
    }
}

static void collect_names(Archive *a) {
    for (int i = 0; i < a->n; i++) {
        a->name_at[i] = UINT64_MAX;
        if (strlen(a->member[i].name) < 16) continue;
        a->name_at[i] = a->long_names.n;
        str_fmt(&a->long_names, "%s/\n", a->member[i].name);
    }
}

bool archive_write(Ctx *ctx, const char *path, const LinkMember *member, int n) {
    Archive a = {
        .member = member, .n = n, .names = str_new(ctx->perm), .long_names = str_new(ctx->perm)};
    a.at = NEW_ARRAY(ctx->perm, uint64_t, n + 1);
    a.name_at = NEW_ARRAY(ctx->perm, uint64_t, n + 1);
    for (int i = 0; i < n; i++) {
        if (!read_symbols(ctx, &a, i)) return false;
        if (link_parts_bytes(member[i].parts) > UINT64_C(9999999999))
            return diag_error(ctx, &(Loc){.file = path},
                              "an archive member cannot exceed 10 GB: use --weights=file");
    }
    collect_names(&a);
    int width = place(&a, 4) ? 4 : 8;
    if (width == 8) place(&a, 8);
    LinkFile *f = link_file_open(ctx, path, 0666);
    link_file_write(f, "!<arch>\n", 8);
    write_table(f, &a, width);
    if (a.long_names.n) {
        put_header(f, "//", a.long_names.n, false);
        link_file_write(f, a.long_names.at, a.long_names.n);
        if (a.long_names.n % 2) link_file_write(f, "\n", 1);
    }
    write_members(f, &a);
    return link_file_done(f);
}
