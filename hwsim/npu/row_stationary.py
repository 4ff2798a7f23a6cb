# SPDX-License-Identifier: Apache-2.0
"""The row-stationary dataflow of Eyeriss: cycles and accesses of the best mapping of every kernel.

Chen, Emer, Sze, ISCA 2016, section V, and Chen, Krishna, Emer, Sze, IEEE JSSC 52(1), 2017, section IV, in their
letters: an element convolves one row of ``S`` weights with one row of inputs; a set of ``R`` by ``e`` elements makes
``e`` rows of outputs. An element keeps ``p`` filters of ``q`` channels; ``r`` sets side by side take further channels,
``t`` further filters:

    cycles of a pass   p q S F              F: outputs per row
    passes             ceil(M / p t) ceil(C / q r) ceil(E / e)    per image and group

within  q S <= inputs, p q S <= weights, p <= sums  that a register file holds, and  R e r t <= elements. Filters higher
than the array or wider than the register file are computed in pieces. Every mapping of a grid of (q, r, e), with as
many filters as the registers hold, is costed at once; the one with the least product of cycles and on-chip energy is
taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.columns import Column
from hwsim.npu.accesses import Accesses, Plan, of_operand, of_sums
from hwsim.npu.problem import Problem

# Costs on chip relative to a product, to choose mappings by: ISCA 2016, table IV.
WEIGHTS_OF_LEVELS = (1.0, 2.0, 6.0)
CHANNELS = (1, 2, 3, 4, 6, 12)
CHUNK = 32  # kernels whose mappings are costed in one go: they stay in a cache
SETS = (1, 2, 4, 14, 56, 168)


@dataclass(frozen=True)
class Registers:
    """What the register file of an element holds, in numbers."""

    inputs: int
    weights: int
    sums: int


Levels = tuple[Column, Column, Column]  # accesses of registers, network and buffer


@dataclass(frozen=True, eq=False)
class Mappings:
    """Ways to compute kernels, each (kernels, mappings): the letters of this file's head, and which are possible."""

    p: Column
    q: Column
    r: Column
    e: Column
    t: Column
    legal: npt.NDArray[np.bool_]

    def axes(self) -> tuple[Column, Column, Column, Column, Column]:
        """The letters alone, of one shape."""
        p, q, r, e, t = np.broadcast_arrays(self.p, self.q, self.r, self.e, self.t)
        return p, q, r, e, t


def plan(work: Problem, rows: int, columns: int, registers: Registers, batch: int, kept: Column) -> Plan:
    """Cycles and accesses of every kernel of a batch; ``kept`` is the share of the channels computed, (kernels,)."""
    names = tuple(work.loops)
    bounds = np.stack([*(work.loops[name] for name in names), kept])
    different, which = np.unique(bounds, axis=1, return_inverse=True)  # networks repeat their layers
    pieces = [different[:, first : first + CHUNK] for first in range(0, max(different.shape[1], 1), CHUNK)]
    found = [
        _mapped(dict(zip(names, some, strict=False)), some[-1], rows, columns, registers, batch) for some in pieces
    ]
    joined = (np.concatenate(level, axis=-1) for level in zip(*found, strict=True))
    register, noc, buffer, cycles = (np.where(work.multiplies, level[..., which.ravel()], 0.0) for level in joined)
    return Plan(cycles, Accesses(register, noc, buffer))


def _mapped(
    bounds: Mapping[str, Column], kept: Column, rows: int, columns: int, registers: Registers, batch: int
) -> tuple[Column, Column, Column, Column]:
    """Register, network and buffer accesses, (3, kernels) each, and cycles, (kernels,), of the best mappings."""
    shape = {name: column[:, None] for name, column in bounds.items()}
    shape["c"] = np.ceil(shape["c"] * kept[:, None])
    shape["width"] = np.minimum(shape["fx"], registers.inputs)
    shape["height"] = np.minimum(shape["fy"], rows)
    tried = _legal(shape, _grid(columns, registers), rows, columns, registers)
    cycles, kinds = _cost(shape, tried, batch)
    spent = sum((price * kind[level] for level, price in enumerate(WEIGHTS_OF_LEVELS) for kind in kinds), np.zeros(1))
    products = batch * shape["groups"] * shape["k"] * shape["oy"] * shape["ox"] * shape["c"] * shape["fy"] * shape["fx"]
    best = np.argmin(np.where(tried.legal, cycles * (products + spent), np.inf), axis=1)[:, None]
    p, q, r, e, t = (np.take_along_axis(axis, best, axis=1) for axis in tried.axes())
    chosen = Mappings(p, q, r, e, t, np.ones_like(best, dtype=np.bool_))
    cycles, kinds = _cost(shape, chosen, batch)
    register, noc, buffer = (np.stack([kind[level][:, 0] for kind in kinds]) for level in range(3))
    return register, noc, buffer, cycles[:, 0]


def _legal(
    shape: Mapping[str, Column], grid: list[Column], rows: int, columns: int, registers: Registers
) -> Mappings:  # fmt: skip
    """The mappings of a grid cut to every kernel's size, (kernels, mappings)."""
    q, r, e = grid
    e = np.minimum(e, shape["oy"])
    sets = np.floor(rows / shape["height"]) * np.floor(columns / e)
    q = np.minimum(q, shape["c"])
    r = np.minimum(np.minimum(r, sets), np.ceil(shape["c"] / q))
    held = q * shape["width"]
    p = np.minimum(np.clip(np.floor(registers.weights / held), 1, max(registers.sums, 1)), shape["k"])
    t = np.minimum(np.floor(sets / r), np.ceil(shape["k"] / p))
    p = np.ceil(shape["k"] / (np.ceil(shape["k"] / (p * t)) * t))  # the same number of passes, equally full
    legal = (held <= registers.inputs) & (p * held <= registers.weights) | ((q == 1) & (r == 1))
    return Mappings(p, q, r, e, t, legal)


def _cost(shape: Mapping[str, Column], mapped: Mappings, batch: int) -> tuple[Column, tuple[Levels, Levels, Levels]]:
    """Cycles, and (register, network, buffer) accesses of weights, inputs and sums, each (kernels, mappings)."""
    p, q, r, e, t = mapped.axes()
    m, c, ox, oy = (shape[name] for name in ("k", "c", "ox", "oy"))
    width, height = shape["width"], shape["height"]
    pieces = np.ceil(shape["fx"] / width) * np.ceil(shape["fy"] / height)
    strips = batch * shape["groups"] * np.ceil(oy / e)
    over_filters, rounds = np.ceil(m / (p * t)), np.ceil(c / (q * r)) * pieces
    cycles = strips * over_filters * rounds * p * q * width * ox

    outputs = batch * shape["groups"] * m * oy * ox
    products = c * shape["fy"] * shape["fx"]
    uses = outputs * products
    # A weight serves a row of outputs in its element, and all e elements of its row of the set get it at once.
    weight_loads = uses / (ox * oy) * np.ceil(oy / e)
    # An input serves p filters and the windows that overlap it; the diagonal of a set and t sets get it at once.
    overlap = width / np.minimum(width, shape["stride_x"])
    patch = ((e - 1) * shape["stride_y"] + height) * ((ox - 1) * shape["stride_x"] + width)
    input_loads = strips * over_filters * c * pieces * patch
    return cycles, (
        of_operand(uses, weight_loads, uses / ox),
        of_operand(uses, input_loads, uses / (p * overlap)),
        of_sums(outputs, products, rounds, np.minimum(height * r, products / rounds)),
    )


def _grid(columns: int, registers: Registers) -> list[Column]:
    """All mappings to be tried: channels, sets for channels and rows of outputs of a set, (1, mappings) each.

    A set's rows of outputs are the array's columns shared by a whole number of sets.
    """
    strips = tuple(dict.fromkeys(columns // side for side in (1, 2, 3, 4, 7, 14) if side <= columns))
    channels = [number for number in CHANNELS if number <= max(registers.inputs, 1)]
    axes = np.meshgrid(channels, SETS, strips, indexing="ij")
    return [axis.astype(np.float64).reshape(1, -1) for axis in axes]
