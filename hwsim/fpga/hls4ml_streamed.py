# SPDX-License-Identifier: Apache-2.0
"""Layers of streamed hls4ml networks as Vivado HLS reports them: the resource strategy with reuse, or none of it.

Dense, one-dimensional convolutional (kernel 3) and LSTM layers of 16-bit weights and inputs; arrays over many layers at
once. DSP blocks and block RAM are the formulas of folded dense layers (hwsim/fpga/hls4ml_dense.py) for the matrices
inside, and exact for all layers with reuse of github:HeRCLab/N-TORC (Vivado HLS 2019.1, 4 ns). LUT and FF are sums of
terms with constants of hwsim/fpga/hls4ml_constants.py; the other numbers were read from the same reports.

Without reuse (1 asked for) products are by constants and their number follows from what weights are trained to, as in
hwsim/fpga/hls4ml_mlp.py; LUT and FF are those of as many multipliers, and long sums take half a cycle per term. Nothing
was fitted to the ten published layers of that kind, which give the error bars.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.columns import Prediction
from hwsim.fpga import constant_products
from hwsim.fpga.hls4ml import nearest_legal_reuse
from hwsim.fpga.hls4ml_constants import MLP, STREAMED, STREAMED_UNROLLED
from hwsim.fpga.hls4ml_dense import DenseLayers, counts
from hwsim.fpga.linear import Terms, evaluate
from hwsim.fpga.resources import Array

KINDS = ("dense", "conv1d_k3", "lstm")
METRICS = ("lut", "ff", "dsp", "bram18", "cycles")
STREAM_VALUES = 16.0  # channels of the images in front of dense layers
LONG_INPUT = 512.0  # inputs from which HLS builds other multiplexers
TERMS_PER_CYCLE = 2.0  # of sums without reuse, at 4 ns


@dataclass(frozen=True, eq=False)
class StreamedLayers:
    """Layers of one kind of KINDS; arrays of shape (layers,).

    ``n_in`` and ``n_out`` are channels, features or units; ``length`` is the number of positions or time steps, unused
    by dense layers; ``reuse`` is what was asked for, in whose place hls4ml takes the nearest legal one.
    """

    kind: str
    n_in: Array
    n_out: Array
    length: Array
    weight_bits: Array
    reuse: Array

    def only(self, chosen: npt.NDArray[np.bool_]) -> "StreamedLayers":
        """The layers of a mask."""
        return StreamedLayers(
            self.kind, self.n_in[chosen], self.n_out[chosen], self.length[chosen], self.weight_bits[chosen],
            self.reuse[chosen],
        )  # fmt: skip


def _matrices(layers: StreamedLayers) -> list[DenseLayers]:
    """The matrices inside; trained weights use half of their bits."""
    n, m = layers.n_in, layers.n_out
    shapes = {"dense": [(n, m)], "conv1d_k3": [(3 * n, m)], "lstm": [(n, 4 * m), (m, 4 * m)]}[layers.kind]
    limit = 2 ** (layers.weight_bits / 2 - 1) - 1
    every = np.ones(len(n), dtype=np.bool_)
    return [
        DenseLayers(rows, columns, layers.weight_bits, limit, nearest_legal_reuse(rows, columns, layers.reuse), every)
        for rows, columns in shapes
    ]


def structure(layers: StreamedLayers) -> dict[str, Array]:
    """DSP, BRAM18 and cycles, each (layers,)."""
    inside = _matrices(layers)
    reuse = np.max([one.reuse for one in inside], axis=0)
    found = [counts(one, "folded") for one in inside]
    dsp, bram18 = (np.sum([one[metric] for one in found], axis=0) for metric in ("dsp", "bram18"))
    dsp = np.where(unrolled(layers), _constant_multipliers(layers), dsp)
    bram18 = np.where(unrolled(layers), 0.0, bram18)
    if layers.kind == "lstm":
        dsp = dsp + 3 * layers.n_out  # gates by candidate, state and output
        bram18 = bram18 + 2 * layers.n_out + np.where(unrolled(layers), 0.0, 1.0)  # tables of the activations
    return {"dsp": dsp, "bram18": bram18, "cycles": _CYCLES[layers.kind](layers, reuse)}


def unrolled(layers: StreamedLayers) -> npt.NDArray[np.bool_]:
    """The layers without reuse, whatever was asked for, (layers,)."""
    return np.asarray(np.max([one.reuse for one in _matrices(layers)], axis=0) == 1)


def _constant_multipliers(layers: StreamedLayers) -> Array:
    """DSP blocks of products by trained constants, (layers,)."""
    found = np.zeros(len(layers.n_in))
    for one in _matrices(layers):
        deviation = MLP.constants["scale"]["hidden"] * np.sqrt(2 / (one.n_in + one.n_out))
        products = constant_products.trained(
            one.n_in, one.n_out, one.n_in * one.n_out, deviation * 2 ** (layers.weight_bits / 2), layers.weight_bits
        )
        found += products.multipliers - products.small
    return found


def _dense_cycles(layers: StreamedLayers, reuse: Array) -> Array:
    # Longer vectors are flattened images, which arrive pixel by pixel; a single output follows another dense layer.
    flattened = (layers.n_in > 2 * STREAM_VALUES) & (layers.n_out > 1)
    folded = reuse + 6 + np.where(flattened, layers.n_in / STREAM_VALUES + 6, 0.0)
    alone = layers.n_in / TERMS_PER_CYCLE + 3 + np.where(flattened, 9.0, 0.0)
    return np.where(unrolled(layers), alone, folded)


def _conv_cycles(layers: StreamedLayers, reuse: Array) -> Array:
    # Lengths are stated before the pooling by 2 in front of every layer but the first; padding adds two positions.
    length = layers.length / np.where(layers.n_in > 1, 2.0, 1.0)
    folded = (length + 2) * (reuse + np.where(unrolled(layers), 7.0, 10.0))
    # Only where no reuse was asked for does a position follow the other cycle by cycle.
    return np.where(layers.reuse == 1, length + 3 * layers.n_in / TERMS_PER_CYCLE + 5, folded)


def _lstm_cycles(layers: StreamedLayers, reuse: Array) -> Array:
    return np.asarray(layers.length * (reuse + 21 + layers.n_in / 2) + 1)


_CYCLES: dict[str, Callable[[StreamedLayers, Array], Array]] = {
    "dense": _dense_cycles, "conv1d_k3": _conv_cycles, "lstm": _lstm_cycles
}  # fmt: skip


def terms(layers: StreamedLayers, metric: str) -> Terms:
    """The terms of "lut" or "ff", each (layers,)."""
    inside = _matrices(layers)
    multipliers = [np.ceil(one.n_in * one.n_out / one.reuse) for one in inside]
    first = inside[0]
    shared = {
        "layer": np.ones(len(first.n_in)), "input": first.n_in, "output": layers.n_out,
        "product": np.sum(multipliers, axis=0),
    }  # fmt: skip
    if metric == "ff":
        # Products by constants that are no multipliers have no registers.
        return {**shared, "product": np.where(unrolled(layers), _constant_multipliers(layers), shared["product"])}
    operands = [np.where(_selects(one), count * np.where(one.n_out > 1, one.n_out, one.n_in), 0.0)
                for one, count in zip(inside, multipliers, strict=True)]  # fmt: skip
    each = [one.reuse / one.n_in for one in inside]  # outputs of a multiplier

    def serving(low: float, high: float) -> Array:
        """Multipliers with more than `low` and up to `high` outputs."""
        chosen = [np.where((k > low) & (k <= high), count, 0.0) for k, count in zip(each, multipliers, strict=True)]
        return np.asarray(np.sum(chosen, axis=0))

    return {
        **shared, "long_input": np.where(first.n_in >= LONG_INPUT, first.n_in, 0.0),
        "selected_operand": np.sum(operands, axis=0), "of_2_outputs": serving(1, 2), "of_4_outputs": serving(2, 4),
        "of_more_outputs": serving(4, np.inf),
    }  # fmt: skip


def _selects(matrix: DenseLayers) -> npt.NDArray[np.bool_]:
    """Whether every multiplier has a multiplexer of its own."""
    return np.asarray((matrix.reuse > 2) & (matrix.reuse < matrix.n_in) & (matrix.n_in < LONG_INPUT))


def cost(layers: StreamedLayers) -> dict[str, Prediction]:
    """Cycles and resources with their error bars, by metric; each (layers,)."""
    calibration, alone = STREAMED[layers.kind], unrolled(layers)
    values = structure(layers)
    for metric in ("lut", "ff"):
        values[metric] = evaluate(terms(layers, metric), calibration.constants[metric])
    found = {}
    for metric in METRICS:
        whole = np.rint(values[metric])
        bar = np.where(alone, STREAMED_UNROLLED.bars[metric], calibration.bars[metric]) * np.maximum(whole, 1.0)
        found[metric] = Prediction(whole, np.maximum(whole - bar, 0.0), whole + bar)
    return found
