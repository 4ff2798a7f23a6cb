# SPDX-License-Identifier: Apache-2.0
"""The row-stationary dataflow of Eyeriss: cycles and accesses of the best mapping of every kernel.

Chen, Emer, Sze, ISCA 2016, section V, and Chen, Krishna, Emer, Sze, IEEE JSSC 52(1), 2017, section IV, in their
letters: an element convolves one row of ``S`` weights with one row of inputs; a set of ``R`` by ``e`` elements makes
``e`` rows of outputs. An element keeps ``p`` filters of ``q`` channels; ``r`` sets side by side take further channels,
``t`` further filters:

    cycles of a pass   p q S F              F: outputs per row
    passes             ceil(M / p t) ceil(C / q r) ceil(E / e)    per image and group

within  q S <= inputs, p q S <= weights, p <= sums  that a register file holds, and  R e r t <= elements. Filters higher
than the array or wider than the register file are computed in pieces. Every mapping of a grid of (p, q, r, e) is
costed at once; the one with the least product of cycles and on-chip energy is taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hwsim.columns import Column
from hwsim.npu.accesses import Accesses, Plan, of_operand, of_sums
from hwsim.npu.problem import Problem

# Costs on chip relative to a product, to choose mappings by: ISCA 2016, table IV.
WEIGHTS_OF_LEVELS = (1.0, 2.0, 6.0)
FILTERS = (1, 2, 4, 8, 16, 24, 32)
CHANNELS = (1, 2, 3, 4, 6, 12, 24)
SETS = (1, 2, 4, 8, 14, 28, 56, 84, 168)


@dataclass(frozen=True)
class Registers:
    """What the register file of an element holds, in numbers."""

    inputs: int
    weights: int
    sums: int


def plan(work: Problem, rows: int, columns: int, registers: Registers, batch: int, kept: Column) -> Plan:
    """Cycles and accesses of every kernel of a batch; ``kept`` is the share of the channels computed, (kernels,)."""
    names = tuple(work.loops)
    bounds = np.stack([*(work.loops[name] for name in names), kept])
    different, which = np.unique(bounds, axis=1, return_inverse=True)  # networks repeat their layers
    found = _mapped(dict(zip(names, different, strict=False)), different[-1], rows, columns, registers, batch)
    register, noc, buffer, cycles = (np.where(work.multiplies, level[..., which.ravel()], 0.0) for level in found)
    return Plan(cycles, Accesses(register, noc, buffer))


def _mapped(
    bounds: Mapping[str, Column], kept: Column, rows: int, columns: int, registers: Registers, batch: int
) -> tuple[Column, Column, Column, Column]:
    """Register, network and buffer accesses, (3, kernels) each, and cycles, (kernels,), of the best mappings."""
    loops = {name: column[:, None] for name, column in bounds.items()}
    p, q, r, e = _grid(columns, registers)
    m, c = loops["k"], np.ceil(loops["c"] * kept[:, None])
    width = np.minimum(loops["fx"], registers.inputs)
    height = np.minimum(loops["fy"], rows)
    pieces = np.ceil(loops["fx"] / width) * np.ceil(loops["fy"] / height)
    e = np.minimum(e, loops["oy"])
    sets = np.floor(rows / height) * np.floor(columns / e)
    r = np.minimum(r, sets)
    p, q = np.minimum(p, m), np.minimum(q, c)
    r = np.minimum(r, np.ceil(c / q))
    t = np.minimum(np.floor(sets / r), np.ceil(m / p))
    legal = (q * width <= registers.inputs) & (p * q * width <= registers.weights) & (p <= registers.sums)
    legal |= (p == 1) & (q == 1) & (r == 1)

    strips = batch * loops["groups"] * np.ceil(loops["oy"] / e)
    passes = strips * np.ceil(m / (p * t)) * np.ceil(c / (q * r)) * pieces
    cycles = passes * p * q * width * loops["ox"]

    outputs = batch * loops["groups"] * m * loops["oy"] * loops["ox"]
    products = c * loops["fy"] * loops["fx"]
    uses = outputs * products
    # A weight serves a row of outputs in its element, and all e elements of its row of the set get it at once.
    weight_loads = uses / (loops["ox"] * loops["oy"]) * np.ceil(loops["oy"] / e)
    # An input serves p filters and the windows that overlap it; the diagonal of a set and t sets get it at once.
    overlap = width / np.minimum(width, loops["stride_x"])
    input_rows = (e - 1) * loops["stride_y"] + height
    input_columns = (loops["ox"] - 1) * loops["stride_x"] + width
    input_loads = strips * np.ceil(m / (p * t)) * c * pieces * input_rows * input_columns
    rounds = np.ceil(c / (q * r)) * pieces
    kinds = (
        of_operand(uses, weight_loads, uses / loops["ox"]),
        of_operand(uses, input_loads, uses / (p * overlap)),
        of_sums(outputs, products, rounds, np.minimum(height * r, products / rounds)),
    )
    levels = [np.stack(np.broadcast_arrays(*level)) for level in zip(*kinds, strict=True)]  # (3, kernels, mappings)
    spent = uses + sum(cost * level.sum(axis=0) for cost, level in zip(WEIGHTS_OF_LEVELS, levels, strict=True))
    best = np.argmin(np.where(legal, cycles * spent, np.inf), axis=1)
    index = np.arange(len(best))
    register, noc, buffer = (level[:, index, best] for level in levels)
    return register, noc, buffer, cycles[index, best]


def _grid(columns: int, registers: Registers) -> list[Column]:
    """All mappings to be tried: filters, channels, sets for channels, and rows of outputs of a set, (1, mappings) each.

    A set's rows of outputs are the array's columns shared by a whole number of sets.
    """
    strips = tuple(dict.fromkeys(columns // side for side in (1, 2, 3, 4, 7, 14) if side <= columns))
    filters = [number for number in FILTERS if number <= max(registers.sums, 1)]
    channels = [number for number in CHANNELS if number <= max(registers.inputs, 1)]
    axes = np.meshgrid(filters, channels, SETS, strips, indexing="ij")
    fitting = axes[0] * axes[1] <= registers.weights
    return [axis[fitting].astype(np.float64)[None, :] for axis in axes]
