/* The few structures of relocatable ELF files that elf.c writes and archive.c reads; little endian,
 * 32 and 64 bits. */
#ifndef ONNXCC_CODEGEN_LINK_ELF_FORMAT_H
#define ONNXCC_CODEGEN_LINK_ELF_FORMAT_H

#include "codegen/link/link.h"

enum { SHT_PROGBITS = 1, SHT_SYMTAB = 2, SHT_STRTAB = 3, SHF_ALLOC = 2, SHF_LARGE = 0x10000000 };
enum { STB_GLOBAL = 1, STB_WEAK = 2, STT_OBJECT = 1, STV_HIDDEN = 2 };

/* A file in pieces; what is read of it lies in pieces that are in memory. */
typedef struct ElfFile {
    LinkParts parts;
    uint64_t n;
    bool is64;
    uint64_t shoff;
    uint32_t shnum, shstrndx;
} ElfFile;
typedef struct ElfSection {
    uint32_t name, type, link, info;
    uint64_t flags, offset, size, align, entsize;
} ElfSection;
typedef struct ElfSymbol {
    uint32_t name, shndx;
    uint8_t info, other;
    uint64_t value, size;
} ElfSymbol;

/* Whether this is a relocatable ELF file of a kind we read. */
bool elf_open(ElfFile *, LinkParts);
/* n bytes from `offset` on; NULL: not within one piece of memory. */
const unsigned char *elf_range(const ElfFile *, uint64_t offset, uint64_t n);
bool elf_section(const ElfFile *, uint32_t i,
                 ElfSection *); /* false: no such section, or not within the file */
bool elf_find(const ElfFile *, uint32_t type, ElfSection *); /* the first of a type */
bool elf_symbol(const ElfFile *, const ElfSection *symtab, uint64_t i, ElfSymbol *);
const char *elf_string(const ElfFile *, const ElfSection *strtab, uint32_t at); /* "": outside */

enum { EHDR_MAX = 64, SHDR_MAX = 64, SYM_MAX = 24 };
size_t elf_ehdr_size(bool is64);
size_t elf_shdr_size(bool is64);
size_t elf_sym_size(bool is64);
void elf_put_ehdr(unsigned char *, bool is64, int machine, uint32_t flags);
void elf_put_table(unsigned char *ehdr, bool is64, uint64_t shoff, uint32_t shnum,
                   uint32_t shstrndx);
void elf_put_section(unsigned char *, bool is64, const ElfSection *);
void elf_put_symbol(unsigned char *, bool is64, const ElfSymbol *);

#endif
