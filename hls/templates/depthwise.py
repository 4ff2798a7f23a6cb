# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolutions behind a sliding window: every channel by itself."""

from hls.templates.unit import Array, Unit, words
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow


def depthwise(
    name: str,
    layer: str,
    wires: tuple[str, str],
    matrix: Array,
    bias: Array,
    formats: tuple[FixedPoint, FixedPoint, FixedPoint],
    exact: FixedPoint,
    pe: int,
    windows: int,
) -> Unit:
    """The sum over the taps of each channel's window, plus a bias.

    Args:
        wires: in and out.
        matrix: (channels, taps) integers, taps in the order in which they arrive.
        bias: (channels,) integers.
        formats: of the input, the weights and the bias.
        exact: a signed format that holds every exact result, at the finest of the binary points.
        pe: channels at a time; divides their number.
        windows: per image.
    """
    channels, taps = matrix.shape
    source, weight, offset = formats
    blocks = matrix.reshape(channels // pe, pe, taps).transpose(0, 2, 1).reshape(-1, pe)
    aligned = (bias.astype("int64") << (exact.frac - offset.frac)).reshape(-1, pe)
    files = f"{name}_weights.mem", f"{name}_biases.mem"
    parameters: dict[str, int | str] = {
        "CHANNELS": channels,
        "TAPS": taps,
        "PE": pe,
        "IN_WIDTH": source.width,
        "IN_SIGNED": int(source.signed),
        "W_WIDTH": weight.width,
        "W_SIGNED": int(weight.signed),
        "ACC_WIDTH": exact.width,
        "SHIFT": exact.frac - source.frac - weight.frac,
        "WEIGHT_FILE": f'"{files[0]}"',
        "BIAS_FILE": f'"{files[1]}"',
    }
    memories = {files[0]: words(blocks, weight.width), files[1]: words(aligned, exact.width)}
    timing = dataflow.depthwise(channels, taps, pe, windows)
    return Unit(name, "depthwise", layer, parameters, timing, (wires[0],), (wires[1],), memories)
