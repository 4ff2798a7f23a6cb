# SPDX-License-Identifier: Apache-2.0
"""What a kernel moves between DRAM and the buffer, half of which holds tiles that compute and half the next ones.

Activations stay on chip between kernels that read and write no more than that half. Otherwise one of three orders of
the loops is taken, the one that moves least:

    a tile of inputs stays, all weights pass by for every tile            W ceil(I / half) + I
    a tile of weights stays, all inputs pass by for every tile            W + I ceil(W / half)
    a tile of sums stays, of ``p`` positions and ``half / p`` channels,
    the weights of its channels and the inputs of its positions pass by   W ceil(P / p) + I ceil(K / (half / p))

Outputs are complete before they leave. Weights come from DRAM once per batch at least.
"""

from dataclasses import dataclass

import numpy as np

from hwsim.columns import Column
from hwsim.npu.problem import Problem

SUM_TILES = 2.0 ** np.arange(16)  # pieces that the positions are cut into


@dataclass(frozen=True, eq=False)
class Traffic:
    """Elements of a batch between DRAM and the buffer, (3, kernels): weights, inputs, outputs."""

    elements: Column

    def bytes(self, element_bytes: float) -> Column:
        """Bytes of every kernel, (kernels,)."""
        return np.asarray(self.elements.sum(axis=0) * element_bytes)


def traffic(work: Problem, capacity: float, batch: int, kept: Column) -> Traffic:
    """The traffic of every kernel with a buffer of ``capacity`` elements; ``kept`` is the share of weights stored."""
    half = max(capacity / 2, 1.0)
    weights, inputs, outputs = work.weights * kept, work.inputs * batch, work.outputs * batch
    stays = inputs + outputs <= half
    weight_passes, input_passes = _passes(work, half, batch, weights, inputs)
    read_weights = np.where(stays, weights, weights * weight_passes)
    read_inputs = np.where(stays, np.where(work.from_outside, inputs, 0.0), inputs * input_passes)
    written = np.where(stays & ~work.to_outside, 0.0, outputs)
    return Traffic(np.stack([read_weights, read_inputs, written]))


def _passes(work: Problem, half: float, batch: int, weights: Column, inputs: Column) -> tuple[Column, Column]:
    """How often weights and inputs pass by in the order of loops that moves least, (kernels,) each."""
    positions, channels = batch * work.loops["oy"] * work.loops["ox"], work.loops["k"]
    cuts = SUM_TILES[:, None]
    tile = np.maximum(np.floor(half / np.ceil(positions / cuts)), 1.0)  # channels beside a cut of the positions
    ones = np.ones_like(weights)[None, :]
    weight_passes = np.concatenate([np.ceil(inputs / half)[None, :], ones, np.minimum(cuts, positions)])
    input_passes = np.concatenate([ones, np.maximum(np.ceil(weights / half), 1.0)[None, :], np.ceil(channels / tile)])
    best = np.argmin(weights * weight_passes + inputs * input_passes, axis=0)
    index = np.arange(len(best))
    return weight_passes[best, index], input_passes[best, index]
