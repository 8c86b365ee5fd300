/* A tensor map as the emulation has it, 128 bytes; in C and C++. NVIDIA's own is the driver's
 * secret. */
#ifndef ONNXCC_RUNTIME_EMU_MAP_H
#define ONNXCC_RUNTIME_EMU_MAP_H

#include <stdint.h>

#define EMU_MAP_MAGIC 0x50414d554d4555ull
typedef struct EmuMap {
    uint64_t magic, address;
    uint32_t dims, bytes, row;       /* bytes of an element, and of a row of the box (swizzle) */
    uint64_t extent[5], stride[4];   /* innermost first; strides in bytes, without the first */
    uint16_t size[5];                /* of the box */
} EmuMap;

#endif
