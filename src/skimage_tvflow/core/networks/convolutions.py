"""Convolutions without numbers, and their numbers before training."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["convolution", "draw_convolution"]


def convolution(
    n_in: int, n_out: int, size: int, n_spatial: int, dilation: int = 1
) -> nn.Conv2d | nn.Conv3d:
    """Return a convolution that keeps the size of images; its parameters take no memory yet."""
    kind = nn.Conv2d if n_spatial == 2 else nn.Conv3d
    padding = dilation * (size // 2)
    return kind(
        n_in, n_out, size, padding=padding, dilation=dilation, device="meta", dtype=torch.float32
    )


def draw_convolution(layer: nn.Module, generator: torch.Generator) -> None:
    """Draw weights and bias uniformly in +-1/sqrt(fan_in), as torch does by itself."""
    assert isinstance(layer, nn.Conv2d | nn.Conv3d)
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    bias = layer.bias
    assert bias is not None
    bound = 1 / math.sqrt(layer.weight[0].numel())
    nn.init.uniform_(bias, -bound, bound, generator=generator)
