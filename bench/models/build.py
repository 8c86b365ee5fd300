"""What a model function returns, the table of all models, and weights that say something.

Fresh random networks are a poor test: zero biases, unit norms and all-zero heads
hide mistakes.  `roughen` gives every constant parameter a spread, and `calibrate`
fills the batch norms with the statistics of the activations that really flow.
"""

import dataclasses
import typing

import numpy as np
import onnx
import torch


@dataclasses.dataclass
class Built:
    """A model ready for export: a torch module with named inputs, or a finished ONNX graph."""

    sets: list[dict[str, np.ndarray]]           # one dictionary of inputs per test data set
    module: torch.nn.Module | None = None       # exported with the first set's inputs, in their order
    outputs: tuple[str, ...] = ()
    dynamic: dict[str, dict[int, object]] = dataclasses.field(default_factory=dict)  # input: {axis: Dim}
    proto: onnx.ModelProto | None = None        # instead of a module
    opset: int | None = None                    # None: the exporter's default
    bench: int = 0                              # the data set that bench.py times (the first is the exporter's example)


@dataclasses.dataclass
class Entry:
    """One row of the table."""

    name: str
    family: str
    build: typing.Callable[[bool], Built]
    real: bool          # trained weights: compared more strictly
    small: bool         # has a small variant
    extra: bool         # left out unless asked for


TABLE: dict[str, Entry] = {}


def model(name, real=False, small=True, extra=False):
    """Decorator: enter a model function into the table under `name`."""
    def enter(function):
        family = function.__module__.rsplit(".", 1)[-1]
        TABLE[name] = Entry(name, family, function, real, small, extra)
        return function
    return enter


def noise(*shape, scale=1.0, seed=0):
    """A reproducible float32 input of normally distributed values."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def picture(batch, channels, height, width, seed=0):
    """Pictures with structure at every scale: white noise alone looks the same after any average."""
    rng = np.random.default_rng(seed)
    total = np.zeros((batch, channels, height, width), np.float32)
    for cells in (1, 3, 7, 28, max(height, width)):
        grid = rng.standard_normal((batch, channels, cells, cells), dtype=np.float32)
        rows, columns = np.arange(height) * cells // height, np.arange(width) * cells // width
        total += grid[:, :, rows][:, :, :, columns] * 0.5
    return total


def tokens(*shape, vocabulary, seed=0):
    """Reproducible int64 token numbers."""
    return np.random.default_rng(seed).integers(0, vocabulary, shape, dtype=np.int64)


@torch.no_grad()
def roughen(module):
    """Spread parameters that start out constant: zeros, ones, and layer scales of 1e-6."""
    for name, parameter in module.named_parameters():
        if parameter.numel() > 1 and parameter.std() > 0:
            continue
        centre = parameter.flatten()[0].item()
        if centre == 0:
            parameter.normal_(0, 0.05 if parameter.dim() == 1 else 0.02)
        elif abs(centre) < 1e-3 or "layer_scale" in name:
            parameter.uniform_(0.1, 0.4)
        else:
            parameter.mul_(1 + 0.2 * (2 * torch.rand_like(parameter) - 1))
    return module


@torch.no_grad()
def calibrate(module, *batches):
    """Run `batches` (tuples of arguments) in training mode so that batch norms hold their statistics."""
    norms = [m for m in module.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    if norms:
        for norm in norms:
            norm.momentum = None    # plain average over the batches
            norm.reset_running_stats()
        module.train()
        for batch in batches:
            module(*batch)
    return module.eval()
