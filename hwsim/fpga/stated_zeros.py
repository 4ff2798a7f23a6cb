# SPDX-License-Identifier: Apache-2.0
"""Cycles of PE x SIMD stages for blocks of zero weights that are stated, but not given.

Which blocks are zero decides how many of a layer's schedule are left, since a row of blocks computes one at least. So
blocks are drawn once, by a fixed seed, and counted as given weights are (hwsim/fpga/outline/zeros.py).
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from hwsim.device import Device
from hwsim.estimate import Estimate
from hwsim.fpga import assemble
from hwsim.fpga.stages import Stage, pipeline
from hwsim.network import Network
from hwsim.sparsity import Pattern, check_layers, remarks, spelled

SEED = 0


def estimate(network: Network, device: Device, batch: int = 1, *, sparsity: Mapping[str, Pattern]) -> Estimate:
    """As :func:`hwsim.fpga.assemble.estimate_folded`, with blocks of zeros by layer; notes name other patterns.

    Raises:
        UnknownNameError: a layer has no weights.
    """
    check_layers(network, sparsity)
    blocks = {name: pattern for name, pattern in sparsity.items() if pattern.kind == "block"}
    others = [pattern for name, pattern in sparsity.items() if name not in blocks]
    weights = drawn(network, blocks) if blocks else None
    found = assemble.estimate_folded(network, device, batch, None, weights)
    notes = [f"zeros: {spelled(blocks.values())}, drawn at random; the folding was chosen for every weight, and leaves "
             "out blocks that are whole numbers of its own"] if blocks else []  # fmt: skip
    notes += remarks(others, device.kind, f"fpga:{device.name}/folded")
    return replace(found, notes=(*found.notes, *notes))


def drawn(network: Network, blocks: Mapping[str, Pattern]) -> dict[str, npt.NDArray[np.int64]]:
    """Ones and zeros by weight tensor: as many whole blocks of every named layer as are kept, ones elsewhere."""
    weights = {}
    for index, stage in enumerate(pipeline(network).stages):
        layer = network.layer(stage.name)
        if stage.kind not in ("matrix", "depthwise"):
            continue
        shape = network.tensors[layer.params["weight"]].shape
        mask = np.ones(shape, dtype=np.int64)
        if stage.name in blocks:
            mask = _mask(shape, stage, blocks[stage.name], np.random.default_rng([SEED, index]))
        weights[layer.params["weight"]] = mask
    return weights


def _mask(
    shape: tuple[int, ...], stage: Stage, pattern: Pattern, pick: np.random.Generator
) -> npt.NDArray[np.int64]:  # fmt: skip
    """One where a weight is kept. Columns are in the order in which inputs arrive: channels innermost."""
    filters, columns = shape[0], math.prod(shape[1:])
    positions = math.prod(shape[2:]) if len(shape) == 4 else max(columns // stage.channels_in, 1)
    rows, steps = math.ceil(filters / pattern.rows), math.ceil(columns / pattern.columns)
    kept = np.zeros(rows * steps, dtype=np.int64)
    kept[pick.permutation(rows * steps)[: max(1, round(pattern.density * rows * steps))]] = 1
    whole = kept.reshape(rows, steps).repeat(pattern.rows, axis=0).repeat(pattern.columns, axis=1)
    ordered = whole[:filters, :columns].reshape(filters, positions, -1)
    return np.ascontiguousarray(ordered.transpose(0, 2, 1)).reshape(shape)
