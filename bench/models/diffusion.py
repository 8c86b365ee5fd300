"""Networks of image generators: a stack of DiT blocks and a U-Net with cross attention."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .build import Built, model, noise, roughen


def time_embedding(t, width):
    """Sinusoids of the time step: f32[batch] to f32[batch, width]."""
    rate = torch.exp(-math.log(10000.0) * torch.arange(width // 2, device=t.device) / (width // 2))
    angle = t[:, None].float() * rate
    return torch.cat((angle.cos(), angle.sin()), dim=-1)


class Attention(nn.Module):
    """Multi-head attention of `x` on `context` (on itself where none is given)."""

    def __init__(self, width, heads, context=None):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(context or width, width)
        self.v = nn.Linear(context or width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x, context=None):
        context = x if context is None else context
        q, k, v = (f(t).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                   for f, t in ((self.q, x), (self.k, context), (self.v, context)))
        return self.out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class DiTBlock(nn.Module):
    """Transformer block whose norms are shifted, scaled and gated by the condition."""

    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x, condition):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition)[:, None].chunk(6, dim=-1)
        x = x + gate1 * self.attention(self.norm1(x) * (1 + scale1) + shift1)
        return x + gate2 * self.mlp(self.norm2(x) * (1 + scale2) + shift2)


class DiT(nn.Module):
    """Latent image, time step and class to predicted noise."""

    def __init__(self, size, width, heads, layers, classes):
        super().__init__()
        self.width, self.side = width, size // 2
        self.patch = nn.Conv2d(4, width, 2, 2)
        self.position = nn.Parameter(torch.randn(1, self.side ** 2, width) * 0.02)
        self.time = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.label = nn.Embedding(classes, width)
        self.blocks = nn.ModuleList(DiTBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        self.head = nn.Linear(width, 2 * 2 * 4)

    def forward(self, latent, timestep, label):
        x = self.patch(latent).flatten(2).transpose(1, 2) + self.position
        condition = self.time(time_embedding(timestep, 256)) + self.label(label)
        for block in self.blocks:
            x = block(x, condition)
        shift, scale = self.modulation(condition)[:, None].chunk(2, dim=-1)
        x = self.head(self.norm(x) * (1 + scale) + shift)
        x = x.view(-1, self.side, self.side, 2, 2, 4).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(-1, 4, 2 * self.side, 2 * self.side)


@model("dit")
def dit(small):
    size, classes = (8, 10) if small else (32, 1000)
    module = roughen(DiT(8, 32, 2, 2, 10) if small else DiT(32, 384, 6, 8, 1000)).eval()
    return Built(module=module, outputs=("noise",), sets=[
        {"latent": noise(1, 4, size, size, seed=k), "timestep": np.array([t], np.int64),
         "label": np.array([k * 3 % classes], np.int64)} for k, t in enumerate((500, 20))])


class Residual(nn.Module):
    """GroupNorm, SiLU, convolution, twice, with the time step added in between."""

    def __init__(self, inner, outer, time):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, inner), nn.GroupNorm(8, outer)
        self.conv1, self.conv2 = nn.Conv2d(inner, outer, 3, padding=1), nn.Conv2d(outer, outer, 3, padding=1)
        self.time = nn.Linear(time, outer)
        self.skip = nn.Conv2d(inner, outer, 1) if inner != outer else nn.Identity()

    def forward(self, x, time):
        y = self.conv1(functional.silu(self.norm1(x))) + self.time(functional.silu(time))[:, :, None, None]
        return self.skip(x) + self.conv2(functional.silu(self.norm2(y)))


class Transformer(nn.Module):
    """Self attention, cross attention and a gated MLP on the pixels of a feature map."""

    def __init__(self, width, heads, context):
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.enter, self.leave = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.self_attention, self.cross_attention = Attention(width, heads), Attention(width, heads, context)
        self.up, self.down = nn.Linear(width, 8 * width), nn.Linear(4 * width, width)

    def forward(self, x, context):
        shape, y = x.shape, self.enter(self.norm(x)).flatten(2).transpose(1, 2)
        y = y + self.self_attention(self.norms[0](y))
        y = y + self.cross_attention(self.norms[1](y), context)
        value, gate = self.up(self.norms[2](y)).chunk(2, dim=-1)
        y = y + self.down(value * functional.gelu(gate))
        return x + self.leave(y.transpose(1, 2).reshape(shape))


class UNet(nn.Module):
    """Three resolutions with skip connections; attention at the lower two."""

    def __init__(self, width, heads, context):
        super().__init__()
        a, b, c, t = width, 2 * width, 4 * width, 4 * width
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, t), nn.SiLU(), nn.Linear(t, t))
        self.enter = nn.Conv2d(4, a, 3, padding=1)
        self.down1, self.shrink1 = Residual(a, a, t), nn.Conv2d(a, a, 3, 2, 1)
        self.down2, self.look2 = Residual(a, b, t), Transformer(b, heads, context)
        self.shrink2 = nn.Conv2d(b, b, 3, 2, 1)
        self.down3, self.look3 = Residual(b, c, t), Transformer(c, heads, context)
        self.middle = Residual(c, c, t)
        self.up3, self.seen3 = Residual(c + c, c, t), Transformer(c, heads, context)
        self.grow3 = nn.Conv2d(c, c, 3, padding=1)
        self.up2, self.seen2 = Residual(c + b, b, t), Transformer(b, heads, context)
        self.grow2, self.up1 = nn.Conv2d(b, b, 3, padding=1), Residual(b + a, a, t)
        self.norm, self.leave = nn.GroupNorm(8, a), nn.Conv2d(a, 4, 3, padding=1)

    def forward(self, latent, timestep, context):
        time = self.time(time_embedding(timestep, self.width))
        x1 = self.down1(self.enter(latent), time)
        x2 = self.look2(self.down2(self.shrink1(x1), time), context)
        x3 = self.look3(self.down3(self.shrink2(x2), time), context)
        y = self.middle(x3, time)
        y = self.seen3(self.up3(torch.cat((y, x3), 1), time), context)
        y = self.grow3(functional.interpolate(y, scale_factor=2.0, mode="nearest"))
        y = self.seen2(self.up2(torch.cat((y, x2), 1), time), context)
        y = self.grow2(functional.interpolate(y, scale_factor=2.0, mode="nearest"))
        y = self.up1(torch.cat((y, x1), 1), time)
        return self.leave(functional.silu(self.norm(y)))


@model("unet")
def unet(small):
    size, length, context = (8, 5, 16) if small else (32, 77, 256)
    module = roughen(UNet(16, 2, 16) if small else UNet(96, 4, 256)).eval()
    return Built(module=module, outputs=("noise",), sets=[
        {"latent": noise(1, 4, size, size, seed=k), "timestep": np.array([t], np.int64),
         "context": noise(1, length, context, seed=k + 10)} for k, t in enumerate((500, 20))])
