# SPDX-License-Identifier: Apache-2.0
"""One dense layer of hls4ml as Vitis HLS reports it – before logic synthesis – over many layers at once.

A layer belongs to one of three regimes:

    folded      resource strategy, reuse factor above 1     multipliers in a loop over the weights of a ROM
    unrolled    resource strategy, reuse factor 1           products by constants; a loop of one pass
    latency     latency strategy                            products by constants; with reuse they take turns at a few
                                                            multipliers

DSP, BRAM18, cycles and interval are formulas without constants. LUT and FF are sums of the terms below, with constants
of hwsim/fpga/hls4ml_constants.py (`benchmarks/resource_model.py` fits them).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from hwsim.columns import Prediction
from hwsim.fpga import constant_products
from hwsim.fpga.constant_products import Products
from hwsim.fpga.hls4ml_constants import DENSE
from hwsim.fpga.linear import Terms, evaluate
from hwsim.fpga.resources import Array, rom_blocks

METRICS = ("lut", "ff", "dsp", "bram18", "cycles", "ii")
PARAMETERS = ("n_in", "n_out", "weight_bits", "reuse")
REGIMES = ("folded", "unrolled", "latency")
SUM_BITS = 16.0  # hls4ml's default accumulator, ap_fixed<16,6>
DSP_BITS = 5.0  # of a weight, from which HLS takes a DSP block for its product by 16 bits
MERGED_BITS = 6.0  # … and from which it puts the addition into the block, too
MUX_SIZES = (5, 6, 7, 8)  # log2 of the ways of the multiplexers that were seen
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class DenseLayers:
    """Dense layers with inputs and sums of 16 bits; arrays of shape (layers,).

    ``weight_limit`` is the largest absolute weight in units of its last bit; the weights are spread evenly over ±limit.
    ``resource`` is the strategy: resource, else latency.
    """

    n_in: Array
    n_out: Array
    weight_bits: Array
    weight_limit: Array
    reuse: Array
    resource: Mask

    def only(self, chosen: Mask) -> "DenseLayers":
        """The layers of a mask."""
        return DenseLayers(
            self.n_in[chosen], self.n_out[chosen], self.weight_bits[chosen], self.weight_limit[chosen],
            self.reuse[chosen], self.resource[chosen],
        )  # fmt: skip


def untrained_limit(n_in: Array, weight_bits: Array) -> Array:
    """The ``weight_limit`` of weights as Keras' lecun_uniform draws them, ±sqrt(3 / n_in), with one integer bit."""
    return np.asarray(np.sqrt(3 / n_in) * 2 ** (weight_bits - 1))


def regime(layers: DenseLayers) -> npt.NDArray[np.str_]:
    """The regime of every layer, (layers,)."""
    return np.where(layers.resource, np.where(layers.reuse > 1, "folded", "unrolled"), "latency")


# --- folded: weights in a ROM ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Folded:
    """What the formulas of folded layers share: a multiplier handles `outputs_each` outputs one after another."""

    multipliers: Array
    outputs_each: Array
    top_bits: Array  # of the weight in the top bits of the ROM: HLS drops those that its values do not need
    in_luts: Array  # multipliers whose addition is not part of a DSP block
    rom_bits: Array  # width


def _folded(layers: DenseLayers) -> _Folded:
    w = layers.weight_bits
    count = np.ceil(layers.n_in * layers.n_out / layers.reuse)
    largest = np.floor(layers.weight_limit + 0.5)
    top = np.clip(np.ceil(np.log2(largest + 1)) + 1, np.minimum(w, 2), w)
    in_luts = np.where(w < DSP_BITS, count, np.where(top < MERGED_BITS, 1.0, 0.0))
    return _Folded(count, layers.reuse / layers.n_in, top, in_luts, (count - 1) * w + top)


def _folded_counts(layers: DenseLayers) -> dict[str, Array]:
    f = _folded(layers)
    in_dsp = f.multipliers - (f.top_bits < DSP_BITS)
    # Which of its outputs a multiplier works on is read from a table; of two, every other one.
    index = np.where(f.outputs_each > 2, np.ceil(np.log2(np.maximum(f.outputs_each, 1.0))), 0.0)
    # Without a DSP block's register and without a table to read the loop is a cycle shorter.
    short = (layers.weight_bits < DSP_BITS) & (f.outputs_each <= 2)
    return {
        "dsp": np.where(layers.weight_bits < DSP_BITS, 0.0, in_dsp),
        "bram18": rom_blocks(f.rom_bits, layers.reuse) + rom_blocks(index, layers.reuse),
        "cycles": layers.reuse + np.where(short, 1.0, 2.0),
        "ii": layers.reuse,
    }


def _folded_lut(layers: DenseLayers) -> Terms:
    f = _folded(layers)
    size = np.ceil(np.log2(layers.n_out))
    indexed = np.where(f.outputs_each > 2, f.multipliers, 0.0)  # each selects among all sums by a table
    nearest = np.clip(size, MUX_SIZES[0], MUX_SIZES[-1])
    muxes = {f"mux{2**q}": np.where(nearest == q, indexed * 2.0 ** (size - nearest), 0.0) for q in MUX_SIZES}
    return {
        "layer": np.ones_like(size), "input": layers.n_in, "output": layers.n_out,
        "output_of_pair": np.where(f.outputs_each <= 2, layers.n_out, 0.0), "lut_product": f.in_luts, **muxes,
    }  # fmt: skip


def _folded_ff(layers: DenseLayers) -> Terms:
    f = _folded(layers)
    paired, narrow = f.outputs_each <= 2, layers.weight_bits < DSP_BITS
    registered = np.where(narrow, np.where(paired, 0.0, f.rom_bits), SUM_BITS * f.multipliers)
    registered = np.where(paired & ~narrow, f.rom_bits, registered)
    one = np.ones_like(f.multipliers)
    return {
        "sum_bit": SUM_BITS * layers.n_out, "register_bit": registered,
        "pair_product": np.where(paired & ~narrow, f.top_bits < MERGED_BITS, 0.0),
        "reuse_bit": np.ceil(np.log2(layers.reuse)), "index_bit": np.ceil(np.log2(np.maximum(f.outputs_each, 1.0))),
        "layer": one, "narrow_layer": one * narrow, "paired_layer": one * paired,
        "narrow_paired_layer": one * (narrow & paired),
    }  # fmt: skip


# --- products by constants ---------------------------------------------------------------------------------------


def _products(layers: DenseLayers) -> Products:
    found = constant_products.uniform(layers.n_in, layers.n_out, layers.weight_limit)
    # Where rounding leaves fewer, as with two bits, as much is built as for half of the weights.
    nonzero = np.maximum(0.5 * layers.n_in * layers.n_out, found.nonzero)
    return Products(nonzero, found.shift_adds, found.multipliers, found.small)


def _takes_turns(layers: DenseLayers) -> Mask:
    return ~layers.resource & (layers.reuse > 1)


def _constant_counts(layers: DenseLayers) -> dict[str, Array]:
    p = _products(layers)
    shared = _takes_turns(layers)
    # nnet_utils/nnet_dense_latency.h: ALLOCATION operation instances=mul limit=multiplier_limit
    limit = np.ceil(layers.n_in * layers.n_out / layers.reuse)
    turns = np.maximum(np.ceil(p.multipliers / limit), 1.0) + 1
    in_dsp = p.multipliers - p.small
    return {
        "dsp": np.where(shared, np.minimum(in_dsp, limit), in_dsp),
        "bram18": np.zeros_like(limit),
        "cycles": np.where(shared, turns, 1.0),
        "ii": np.where(shared, turns + 1, np.where(layers.resource, 2.0, 1.0)),
    }


def _constant_lut(layers: DenseLayers) -> Terms:
    p = _products(layers)
    return {"add": p.nonzero, "shift_add": p.shift_adds, "product": p.multipliers}


def _constant_ff(layers: DenseLayers) -> Terms:
    p = _products(layers)
    shared = _takes_turns(layers)
    # Vectors in registers: inputs and outputs; in the latency strategy half sums, too, with interval 1 twice.
    vectors = layers.n_in + np.where(layers.resource, 1.0, np.where(shared, 2.0, 3.0)) * layers.n_out
    return {
        "bit": SUM_BITS * vectors,
        "add": np.where(p.shift_adds + p.multipliers > 0, p.nonzero, 0.0),
        "product": np.where(shared, 0.0, p.multipliers),
        "merged_add": np.where(shared, 0.0, _merged(p)),
        "waiting_add": np.where(shared & (p.multipliers > 0), p.nonzero, 0.0),
    }


def _merged(p: Products) -> Array:
    """Additions of two products: candidates for the adders of DSP blocks."""
    return np.asarray(p.multipliers**2 / np.maximum(p.nonzero, 1.0))


# --- all of them -------------------------------------------------------------------------------------------------


def terms(layers: DenseLayers, of: str, metric: str) -> Terms:
    """The terms of "lut" or "ff" for layers of one regime."""
    folded, constant = (_folded_lut, _constant_lut) if metric == "lut" else (_folded_ff, _constant_ff)
    return (folded if of == "folded" else constant)(layers)


def counts(layers: DenseLayers, of: str) -> Mapping[str, Array]:
    """DSP, BRAM18, cycles and interval of layers of one regime, each (layers,)."""
    return _folded_counts(layers) if of == "folded" else _constant_counts(layers)


def cost(layers: DenseLayers) -> dict[str, Prediction]:
    """Cycles, interval and resources with their error bars, by metric; each (layers,)."""
    kinds = regime(layers)
    found = {metric: np.full((3, len(kinds)), np.nan) for metric in METRICS}
    for kind in np.unique(kinds).tolist():
        chosen = kinds == kind
        part = layers.only(chosen)
        values = dict(counts(part, kind))
        for metric in ("lut", "ff"):
            values[metric] = evaluate(terms(part, kind, metric), DENSE[kind].constants[metric])
        for metric, value in values.items():
            whole = np.rint(value)
            bar = DENSE[kind].bars[metric] * np.maximum(whole, 1.0)
            found[metric][:, chosen] = whole, np.maximum(whole - bar, 0.0), whole + bar
    return {metric: Prediction(*columns) for metric, columns in found.items()}


def outside(layers: DenseLayers) -> dict[str, Mask]:
    """Where layers lie outside the designs that the constants were fitted to: masks (layers,) by parameter."""
    kinds = regime(layers)
    result = {name: np.zeros(len(kinds), dtype=np.bool_) for name in PARAMETERS}
    for kind, name in product(REGIMES, PARAMETERS):
        low, high = DENSE[kind].range[name]
        column: Array = getattr(layers, name)
        result[name] |= (kinds == kind) & ((column < low) | (column > high))
    return result
