# SPDX-License-Identifier: Apache-2.0
"""Random changes of a batch of images (N, C, H, W): callables of (batch, generator) that return a new batch.

They move pixels and never compute with them, so that augmented inputs stay on the grid of the hardware's input.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


@dataclass(frozen=True)
class Flip:
    """Mirror each image left to right with probability one half."""

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        chosen = torch.rand(len(x), generator=generator).to(x.device) < 0.5
        return torch.where(chosen[:, None, None, None], x.flip(3), x)


@dataclass(frozen=True)
class Shift:
    """Move each image by up to ``pixels`` in both directions, zeros coming in: padding and a random crop."""

    pixels: int

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        count, channels, height, width = x.shape
        top, left = torch.randint(0, 2 * self.pixels + 1, (2, count, 1), generator=generator).to(x.device)
        padded = functional.pad(x, (self.pixels,) * 4)
        rows = (top + torch.arange(height, device=x.device))[:, None, :, None]
        columns = (left + torch.arange(width, device=x.device))[:, None, None, :]
        images = torch.arange(count, device=x.device)[:, None, None, None]
        planes = torch.arange(channels, device=x.device)[None, :, None, None]
        return padded[images, planes, rows, columns]


@dataclass(frozen=True)
class Compose:
    """Several changes, one after the other."""

    steps: tuple[Augment, ...]

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        for step in self.steps:
            x = step(x, generator)
        return x
