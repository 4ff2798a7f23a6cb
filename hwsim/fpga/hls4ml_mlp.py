# SPDX-License-Identifier: Apache-2.0
"""Whole multilayer perceptrons of hls4ml as Vitis HLS reports them – before logic synthesis –, many designs at once.

Dense layers in the latency strategy with io_parallel and trained, often pruned weights, a ReLU behind every one but the
last and a softmax behind that. The weights themselves are not known, only how many are not zero: they are taken as
normally distributed, with a deviation proportional to Glorot's sqrt(2 / (n_in + n_out)) (AISTATS 2010).

DSP, BRAM18, cycles and interval are formulas; LUT and FF are what the modules around the dense layers take, and sums of
terms with constants of hwsim/fpga/hls4ml_constants.py. Numbers of ReLU and softmax are those of the module reports of
github:ArgyKokk/hls4ml_MLP_estimator (Vitis HLS 2021.1, 3.33 and 5 ns), which they give exactly (softmax: within 5 %).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hwsim.columns import Prediction
from hwsim.fpga import constant_products
from hwsim.fpga.constant_products import Products
from hwsim.fpga.hls4ml_constants import MLP, MLP_PRUNING
from hwsim.fpga.linear import Constants, Terms, evaluate
from hwsim.fpga.resources import Array

METRICS = ("lut", "ff", "dsp", "bram18", "cycles", "ii")
FAST_NS = 4.0  # below, modules need the pipeline registers of the 3.33 ns designs, above those of the 5 ns designs
SUM_BITS = 16.0
LUT_PRODUCT = 62 / 64  # LUT per bit by bit of a multiplier in LUTs: 62 of 8 x 8 bits in every design
# HLS leaves long sums as chains of adders: of 105 terms in these designs, of 64 and more in github:HeRCLab/N-TORC
# (Vivado HLS 2019.1, where they take two terms per cycle); up to 46 terms they are trees.
CHAIN_TERMS = 60.0
TERMS_PER_CYCLE = 2.18
Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Mlps:
    """Designs by their dense layers, one after another.

    ``design`` is the number of the design a layer belongs to, ascending from 0; the arrays up to ``reuse`` have the
    shape (layers,), ``clock_ns`` and ``lut_multipliers`` – whether multipliers were forced into LUTs – (designs,).
    """

    design: Index
    n_in: Array
    n_out: Array
    nonzero: Array
    weight_bits: Array
    weight_frac: Array
    input_bits: Array
    reuse: Array
    clock_ns: Array
    lut_multipliers: Mask

    @cached_property
    def is_last(self) -> Mask:
        """The layers that a softmax follows, (layers,)."""
        return np.append(self.design[1:] != self.design[:-1], True)[: len(self.design)]

    @cached_property
    def fast(self) -> Mask:
        """The designs with the registers of a fast clock, (designs,)."""
        return np.asarray(self.clock_ns < FAST_NS)

    def per_design(self, column: Array) -> Array:
        """Sums over the layers of each design, (designs,)."""
        return np.asarray(np.bincount(self.design, column, minlength=len(self.clock_ns)), dtype=np.float64)

    @cached_property
    def dense_layers(self) -> Array:
        """How many dense layers each design has, (designs,)."""
        return self.per_design(np.ones(len(self.design), dtype=np.float64))


def assumed_nonzero(n_in: Array, n_out: Array, density: Constants = MLP_PRUNING.constants["density"]) -> Array:
    """Weights other than zero in layers whose pruning is not known: the larger the layer, the more are pruned.

    The share is ``density["one"] + density["decade"] log10(weights)``, between 0.1 and 1: the layers of the designs
    that the model was fitted to. (layers,)
    """
    weights = n_in * n_out
    share = density["one"] + density["decade"] * np.log10(weights)
    return np.asarray(np.rint(np.clip(share, 0.1, 1.0) * weights))


def products(mlps: Mlps, scale: Constants) -> Products:
    """Expected products of every layer; `scale` is the deviation over Glorot's in "hidden" and "output" layers."""
    factor = np.where(mlps.is_last, scale["output"], scale["hidden"])
    deviation = factor * np.sqrt(2 / (mlps.n_in + mlps.n_out)) * 2**mlps.weight_frac
    return constant_products.trained(mlps.n_in, mlps.n_out, mlps.nonzero, deviation, mlps.weight_bits)


@dataclass(frozen=True, eq=False)
class _Layers:
    """What the formulas share, (layers,)."""

    blocks: Array  # multipliers there are
    waiting: Array  # products that take turns at them
    depth: Array  # cycles of the sums
    cycles: Array
    chained: Mask


def _layers(mlps: Mlps, p: Products) -> _Layers:
    pruned = mlps.n_in * mlps.n_out - mlps.nonzero
    # parameters.h: multiplier_limit = DIV_ROUNDUP(n_in * n_out, reuse_factor) - n_zeros / reuse_factor
    limit = np.maximum(np.ceil(mlps.n_in * mlps.n_out / mlps.reuse) - np.floor(pruned / mlps.reuse), 1.0)
    reused = mlps.reuse > 1
    own = p.multipliers - p.small
    summed = mlps.nonzero / mlps.n_out
    registers = 2.0 * (mlps.fast & ~mlps.lut_multipliers)[mlps.design]  # of a DSP block
    chained = summed > CHAIN_TERMS
    tree = np.ceil(np.log2(np.maximum(summed, 1.0))) + registers
    depth = np.maximum(np.where(chained, np.rint(summed / TERMS_PER_CYCLE), tree), 1.0)
    turns = np.ceil(p.multipliers / limit)
    takes_turns = reused & (turns > 1)
    cycles = np.where(takes_turns, np.maximum(depth, turns + registers), depth)
    return _Layers(
        blocks=np.where(reused, np.minimum(own, limit), own),
        waiting=np.where(takes_turns & (mlps.reuse > 2), p.multipliers, 0.0),
        depth=depth,
        cycles=cycles,
        chained=chained,
    )


def counts(mlps: Mlps, scale: Constants) -> dict[str, Array]:
    """DSP, BRAM18, cycles and interval of every design, each (designs,)."""
    layers = _layers(mlps, products(mlps, scale))
    classes = mlps.n_out[mlps.is_last]
    dense = mlps.dense_layers
    pipelined = mlps.per_design(np.where(mlps.reuse > 1, 1.0, 0.0)) == 0
    levels = np.ceil(np.log2(classes))
    softmax = np.where(mlps.fast, 7 + 3 * levels, 6 + 2 * levels) - np.where(mlps.lut_multipliers, 2.0 + mlps.fast, 0.0)
    calls = np.where(pipelined, 3.0, 2.0) * dense - 1  # states of the module that calls the layers
    interval = np.minimum(mlps.reuse, layers.cycles + 1)
    longest = np.zeros(len(classes))
    np.maximum.at(longest, mlps.design, interval)
    return {
        "dsp": np.where(mlps.lut_multipliers, 0.0, mlps.per_design(layers.blocks) + classes),
        "bram18": classes,  # tables of exponentials
        "cycles": mlps.per_design(layers.cycles) + np.where(mlps.fast, dense - 1, 0.0) + softmax + calls,
        "ii": longest,
    }


def around(mlps: Mlps, metric: str) -> Array:
    """LUT or FF of ReLU and softmax; (designs,)."""
    classes = mlps.n_out[mlps.is_last]
    hidden = mlps.per_design(np.where(mlps.is_last, 0.0, mlps.n_out))
    if metric == "ff":
        softmax = np.where(mlps.fast, 226 * classes - 68, 230 * classes - 216)
        return np.asarray(softmax + np.where(mlps.fast, 34.0, 0.0) * hidden)
    softmax = np.where(mlps.fast, 150 * classes - 41, 165 * classes - 137)
    softmax += np.where(mlps.lut_multipliers, 366 * classes, 0.0)
    return np.asarray(softmax + np.where(mlps.fast, 56.0, 43.0) * hidden)


def known(mlps: Mlps, metric: str, scale: Constants) -> Array:
    """LUT or FF of what needs no fit: ReLU, softmax, registers between layers, multipliers in LUTs; (designs,)."""
    if metric == "ff":
        widths = np.append(mlps.input_bits[1:], 0.0)[: len(mlps.n_in)]  # what the next layer reads
        between = SUM_BITS * mlps.n_out + np.where(mlps.is_last, 0.0, widths * mlps.n_out)
        return around(mlps, metric) + mlps.per_design(between)
    products_in_luts = LUT_PRODUCT * mlps.weight_bits * mlps.input_bits * _layers(mlps, products(mlps, scale)).blocks
    return around(mlps, metric) + np.where(mlps.lut_multipliers, mlps.per_design(products_in_luts), 0.0)


def terms(mlps: Mlps, metric: str, scale: Constants) -> Terms:
    """The terms of "lut" or "ff" that have constants, each (designs,)."""
    p = products(mlps, scale)
    layers = _layers(mlps, p)
    # Operands wait in registers where many inferences are under way: in a chain, or between the levels of a fast tree.
    under_way = np.where(layers.chained, mlps.reuse < layers.depth, mlps.fast[mlps.design] & (mlps.reuse == 1))
    shared = {
        "add": mlps.per_design(mlps.nonzero),
        "pipelined_add": mlps.per_design(np.where(under_way, mlps.nonzero / mlps.reuse, 0.0)),
    }
    if metric == "lut":
        return {**shared, "waiting_product": mlps.per_design(layers.waiting)}
    return {**shared, "product": mlps.per_design(p.multipliers)}


def cost(mlps: Mlps, bars: Mapping[str, float] = MLP.bars) -> Mapping[str, Prediction]:
    """Cycles, interval and resources of every design with their error bars, by metric; each (designs,).

    ``bars`` are relative half-widths; those of MLP_PRUNING belong to designs with `assumed_nonzero` weights.
    """
    scale = MLP.constants["scale"]
    values = counts(mlps, scale)
    for metric in ("lut", "ff"):
        values[metric] = known(mlps, metric, scale) + evaluate(terms(mlps, metric, scale), MLP.constants[metric])
    found = {}
    for metric in METRICS:
        whole = np.rint(values[metric])
        bar = bars[metric] * np.maximum(whole, 1.0)
        found[metric] = Prediction(whole, np.maximum(whole - bar, 0.0), whole + bar)
    return found


def outside(mlps: Mlps) -> dict[str, Mask]:
    """Which designs lie outside those that the constants were fitted to: masks (designs,) by parameter."""
    columns = {
        "n_in": mlps.n_in, "n_out": mlps.n_out, "weight_bits": mlps.weight_bits, "input_bits": mlps.input_bits,
        "reuse": mlps.reuse, "clock_ns": mlps.clock_ns[mlps.design],
    }  # fmt: skip
    result = {}
    for name, column in columns.items():
        low, high = MLP.range[name]
        result[name] = mlps.per_design(np.where((column < low) | (column > high), 1.0, 0.0)) > 0
    return result
