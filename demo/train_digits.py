#!/usr/bin/env python3
"""Train the bundled demo network and write it as ONNX, with 20 test images.

    python3 demo/train_digits.py [--out demo] [--epochs 60]

A small convolutional network learns scikit-learn's handwritten digits (1797
images, 8x8 pixels, 0..16 grey).  A fifth of them is held out; the program stops
with an error where the network is right on less than 98 % of those.

Written, all of it committed:

    digits.onnx                    the network: images f32[N,1,8,8] -> logits f32[N,10]
    digits/images.npy, labels.npy  20 held-out images (f32[20,1,8,8], 0..1), their digits (u8[20])
    digits/test_data_set_0/        the first image as a batch of one, in the
    digits/test_data_set_1/        layout of the ONNX backend tests; all 20 as one batch

Needs numpy, scikit-learn, torch, onnx and onnxruntime (bench/requirements.txt).
Training is seeded, but another version of torch may give other weights.
"""

import argparse
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

SEED = 7
SAMPLES = 20
NPY_HEADER = 128  # demo/digits.c skips this many bytes


class Digits(nn.Module):
    """Three 3x3 convolutions, two max pools, one linear layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 48, 3, padding=1)
        self.fc = nn.Linear(48 * 2 * 2, 10)

    def forward(self, x):
        x = functional.relu(self.conv1(x))
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv3(x)), 2)
        return self.fc(x.flatten(1))


def shift(batch, generator):
    """Move every image by up to one pixel in each direction, filling with black."""
    padded = functional.pad(batch, (1, 1, 1, 1))
    offset = torch.randint(0, 3, (len(batch), 2), generator=generator)
    return torch.stack([p[:, y:y + 8, x:x + 8] for p, (y, x) in zip(padded, offset.tolist())])


def train(net, images, labels, epochs):
    """Adam with a cosine schedule on slightly shifted images."""
    generator = torch.Generator().manual_seed(SEED)
    optimiser = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for epoch in range(epochs):
        total = 0.0
        for pick in torch.randperm(len(images), generator=generator).split(64):
            loss = functional.cross_entropy(net(shift(images[pick], generator)), labels[pick])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(pick)
        schedule.step()
        if (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1:3d}: loss {total / len(images):.4f}", flush=True)


def to_onnx(net, note):
    """The trained network as an ONNX graph with the symbolic batch size N."""
    weights = [numpy_helper.from_array(p.detach().numpy().copy(), name)
               for name, p in net.named_parameters()]
    conv = dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    nodes = [
        helper.make_node("Conv", ["images", "conv1.weight", "conv1.bias"], ["c1"], "conv1", **conv),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "conv2.weight", "conv2.bias"], ["c2"], "conv2", **conv),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("MaxPool", ["r2"], ["p2"], "pool2", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p2", "conv3.weight", "conv3.bias"], ["c3"], "conv3", **conv),
        helper.make_node("Relu", ["c3"], ["r3"], "relu3"),
        helper.make_node("MaxPool", ["r3"], ["p3"], "pool3", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p3"], ["f"], "flatten", axis=1),
        helper.make_node("Gemm", ["f", "fc.weight", "fc.bias"], ["logits"], "fc", transB=1),
    ]
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        weights, doc_string=note)
    model = helper.make_model(graph, ir_version=8, producer_name="train_digits.py",
                              opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model, full_check=True)
    return model


def write_case(folder, images, logits):
    """One test_data_set folder as in the ONNX backend tests."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, name, value in (("input_0.pb", "images", images), ("output_0.pb", "logits", logits)):
        (folder / file).write_bytes(numpy_helper.from_array(value, name).SerializeToString())


def write_npy(path, value):
    """An .npy file whose header has the size that demo/digits.c expects."""
    np.save(path, value)
    assert path.stat().st_size == NPY_HEADER + value.nbytes, path


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("--epochs", type=int, default=60)
    args = parser.parse_args()

    torch.manual_seed(SEED)
    digits = load_digits()
    pixels = (digits.images / 16).astype(np.float32)[:, None]
    train_x, test_x, train_y, test_y = train_test_split(
        pixels, digits.target, test_size=0.2, random_state=SEED, stratify=digits.target)

    net = Digits()
    train(net, torch.from_numpy(train_x), torch.from_numpy(train_y), args.epochs)

    with torch.no_grad():
        right = (net(torch.from_numpy(test_x)).argmax(1).numpy() == test_y).mean()
    note = f"{right:.2%} of {len(test_x)} held-out digits right"
    print(note)
    if right < 0.98:
        raise SystemExit("the network is worse than 98 %: nothing written")

    path = args.out / "digits.onnx"
    path.write_bytes(to_onnx(net, note).SerializeToString())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images, labels = np.ascontiguousarray(test_x[:SAMPLES]), test_y[:SAMPLES].astype(np.uint8)
    for k, batch in enumerate((images[:1], images)):
        logits, = session.run(None, {"images": batch})
        write_case(args.out / "digits" / f"test_data_set_{k}", batch, logits)
    write_npy(args.out / "digits" / "images.npy", images)
    write_npy(args.out / "digits" / "labels.npy", labels)
    print(f"{path}: {path.stat().st_size} bytes; "
          f"{(logits.argmax(1) == labels).sum()} of {SAMPLES} sample images right")


if __name__ == "__main__":
    main()
