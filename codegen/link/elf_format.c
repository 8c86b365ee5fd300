/* Reading and writing ELF's structures, whatever machine this runs on. */
#include "codegen/link/elf_format.h"

static const char ELF_MAGIC[4] = {0x7f, 'E', 'L', 'F'};

static uint64_t get(const unsigned char *p, int bytes) {
    uint64_t v = 0;
    for (int i = bytes; i-- > 0;) v = v << 8 | p[i];
    return v;
}

static void put(unsigned char *p, int bytes, uint64_t v) {
    for (int i = 0; i < bytes; i++) p[i] = (unsigned char)(v >> 8 * i);
}

size_t elf_ehdr_size(bool is64) {
    return is64 ? 64 : 52;
}
size_t elf_shdr_size(bool is64) {
    return is64 ? 64 : 40;
}
size_t elf_sym_size(bool is64) {
    return is64 ? 24 : 16;
}

const unsigned char *elf_range(const ElfFile *f, uint64_t offset, uint64_t n) {
    for (int i = 0; i < f->parts.n; i++) {
        const LinkPart *p = &f->parts.at[i];
        if (offset < p->bytes && p->mem && n <= p->bytes - offset)
            return (const unsigned char *)p->mem + offset;
        if (offset < p->bytes) return NULL;
        offset -= p->bytes;
    }
    return NULL;
}

bool elf_open(ElfFile *f, LinkParts parts) {
    *f = (ElfFile){.parts = parts, .n = link_parts_bytes(parts)};
    const unsigned char *p = elf_range(f, 0, 64);
    if (!p || memcmp(p, ELF_MAGIC, 4) || (p[4] != 1 && p[4] != 2) || p[5] != 1) return false;
    if (get(p + 16, 2) != 1) return false;
    f->is64 = p[4] == 2;
    f->shoff = f->is64 ? get(p + 40, 8) : get(p + 32, 4);
    f->shnum = (uint32_t)get(p + (f->is64 ? 60 : 48), 2);
    f->shstrndx = (uint32_t)get(p + (f->is64 ? 62 : 50), 2);
    uint64_t table = (uint64_t)f->shnum * elf_shdr_size(f->is64);
    return f->shnum && f->shstrndx < f->shnum && elf_range(f, f->shoff, table);
}

bool elf_section(const ElfFile *f, uint32_t i, ElfSection *s) {
    if (i >= f->shnum) return false;
    size_t each = elf_shdr_size(f->is64);
    const unsigned char *p = elf_range(f, f->shoff + i * each, each);
    int w = f->is64 ? 8 : 4;
    s->name = (uint32_t)get(p, 4);
    s->type = (uint32_t)get(p + 4, 4);
    s->flags = get(p + 8, w);
    s->offset = get(p + 8 + 2 * w, w);
    s->size = get(p + 8 + 3 * w, w);
    s->link = (uint32_t)get(p + 8 + 4 * w, 4);
    s->info = (uint32_t)get(p + 12 + 4 * w, 4);
    s->align = get(p + 16 + 4 * w, w);
    s->entsize = get(p + 16 + 5 * w, w);
    return s->type == 8 ||
           (s->offset <= f->n && s->size <= f->n - s->offset); /* 8: no bits in the file */
}

bool elf_find(const ElfFile *f, uint32_t type, ElfSection *s) {
    for (uint32_t i = 1; i < f->shnum; i++)
        if (elf_section(f, i, s) && s->type == type) return true;
    return false;
}

bool elf_symbol(const ElfFile *f, const ElfSection *symtab, uint64_t i, ElfSymbol *s) {
    size_t each = elf_sym_size(f->is64);
    if (i >= symtab->size / each) return false;
    const unsigned char *p = elf_range(f, symtab->offset + i * each, each);
    if (!p) return false;
    s->name = (uint32_t)get(p, 4);
    s->info = p[f->is64 ? 4 : 12];
    s->other = p[f->is64 ? 5 : 13];
    s->shndx = (uint32_t)get(p + (f->is64 ? 6 : 14), 2);
    s->value = f->is64 ? get(p + 8, 8) : get(p + 4, 4);
    s->size = f->is64 ? get(p + 16, 8) : get(p + 8, 4);
    return true;
}

const char *elf_string(const ElfFile *f, const ElfSection *strtab, uint32_t at) {
    if (at >= strtab->size) return "";
    const char *s = (const char *)elf_range(f, strtab->offset + at, strtab->size - at);
    return s && memchr(s, 0, strtab->size - at) ? s : "";
}

void elf_put_ehdr(unsigned char *p, bool is64, int machine, uint32_t flags) {
    memset(p, 0, elf_ehdr_size(is64));
    memcpy(p, ELF_MAGIC, 4);
    p[4] = is64 ? 2 : 1;
    p[5] = p[6] = 1;
    put(p + 16, 2, 1);
    put(p + 18, 2, (uint64_t)machine);
    put(p + 20, 4, 1);
    put(p + (is64 ? 48 : 36), 4, flags);
    put(p + (is64 ? 52 : 40), 2, elf_ehdr_size(is64));
    put(p + (is64 ? 58 : 46), 2, elf_shdr_size(is64));
}

void elf_put_table(unsigned char *ehdr, bool is64, uint64_t shoff, uint32_t shnum,
                   uint32_t shstrndx) {
    put(ehdr + (is64 ? 40 : 32), is64 ? 8 : 4, shoff);
    put(ehdr + (is64 ? 60 : 48), 2, shnum);
    put(ehdr + (is64 ? 62 : 50), 2, shstrndx);
}

void elf_put_section(unsigned char *p, bool is64, const ElfSection *s) {
    int w = is64 ? 8 : 4;
    memset(p, 0, elf_shdr_size(is64));
    put(p, 4, s->name);
    put(p + 4, 4, s->type);
    put(p + 8, w, s->flags);
    put(p + 8 + 2 * w, w, s->offset);
    put(p + 8 + 3 * w, w, s->size);
    put(p + 8 + 4 * w, 4, s->link);
    put(p + 12 + 4 * w, 4, s->info);
    put(p + 16 + 4 * w, w, s->align);
    put(p + 16 + 5 * w, w, s->entsize);
}

void elf_put_symbol(unsigned char *p, bool is64, const ElfSymbol *s) {
    memset(p, 0, elf_sym_size(is64));
    put(p, 4, s->name);
    p[is64 ? 4 : 12] = s->info;
    p[is64 ? 5 : 13] = s->other;
    put(p + (is64 ? 6 : 14), 2, s->shndx);
    put(p + (is64 ? 8 : 4), is64 ? 8 : 4, s->value);
    put(p + (is64 ? 16 : 8), is64 ? 8 : 4, s->size);
}
