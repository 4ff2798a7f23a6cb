# SPDX-License-Identifier: Apache-2.0
"""Gram matrices of what channels give to the next layer, on sampled outputs of it.

A sample is one output number: an image, a filter of the next layer and a pixel (ThiNet, ICCV 2017: ten images per
class, ten outputs each). Its receptive field is cut out for every input channel; multiplied with the filter and summed
over the kernel, a channel's part is its contribution. Only Gram matrices are kept, so that memory does not grow with
the samples.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from hwsim.errors import UnsupportedError
from prune.groups import OTHER_GROUP, ChannelGroup, Member
from prune.samples import BATCH, Samples, watch

Array = npt.NDArray[Any]

ROWS = 10_000  # sampled outputs per consumer; a tenth of ThiNet's, for a tenth of ImageNet's channels


def contributions(
    model: nn.Module, group: ChannelGroup, samples: Samples, rows: int = ROWS, seed: int = 0
) -> dict[str, Array]:
    """Per consumer, the Gram matrix (units, units) of the units' contributions to its outputs.

    Raises:
        UnsupportedError: a consumer pads with other values than zeros.
    """

    def gram(member: Member, fields: torch.Tensor, filters: torch.Tensor) -> Array:
        return _gram_of_units(torch.einsum("rpk,rpk->rp", fields, filters), member, group.width)

    return _collect(model, group, samples, rows, seed, gram)


def unit_activations(
    model: nn.Module, group: ChannelGroup, samples: Samples, rows: int = ROWS, seed: int = 0
) -> dict[str, Array]:
    """Per consumer, the Gram matrix (units, units) of the units' values at the sampled outputs' receptive fields."""

    def gram(member: Member, fields: torch.Tensor, filters: torch.Tensor) -> Array:
        index = np.asarray(member.index)
        own = np.flatnonzero(index != OTHER_GROUP)
        order = torch.from_numpy(own[np.argsort(index[own], kind="stable")]).to(fields.device)
        # The n-th pixel of a unit behind a flatten is a sample beside the n-th of others.
        units = fields[:, order].reshape(len(fields), group.width, -1).transpose(1, 2).flatten(0, 1)
        return np.asarray((units.T @ units).cpu().numpy())

    return _collect(model, group, samples, rows, seed, gram)


def joint(grams: dict[str, Array]) -> Array:
    """One Gram matrix for a group with several consumers: each weighs as much as its outputs' energy allows."""
    return sum((gram / (gram.sum() or 1.0) for gram in grams.values()), np.zeros_like(next(iter(grams.values()))))


def receptive_fields(
    model: nn.Module, member: Member, samples: Samples, rows: int = ROWS, seed: int = 0
) -> list[Array]:
    """Per part of a grouped consumer (one otherwise) the Gram matrix of its input positions times kernel positions."""
    path = member.tensor.rpartition(".")[0]
    module = model.get_submodule(path)
    parts = getattr(module, "groups", 1)
    columns = int(np.prod(module.weight.shape[1:]))
    grams = [np.zeros((columns, columns)) for _ in range(parts)]
    draw = _Draw(rows, len(samples.x), seed)

    def visit(_: str, x: torch.Tensor) -> None:
        filters = draw.integers(len(module.weight))
        fields = _fields(module, member, x, filters, draw).flatten(1).cpu().numpy()
        part_of = filters.numpy() // (len(module.weight) // parts)
        for part in range(parts):
            own = fields[part_of == part]
            grams[part] += own.T @ own

    watch(model, [path], samples, visit)
    return grams


class _Draw:
    """Draws sampled outputs, about equally many of every batch."""

    def __init__(self, rows: int, images: int, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.per_batch = max(1, -(-rows * min(BATCH, images) // images))

    def integers(self, below: int) -> torch.Tensor:
        return torch.randint(below, (self.per_batch,), generator=self.generator)


def _collect(
    model: nn.Module,
    group: ChannelGroup,
    samples: Samples,
    rows: int,
    seed: int,
    gram: Callable[[Member, torch.Tensor, torch.Tensor], Array],
) -> dict[str, Array]:
    members = {member.tensor.rpartition(".")[0]: member for member in group.consumers}
    totals: dict[str, Array] = {m.tensor: np.zeros((group.width, group.width)) for m in members.values()}
    draws = {path: _Draw(rows, len(samples.x), seed) for path in members}

    def visit(path: str, x: torch.Tensor) -> None:
        member, module, draw = members[path], model.get_submodule(path), draws[path]
        chosen = draw.integers(len(module.weight))
        filters = module.weight.detach()[chosen].flatten(2 if module.weight.ndim > 2 else 1)
        fields = _fields(module, member, x, chosen, draw)
        totals[member.tensor] += gram(member, fields, filters.reshape(fields.shape).double())

    watch(model, members, samples, visit)
    return totals


def _fields(module: nn.Module, member: Member, x: torch.Tensor, filters: torch.Tensor, draw: _Draw) -> torch.Tensor:
    """Receptive fields of sampled outputs: (rows, input positions, kernel positions), float64."""
    images = draw.integers(len(x))
    if isinstance(module, nn.Linear):
        return x[images].double().unsqueeze(2)
    if not isinstance(module, nn.Conv2d) or module.padding_mode != "zeros":
        raise UnsupportedError(
            f"{member.layer}: reads pruned channels as {type(module).__name__} with unusual padding; expected "
            "Conv2d padded with zeros, or Linear; choose a criterion instead of a selector"
        )
    left, right, top, bottom = _padding(module)
    padded = functional.pad(x, (left, right, top, bottom))
    (rows, columns), (dy, dx), (sy, sx) = module.kernel_size, module.dilation, module.stride
    heights = (padded.shape[2] - dy * (rows - 1) - 1) // sy + 1
    widths = (padded.shape[3] - dx * (columns - 1) - 1) // sx + 1
    top_row, left_column = draw.integers(heights) * sy, draw.integers(widths) * sx
    y = top_row[:, None, None] + torch.arange(rows)[None, :, None] * dy
    x_at = left_column[:, None, None] + torch.arange(columns)[None, None, :] * dx
    fields = padded[images[:, None, None], :, y, x_at]  # (rows, kernel rows, kernel columns, channels)
    fields = fields.permute(0, 3, 1, 2).flatten(2).double()
    per_part = module.in_channels // module.groups
    first = (filters // (module.out_channels // module.groups)) * per_part
    channels = first[:, None] + torch.arange(per_part)[None]
    return fields.gather(1, channels[:, :, None].expand(-1, -1, fields.shape[2]).to(fields.device))


def _padding(module: nn.Conv2d) -> Sequence[int]:
    if module.padding == "valid":
        return 0, 0, 0, 0
    if module.padding == "same":  # torch pads the odd element at the end
        total = [d * (k - 1) for k, d in zip(module.kernel_size, module.dilation, strict=True)]
        return total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2
    rows, columns = module.padding
    return int(columns), int(columns), int(rows), int(rows)


def _gram_of_units(values: torch.Tensor, member: Member, width: int) -> Array:
    """Columns of one unit added up, columns of other groups left out, and the Gram matrix of the rest."""
    index = torch.tensor(member.index)
    own = index != OTHER_GROUP
    units = torch.zeros(len(values), width, dtype=torch.float64, device=values.device)
    units.index_add_(1, index[own].to(values.device), values[:, own.to(values.device)])
    return np.asarray((units.T @ units).cpu().numpy())
