#!/usr/bin/env python3
"""ImageDecoder through compiled programs.

    images.py ONNXCC                    runs the test
    images.py ONNXCC --write FOLDER     writes the images instead, for fuzzing

1. BMP and PNM in all their kinds, made here, against the pixels they were made from; and the files of ONNX's own test data
   (JPEG, JPEG 2000, PNG, TIFF, WebP) in all three pixel formats.
2. Damaged files: cut, changed at random, of another kind. Each is decoded or refused with a message that names the node.
3. Targets without the libraries are refused.

Needs numpy and onnx. Prints what differs; exits with 0 where nothing does."""

import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.backend.test.case.node import _image_decoder_data as official

ONNXCC = sys.argv[1]
random = np.random.default_rng(5)
failures = 0


def fail(what):
    global failures
    failures += 1
    print(what)


def model(pixel_format, path):
    node = helper.make_node("ImageDecoder", ["data"], ["image"], name="decode", pixel_format=pixel_format)
    graph = helper.make_graph([node], "images", [helper.make_tensor_value_info("data", TensorProto.UINT8, ["N"])],
                              [helper.make_tensor_value_info("image", TensorProto.UINT8, [None, None, None])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


def to_gray(rgb):
    weights = np.array([19595, 38470, 7471])
    return ((rgb.astype(np.int64) @ weights + 0x8000) >> 16).astype(np.uint8)[..., None]


class Programs:
    def __init__(self, work):
        self.work = work
        for name in ("RGB", "BGR", "Grayscale"):
            model(name, work / f"{name}.onnx")
            subprocess.run([ONNXCC, "-q", work / f"{name}.onnx", "-o", work / name], check=True)

    def run(self, name, data):
        """Exit code, the pixels, the message."""
        (self.work / "in.bin").write_bytes(data)
        out = self.work / "out.npy"
        out.unlink(missing_ok=True)
        done = subprocess.run([self.work / name, "--input", f"data={self.work}/in.bin", "--output", f"image={out}"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, np.load(out) if done.returncode == 0 else None, done.stdout.decode(errors="replace")

    def expect(self, what, data, rgb):
        for name, pixels in (("RGB", rgb), ("BGR", rgb[..., ::-1]), ("Grayscale", to_gray(rgb))):
            code, found, text = self.run(name, data)
            if code != 0:
                fail(f"{what}, {name}: exit code {code}: {text}")
            elif found.shape != pixels.shape or (found != pixels).any():
                fail(f"{what}, {name}: {found.shape}, not {pixels.shape}, or other pixels")


# ---- BMP ----

def bmp(width, height, bits, data, packing=0, palette=b"", masks=b"", core=False):
    if core:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, len(data), 2835, 2835,
                           len(palette) // 4, 0)
    start = 14 + len(head) + len(masks) + len(palette)
    return struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start) + head + masks + palette + data


def rows(lines):
    """Each line filled to four bytes; from the bottom."""
    return b"".join(line + bytes(-len(line) % 4) for line in reversed(lines))


def indexed(indices, bits):
    lines = []
    for line in indices:
        text = "".join(format(i, f"0{bits}b") for i in line)
        text += "0" * (-len(text) % 8)
        lines.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    return lines


def runs(indices, bits):
    """Every other line as runs, the rest as they stand."""
    out = b""
    for y, line in enumerate(reversed(indices)):
        if y % 2 and bits == 8:
            out += b"".join(bytes([1, i]) for i in line)
        elif y % 2:
            pairs = [line[i:i + 2] for i in range(0, len(line), 2)]
            out += b"".join(bytes([len(p), p[0] << 4 | p[-1]]) for p in pairs)
        else:
            packed = bytes(line) if bits == 8 else indexed([line], 4)[0]
            out += bytes([0, len(line)]) + packed + bytes(len(packed) % 2)
        out += bytes([0, 0])
    return out + bytes([0, 1])


def bmp_files():
    height, width = 5, 7
    rgb = random.integers(0, 256, (height, width, 3)).astype(np.uint8)
    lines = [line[:, ::-1].tobytes() for line in rgb]
    yield "bmp 24", bmp(width, height, 24, rows(lines)), rgb
    yield "bmp 24 from the top", bmp(width, -height, 24, rows(lines[::-1])), rgb
    yield "bmp 24 of OS2", bmp(width, height, 24, rows(lines), core=True), rgb
    four = np.concatenate([rgb[..., ::-1], np.full((height, width, 1), 9, np.uint8)], -1)
    yield "bmp 32", bmp(width, height, 32, rows([line.tobytes() for line in four])), rgb
    masks = struct.pack("<III", 0xff000000, 0xff0000, 0xff00)
    turned = np.concatenate([four[..., 3:], four[..., :3]], -1)
    yield "bmp 32 with masks", bmp(width, height, 32, rows([line.tobytes() for line in turned]), 3, masks=masks), rgb
    parts = rgb.astype(np.uint16) >> np.array([3, 2, 3], np.uint16)
    short = parts[..., 0] << 11 | parts[..., 1] << 5 | parts[..., 2]
    coarse = (parts.astype(np.int64) * 255 // np.array([31, 63, 31])).astype(np.uint8)
    masks = struct.pack("<III", 0xf800, 0x7e0, 0x1f)
    yield "bmp 16 with masks", bmp(width, height, 16, rows([line.tobytes() for line in short]), 3, masks=masks), coarse
    for bits in (1, 4, 8):
        colors = random.integers(0, 256, (2**bits, 3)).astype(np.uint8)
        indices = random.integers(0, 2**bits, (height, width)).tolist()
        table = b"".join(bytes([*color[::-1], 0]) for color in colors)
        data = bmp(width, height, bits, rows(indexed(indices, bits)), palette=table)
        yield f"bmp {bits}", data, colors[indices]
        if bits > 1:
            data = bmp(width, height, bits, runs(indices, bits), 3 - bits // 4, palette=table)
            yield f"bmp {bits} in runs", data, colors[indices]


# ---- PNM ----

def pnm_files():
    height, width = 3, 11
    rgb = random.integers(0, 256, (height, width, 3))
    gray = np.repeat(rgb[..., :1], 3, -1)
    bits = rgb[..., 0] % 2
    black = np.repeat((1 - bits)[..., None], 3, -1) * 255
    head = f"# a comment\n{width} {height}\n"
    yield "P1", f"P1\n{head}{''.join(map(str, bits.ravel()))}\n".encode(), black
    yield "P2", f"P2\n{head}255 {' '.join(map(str, gray[..., 0].ravel()))}".encode(), gray
    yield "P3", f"P3\n{head}#another\n255\n{' '.join(map(str, rgb.ravel()))}".encode(), rgb
    packed = np.packbits(bits.astype(np.uint8), axis=1).tobytes()
    yield "P4", f"P4\n{head}".encode() + packed, black
    yield "P5", f"P5\n{head}255\n".encode() + gray[..., 0].astype(np.uint8).tobytes(), gray
    yield "P6", f"P6 {width} {height} 255\n".encode() + rgb.astype(np.uint8).tobytes(), rgb
    wide = rgb * 257
    yield "P6 16", f"P6 {width} {height} 65535\n".encode() + wide.astype(">u2").tobytes(), rgb
    small = rgb % 16
    yield "P5 of 15", f"P5 {width} {height} 15\n".encode() + small[..., 0].astype(np.uint8).tobytes(), \
        np.repeat(small[..., :1], 3, -1) * 17


def official_files():
    for kind in ("bmp", "jpeg", "jpeg2k", "png", "pnm", "tiff", "webp"):
        data = getattr(official, f"image_decoder_decode_{kind}_rgb")
        yield kind, data.data.tobytes(), data.output


# ---- damage ----

def check_refused(programs, what, data, may_pass):
    code, _, text = programs.run("RGB", data)
    named = 'node "decode" (ImageDecoder): ' in text or "too large" in text or "out of memory" in text
    if code == 0 and may_pass or code == 1 and named:
        return
    fail(f"{what}: exit code {code}: {text}")


def damaged(programs, kind, data):
    for part in (0, 1, 3, 8, 20, len(data) // 2):
        check_refused(programs, f"{kind} cut to {part} bytes", data[:part], False)
    for i in range(24):
        changed = bytearray(data)
        for at in random.integers(0, len(data), 1 + i % 4):
            changed[at] = random.integers(0, 256)
        check_refused(programs, f"{kind}, change {i}", bytes(changed), True)


def check_targets(work):
    for options in (["--emit=c"], ["--emit=staticlib", "--target=thumbv7em-none-eabihf", "--dim", "N=64"]):
        out = work / "refused"
        done = subprocess.run([ONNXCC, "-q", work / "RGB.onnx", "-o", out, *options], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 1 or b"libraries of a hosted system" not in done.stdout or out.exists():
            fail(f"{options}: exit code {done.returncode}: {done.stdout.decode()}")


checked = [*official_files(), *bmp_files(), *pnm_files()]
if sys.argv[2:3] == ["--write"]:
    pathlib.Path(sys.argv[3]).mkdir(exist_ok=True)
    for what, data, _ in checked:
        (pathlib.Path(sys.argv[3]) / what.replace(" ", "_")).write_bytes(data)
    sys.exit(0)
with tempfile.TemporaryDirectory() as folder:
    made = Programs(pathlib.Path(folder))
    for what, data, rgb in checked:
        made.expect(what, data, np.asarray(rgb, np.uint8))
    for kind, data, _ in official_files():
        damaged(made, kind, data)
    check_refused(made, "text", b"this is no image", False)
    check_targets(pathlib.Path(folder))
    print(f"{len(checked)} images, {failures} failures")
sys.exit(failures != 0)
