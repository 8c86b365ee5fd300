"""A Conformer encoder: convolutional subsampling, relative-position attention, depthwise convolutions."""

import math

import torch
from torch import nn
from torch.export import Dim
from torch.nn import functional

from .build import Built, calibrate, model, noise, roughen


def relative_positions(length, width):
    """Sinusoids for the distances length-1 .. -(length-1): f32[2*length-1, width]."""
    distance = torch.arange(length - 1, -length, -1.0)
    rate = torch.exp(torch.arange(0, width, 2.0) * (-math.log(10000.0) / width))
    angle = distance[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)


class RelativeAttention(nn.Module):
    """Attention with Transformer-XL's relative positions (shift by pad and reshape)."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.position = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)
        self.u = nn.Parameter(torch.zeros(heads, 1, width // heads))
        self.v = nn.Parameter(torch.zeros(heads, 1, width // heads))

    def forward(self, x, positions):
        batch, length, width = x.shape
        q, k, v = (t.view(batch, length, self.heads, -1).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1))
        p = self.position(positions).view(-1, self.heads, width // self.heads).transpose(0, 1)
        shifted = functional.pad((q + self.v) @ p.transpose(1, 2), (1, 0))
        shifted = shifted.view(batch, self.heads, 2 * length, length)[:, :, 1:].reshape(
            batch, self.heads, length, 2 * length - 1)[..., :length]
        scores = ((q + self.u) @ k.transpose(2, 3) + shifted) / math.sqrt(width // self.heads)
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width))


class Convolution(nn.Module):
    """Pointwise, GLU, depthwise, batch norm, SiLU, pointwise."""

    def __init__(self, width, kernel):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Conv1d(width, 2 * width, 1)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.batch_norm = nn.BatchNorm1d(width)
        self.project = nn.Conv1d(width, width, 1)

    def forward(self, x):
        y = functional.glu(self.expand(self.norm(x).transpose(1, 2)), dim=1)
        return self.project(functional.silu(self.batch_norm(self.depthwise(y)))).transpose(1, 2)


def feed_forward(width):
    """The half step that opens and closes a block."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))


class Block(nn.Module):
    """Half feed-forward, attention, convolution, half feed-forward, norm."""

    def __init__(self, width, heads, kernel):
        super().__init__()
        self.first, self.last = feed_forward(width), feed_forward(width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = RelativeAttention(width, heads)
        self.convolution = Convolution(width, kernel)

    def forward(self, x, positions):
        x = x + 0.5 * self.first(x)
        x = x + self.attention(self.norm1(x), positions)
        x = x + self.convolution(x)
        return self.norm2(x + 0.5 * self.last(x))


class Conformer(nn.Module):
    """Mel frames f32[1, frames, bands] to f32[1, about frames/4, width]."""

    def __init__(self, bands, width, heads, kernel, layers):
        super().__init__()
        self.width = width
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, 2), nn.ReLU(), nn.Conv2d(width, width, 3, 2), nn.ReLU())
        self.project = nn.Linear(width * (((bands - 1) // 2 - 1) // 2), width)
        self.blocks = nn.ModuleList(Block(width, heads, kernel) for _ in range(layers))

    def forward(self, frames):
        x = self.stem(frames.unsqueeze(1))
        x = self.project(x.transpose(1, 2).flatten(2))
        positions = relative_positions(x.shape[1], self.width)
        for block in self.blocks:
            x = block(x, positions)
        return x


@model("conformer")
def conformer(small):
    """Dynamic number of frames."""
    bands, sizes = (16, (40, 11, 63)) if small else (80, (200, 31, 517))
    module = Conformer(16, 32, 2, 7, 1) if small else Conformer(80, 256, 4, 31, 6)
    roughen(module)
    with torch.no_grad():
        for block in module.blocks:     # branches weaker than the trunk, as after training
            for end in (block.first[3], block.last[3], block.attention.out, block.convolution.project):
                end.weight.mul_(0.5)
    calibrate(module, *[(torch.from_numpy(noise(4, 160, bands, seed=k)),) for k in (7, 8)])
    return Built(module=module, outputs=("states",), bench=2, dynamic={"frames": {1: Dim("frames", min=7, max=4000)}},
                 sets=[{"frames": noise(1, n, bands, seed=k)} for k, n in enumerate(sizes)])
