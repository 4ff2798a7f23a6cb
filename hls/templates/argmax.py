# SPDX-License-Identifier: Apache-2.0
"""The place of the largest value: a classifier's answer."""

from hls.templates.unit import Unit
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow


def argmax(
    name: str, layer: str, wires: tuple[str, str], source: FixedPoint, place: FixedPoint, lanes: int, classes: int
) -> Unit:
    """The first of the largest of ``classes`` values, which come ``lanes`` at a time.

    Args:
        wires: in and out.
        place: the unsigned format of the answer.
        lanes: divides the classes.
    """
    blocks = classes // lanes
    parameters: dict[str, int | str] = {
        "LANES": lanes,
        "BLOCKS": blocks,
        "IN_WIDTH": source.width,
        "IN_SIGNED": int(source.signed),
        "OUT_WIDTH": place.width,
    }
    return Unit(name, "argmax", layer, parameters, dataflow.argmax(blocks, lanes), (wires[0],), (wires[1],))
