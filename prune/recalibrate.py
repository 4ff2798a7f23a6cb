# SPDX-License-Identifier: Apache-2.0
"""Batch-norm statistics for a network whose channels changed: the cheapest repair after a cut."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hwsim.errors import DatasetError


@torch.no_grad()
def recalibrate(model: nn.Module, x: torch.Tensor | Iterable[torch.Tensor], *, batch: int = 256) -> nn.Module:
    """Replace the running mean and variance of every batch norm by the plain average over ``x``; in place.

    Args:
        x: (N, *shape) training inputs without labels, or batches of them; at least two images per batch.
        batch: images at a time, where ``x`` is one tensor.

    Returns:
        The model, in the mode it came in. Nothing else is trained: dropout stays off.

    Raises:
        DatasetError: no data, or a batch of one image.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    modes = {module: module.training for module in model.modules()}
    momenta = {norm: norm.momentum for norm in norms}
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the average over all batches
        norm.train()
    try:
        batches = 0
        for part in _batches(x, batch):
            if len(part) < 2:
                raise DatasetError(
                    "recalibrate: got a batch of one image; expected at least 2; choose another batch size"
                )
            model(part)
            batches += 1
        if norms and not batches:
            raise DatasetError("recalibrate: got no data; expected at least one batch of images")
    finally:
        for norm in norms:
            norm.momentum = momenta[norm]
        for module, mode in modes.items():
            module.training = mode
    return model


def _batches(x: torch.Tensor | Iterable[torch.Tensor], batch: int) -> Iterable[torch.Tensor]:
    if not isinstance(x, torch.Tensor):
        return x
    # Equal parts, so that no image counts more than another and none is left alone.
    return torch.tensor_split(x, max(-(-len(x) // batch), 1)) if len(x) else ()
