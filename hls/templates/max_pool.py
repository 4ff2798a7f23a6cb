# SPDX-License-Identifier: Apache-2.0
"""The largest value of a window, channel by channel."""

from hls.templates.unit import Unit
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow


def max_pool(
    name: str, layer: str, wires: tuple[str, str], source: FixedPoint, lanes: int, taps: int, windows: int
) -> Unit:
    """The largest of ``taps`` successive beats, ``windows`` times per image, for ``lanes`` channels at a time."""
    parameters: dict[str, int | str] = {
        "LANES": lanes,
        "WIDTH": source.width,
        "IN_SIGNED": int(source.signed),
        "TAPS": taps,
    }
    timing = dataflow.max_pool(taps, windows)
    return Unit(name, "max_pool", layer, parameters, timing, (wires[0],), (wires[1],))
