# SPDX-License-Identifier: Apache-2.0
"""The hardware units: for every module in ``hls/rtl`` one file here that checks, sets parameters, fills memories.

    unit.py             what a unit is; divisors and their error messages; memory files
    operands.py         integers, formats, multipliers and memories of matrix units
    matrix_vector.py    dense layers and convolutions, PE × SIMD at a time
    sparse.py           the same, without the blocks of weights that are zero
    sliding_window.py   windows of an image out of a line buffer
    ram.py              the shape of a memory's block RAMs
    cast.py             relu, clip and number formats
    unrolled.py         dense layers and convolutions as adders, in modules made for their weights
    threshold.py        staircases: start + slope · (how many thresholds are reached)
    scale.py            a factor and a shift per channel
    lookup.py           functions of one number as tables
    argmax.py           the place of the largest value
    max_pool.py         the largest value of a window
    mean.py             sums over a window or an image, and their exact division
    shape.py            concatenation, padding, upsampling
    streams.py          FIFO, width converter, fork, addition

Others stand around a design: ``control`` and ``axi_lite`` (:mod:`hls.registers`), and ``data_mover``, which joins its
streams to memory where no AXI DMA engine does.

Cycles come from :mod:`hwsim.fpga.dataflow`. A new module is a ``.sv`` file, a function that makes its
:class:`~hls.templates.unit.Unit`, and a formula; lint finds it by its file.
"""

import re
from collections.abc import Mapping
from pathlib import Path

RTL = Path(__file__).resolve().parent.parent / "rtl"
_INSTANCE = re.compile(r"^\s*(\w+)\s*#?\(", re.MULTILINE)


def _instances(file: Path, known: set[str]) -> tuple[str, ...]:
    code = re.sub(r"//.*", "", file.read_text())
    return tuple(sorted((set(_INSTANCE.findall(code)) & known) - {file.stem}))


_FILES = sorted(RTL.glob("*.sv"))
#: Every module → the modules it instantiates; a file holds one module, named like the file.
MODULES: Mapping[str, tuple[str, ...]] = {
    file.stem: _instances(file, {other.stem for other in _FILES}) for file in _FILES
}


def sources(modules: set[str]) -> tuple[str, ...]:
    """The modules and all they instantiate, in alphabetical order."""
    found: set[str] = set()
    waiting = set(modules)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= set(MODULES[name]) - found
    return tuple(sorted(found))
