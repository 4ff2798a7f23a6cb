# SPDX-License-Identifier: Apache-2.0
"""Designs of one unit, small enough to be synthesised in a second."""

from pathlib import Path

from rtl_units import WIRES, alone, stream

from hls.emit import write
from hls.templates.streams import width_converter
from hwsim.fixed import FixedPoint

ACT = FixedPoint(8, 4)
CONVERTER_FF = 4 * ACT.width + 2 + 1  # a word, which part of it leaves, whether there is one
CONVERTER_IN = 1 + 4 * ACT.width + 1 + 1  # reset, data, valid, ready
CONVERTER_OUT = ACT.width + 1 + 1


def converter(folder: Path) -> Path:
    """Unit b of layer conv: four lanes become one."""
    unit = width_converter("b", "conv", WIRES, ACT.width, (4, 1), 4)
    write(alone(unit, stream("a", ACT, 4, 4), stream("b", ACT, 1, 16)), folder)
    return folder


def synthesis_cache(rtl_cache: Path) -> Path:
    """Where netlists are kept while tests run, so that tests share them."""
    folder = rtl_cache / "synthesis"
    folder.mkdir(exist_ok=True)
    return folder
