# SPDX-License-Identifier: Apache-2.0
"""How deep the FIFOs behind a fork must be so that no branch slows the others down.

Where branches meet, the fast one waits until the slow one gives its first result, and goes on waiting by as much for
the rest of the image. What arrives meanwhile stands in the FIFO behind the fork. It must hold ``lag / interval``
images: the lag of the slow branch against the fast one, in cycles, while images follow each other at the pace of the
slowest unit. Nothing in a branch waits for more than its own image, so a whole image of depth never deadlocks; but two
3x3 convolutions lag by four rows, and an image of two rows needs a FIFO of two images.
"""

import math
from collections.abc import Collection, Sequence

from hwsim.fpga.outline.unit import Placed
from hwsim.network import Layer, Network

_STEPS = 8  # cycles through the registers of any one unit, at most


def fork_depths(network: Network, units: Sequence[Placed], given: Collection[str]) -> dict[str, int]:
    """By name of a FIFO behind a fork, the beats that it must hold to keep the pace of the slowest unit.

    Args:
        units: in topological order.
        given: tensors whose FIFOs keep their depth.
    """
    interval = max((unit.timing.interval for unit in units), default=1)
    layers = {layer.name: layer for layer in network.layers}
    fixed = {name for name, layer in layers.items() if layer.output in given}
    waits = _waits(network, units, interval)
    return {
        unit.name: math.ceil(waits[unit.inputs[0]] / interval * unit.timing.beats_in) + 2
        for unit in units
        if unit.module == "fifo" and unit.inputs[0] in waits and unit.layer not in fixed
    }


def _waits(network: Network, units: Sequence[Placed], interval: int) -> dict[str, float]:
    """By a fork's output wire, the cycles for which what passes there waits at the most where branches meet."""
    layers = {layer.name: layer for layer in network.layers}
    late: dict[str, float] = {}  # wire → cycles behind the network's input
    through: dict[str, frozenset[str]] = {}  # wire → the outputs of forks that lie before it
    waits: dict[str, float] = {}
    for unit in units:
        times = [late.get(wire, 0.0) for wire in unit.inputs]
        passed = [through.get(wire, frozenset()) for wire in unit.inputs]
        for time, forks in zip(times, passed, strict=True):
            waits |= {fork: max(waits.get(fork, 0.0), max(times) - time) for fork in forks}
        own = layers.pop(unit.layer, None)  # counted once, with the first of its units
        share = 0.0 if own is None else _share(network, own)
        time = max(times) + share * interval + max(unit.timing.latency - unit.timing.interval, _STEPS)
        for wire in unit.outputs:
            late[wire] = time
            through[wire] = frozenset().union(*passed, {wire} if unit.module == "stream_fork" else ())
    return waits


def _share(network: Network, layer: Layer) -> float:
    """By what share of the interval a layer's results come behind its inputs, while both flow evenly.

    Rows of windows begin when their last row of the input is complete.
    """
    if layer.op in ("dense", "argmax", "global_avg_pool", "global_max_pool"):
        return 1.0
    if layer.op == "upsample2d":
        return 1 / network.tensors[layer.inputs[0]].shape[1]
    if layer.op not in ("conv2d", "max_pool2d", "avg_pool2d", "pad2d"):
        return 0.0
    rows_in, rows_out = network.tensors[layer.inputs[0]].shape[1], network.tensors[layer.output].shape[1]
    kernel, dilation = layer.attrs.get("kernel", (1, 1))[0], layer.attrs.get("dilation", (1, 1))[0]
    stride, top = layer.attrs.get("stride", (1, 1))[0], layer.attrs["padding"][0]
    needed = (min(row * stride + dilation * (kernel - 1) + 1 - top, rows_in) for row in range(rows_out))
    return max(max(float(rows), 0.0) / rows_in - row / rows_out for row, rows in enumerate(needed))
