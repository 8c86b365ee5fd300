/* Constant data in ELF objects: never held in memory, copied from where it lies into the output.
 *
 * A new object:             header, names, symbols | payload | section table
 * Attached to an object:    the object, its symbol defined | payload | names, section table */
#include "codegen/link/elf_format.h"
#include "codegen/link/link.h"

enum { DATA_ALIGN = 64 };

/* riscv64: compressed code, doubles in registers, as C libraries have it. */
static const struct {
    const char *prefix;
    int machine;
    bool is64;
    uint32_t flags;
} machines[] = {
    {"x86_64", 62, true, 0},          {"aarch64", 183, true, 0}, {"arm64", 183, true, 0},
    {"arm", 40, false, 0x05000000}, /* EABI version 5 */
    {"thumb", 40, false, 0x05000000}, {"riscv64", 243, true, 5}, {"riscv32", 243, false, 0},
};

static int machine_of(const char *triple) {
    for (int i = 0; i < LEN(machines); i++)
        if (!strncmp(triple, machines[i].prefix, strlen(machines[i].prefix))) return i;
    return -1;
}

/* The section the data go to. */
static ElfSection data_section(const char *name, uint64_t bytes, uint64_t offset) {
    bool large = !strncmp(name, ".lrodata", 8);
    return (ElfSection){.type = SHT_PROGBITS,
                        .flags = SHF_ALLOC | (large ? (uint64_t)SHF_LARGE : 0),
                        .offset = offset,
                        .size = bytes,
                        .align = DATA_ALIGN};
}

static uint64_t round_up(uint64_t n, uint64_t to) {
    return (n + to - 1) / to * to;
}

/* head, zeros up to `start`, payload, zeros, tail. */
static LinkParts join(Arena *arena, const void *head, uint64_t head_bytes, uint64_t start,
                      LinkParts payload, uint64_t tail_at, const void *tail, uint64_t tail_bytes) {
    LinkPart *at = NEW_ARRAY(arena, LinkPart, payload.n + 4);
    int n = 0;
    at[n++] = (LinkPart){.mem = head, .bytes = head_bytes};
    at[n++] = (LinkPart){.bytes = start - head_bytes};
    for (int i = 0; i < payload.n; i++) at[n++] = payload.at[i];
    at[n++] = (LinkPart){.bytes = tail_at - start - link_parts_bytes(payload)};
    at[n++] = (LinkPart){.mem = tail, .bytes = tail_bytes};
    return (LinkParts){at, n};
}

static bool too_large(Ctx *ctx, bool is64, uint64_t bytes) {
    if (is64 || bytes < UINT32_MAX - 65536) return false;
    diag_error(ctx, NULL, "the weights (%llu bytes) do not fit a 32-bit object",
               (unsigned long long)bytes);
    return true;
}

bool elf_data_parts(Ctx *ctx, const char *triple, const char *symbol, const char *section,
                    LinkParts payload, LinkParts *out) {
    enum { DATA = 1, SYMTAB, STRTAB, STACK, SECTIONS };
    int m = machine_of(triple);
    if (m < 0) return diag_error(ctx, NULL, "no object format is known for target \"%s\"", triple);
    bool is64 = machines[m].is64;
    uint64_t bytes = link_parts_bytes(payload);
    if (too_large(ctx, is64, bytes)) return false;
    section = section ? section : ".rodata";
    Str names = str_new(ctx->perm);
    uint32_t name[SECTIONS] = {0}, symbol_name;
    const char *list[SECTIONS] = {NULL, section, ".symtab", ".strtab", ".note.GNU-stack"};
    str_char(&names, 0);
    for (int i = 1; i < SECTIONS; i++) {
        name[i] = (uint32_t)names.n;
        str_addn(&names, list[i], strlen(list[i]) + 1);
    }
    symbol_name = (uint32_t)names.n;
    str_addn(&names, symbol, strlen(symbol) + 1);

    size_t ehdr = elf_ehdr_size(is64), sym = elf_sym_size(is64), shdr = elf_shdr_size(is64);
    uint64_t syms_at = round_up(ehdr + names.n, 8),
             data_at = round_up(syms_at + 2 * sym, DATA_ALIGN);
    uint64_t table_at = round_up(data_at + bytes, 8);
    unsigned char *head = arena_alloc(ctx->perm, syms_at + 2 * sym);
    elf_put_ehdr(head, is64, machines[m].machine, machines[m].flags);
    elf_put_table(head, is64, table_at, SECTIONS, STRTAB);
    memcpy(head + ehdr, names.at, names.n);
    elf_put_symbol(head + syms_at + sym, is64,
                   &(ElfSymbol){.name = symbol_name,
                                .shndx = DATA,
                                .info = STB_GLOBAL << 4 | STT_OBJECT,
                                .other = STV_HIDDEN,
                                .size = bytes});
    ElfSection table[SECTIONS] = {
        [DATA] = data_section(section, bytes, data_at),
        [SYMTAB] = {.type = SHT_SYMTAB,
                    .offset = syms_at,
                    .size = 2 * sym,
                    .link = STRTAB,
                    .info = 1,
                    .align = 8,
                    .entsize = sym},
        [STRTAB] = {.type = SHT_STRTAB, .offset = ehdr, .size = names.n, .align = 1},
        [STACK] = {.type = SHT_PROGBITS, .offset = ehdr, .align = 1},
    };
    unsigned char *tail = arena_alloc(ctx->perm, SECTIONS * shdr);
    for (int i = 1; i < SECTIONS; i++) {
        table[i].name = name[i];
        elf_put_section(tail + i * (int)shdr, is64, &table[i]);
    }
    *out =
        join(ctx->perm, head, syms_at + 2 * sym, data_at, payload, table_at, tail, SECTIONS * shdr);
    return true;
}

/* Defines the undefined `symbol` as the whole of section `shndx`; false: there is none. */
static bool define(const ElfFile *f, unsigned char *copy, const char *symbol, uint32_t shndx,
                   uint64_t bytes) {
    ElfSection symtab, strtab;
    ElfSymbol s;
    if (!elf_find(f, SHT_SYMTAB, &symtab) || !elf_section(f, symtab.link, &strtab)) return false;
    for (uint64_t i = 1; elf_symbol(f, &symtab, i, &s); i++) {
        if (s.shndx || strcmp(elf_string(f, &strtab, s.name), symbol)) continue;
        s.shndx = shndx;
        s.info = STB_GLOBAL << 4 | STT_OBJECT;
        s.other = STV_HIDDEN;
        s.value = 0;
        s.size = bytes;
        elf_put_symbol(copy + symtab.offset + i * elf_sym_size(f->is64), f->is64, &s);
        return true;
    }
    return false;
}

bool elf_attach_parts(Ctx *ctx, const void *object, size_t n, const char *symbol,
                      const char *section, LinkParts payload, LinkParts *out) {
    ElfFile f;
    ElfSection names;
    section = section ? section : ".rodata.weights";
    LinkPart whole = {.mem = object, .bytes = n};
    if (!elf_open(&f, (LinkParts){&whole, 1}) || !elf_section(&f, f.shstrndx, &names) ||
        f.shnum >= 0xff00)
        return diag_error(ctx, NULL, "the weights cannot go into this kind of object file");
    uint64_t bytes = link_parts_bytes(payload);
    if (too_large(ctx, f.is64, bytes + n)) return false;
    unsigned char *copy = arena_copy(ctx->perm, object, n);
    if (!define(&f, copy, symbol, f.shnum, bytes)) BUG("the object does not refer to %s", symbol);

    size_t shdr = elf_shdr_size(f.is64), name_bytes = strlen(section) + 1;
    uint64_t data_at = round_up(n, DATA_ALIGN), names_at = round_up(data_at + bytes, 8);
    uint64_t table_at = round_up(names_at + names.size + name_bytes, 8),
             tail_bytes = table_at - names_at;
    tail_bytes += (f.shnum + 1) * shdr;
    unsigned char *tail = arena_alloc(ctx->perm, tail_bytes), *table = tail + (table_at - names_at);
    memcpy(tail, (const char *)object + names.offset, names.size);
    memcpy(tail + names.size, section, name_bytes);
    memcpy(table, (const char *)object + f.shoff, f.shnum * shdr);
    ElfSection data = data_section(section, bytes, data_at);
    data.name = (uint32_t)names.size;
    names.offset = names_at;
    names.size += name_bytes;
    elf_put_section(table + f.shstrndx * shdr, f.is64, &names);
    elf_put_section(table + f.shnum * shdr, f.is64, &data);
    elf_put_table(copy, f.is64, table_at, f.shnum + 1, f.shstrndx);
    *out = join(ctx->perm, copy, n, data_at, payload, names_at, tail, tail_bytes);
    return true;
}

static bool write_parts(Ctx *ctx, const char *path, LinkParts parts) {
    LinkFile *f = link_file_open(ctx, path, 0666);
    link_file_parts(f, parts);
    return link_file_done(f);
}

bool elf_write_data(Ctx *ctx, const char *path, const char *triple, const char *symbol,
                    const char *section, LinkParts payload) {
    LinkParts parts;
    return elf_data_parts(ctx, triple, symbol, section, payload, &parts) &&
           write_parts(ctx, path, parts);
}

bool elf_attach_data(Ctx *ctx, const char *path, const void *object, size_t n, const char *symbol,
                     const char *section, LinkParts payload) {
    LinkParts parts;
    return elf_attach_parts(ctx, object, n, symbol, section, payload, &parts) &&
           write_parts(ctx, path, parts);
}
