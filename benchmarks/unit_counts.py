# SPDX-License-Identifier: Apache-2.0
"""What yosys maps single units to, kept by the hash of their sources, parameters and memories."""

import tempfile
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

from hls.synthesis import netlists
from hls.synthesis.counts import Counts
from hls.synthesis.programs import Program, find_yosys
from hls.synthesis.structure import Part, Structure
from hls.templates import RTL, sources
from hls.templates.unit import Unit
from hwsim import serial

KEPT = Path(__file__).resolve().parent.parent / "build" / "unit_counts"
FAMILY = "xc7"
_INTEGER_BITS = 32
# Memories of what is added to products: what formulas call their bits, and the parameters that say how they are kept.
_WEIGHTS = "_weights.mem"
_ADDED = {"_biases.mem": ("BIAS_BITS", "PE", "ACC_WIDTH"), "_shifts.mem": ("SHIFT_BITS", "LANES", "OUT_WIDTH")}


@cache
def _yosys() -> Program:
    return find_yosys()


def tool() -> str:
    """The yosys that counts, with its version."""
    return _yosys().label


def counted(unit: Unit) -> Counts:
    """Cells of one unit by itself: from an earlier run, or by yosys (synth_xilinx, 7 series)."""
    names = tuple(f"{name}.sv" for name in sources({unit.module}))
    texts = {name: "".join(f"{word}\n" for word in lines) for name, lines in unit.memories.items()}
    parameters = {name: _constant(value) for name, value in unit.parameters.items()}
    structure = Structure(RTL, "unit", names, texts, "", (), {}, ())
    job = netlists.part_job(structure, Part("", unit.name, unit.module, "", parameters), FAMILY, _yosys())
    kept = KEPT / f"{job.key}.json"
    if not kept.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as place:
            root, job = Path(place), replace(job, files={**job.files, **texts})
            netlists.make((job,), _yosys(), root, root)
            serial.write_json(kept, asdict(netlists.counts(job, FAMILY, root)))
    return serial.from_json(Counts, serial.read_json(kept), str(kept))


def described(unit: Unit) -> dict[str, int | str]:
    """A unit's parameters, and what its memories tell: bits of biases or shifts that differ, words of weights."""
    found = dict(unit.parameters)
    for name, lines in unit.memories.items():
        for ending, (told, lanes, width) in _ADDED.items():
            if name.endswith(ending):
                found[told] = _bits(lines, int(unit.parameters[lanes]), int(unit.parameters[width]))
        if name.endswith(_WEIGHTS):  # lines of several banks are too many to matter
            kept = {line for line in lines if int(line, 16)}
            found |= {"WORDS": len(kept), "ZERO_WORDS": sum(not int(line, 16) for line in lines)}
    return found


def _bits(lines: tuple[str, ...], lanes: int, width: int) -> int:
    """Bits of the narrowest format, with any binary point, that holds all numbers of a memory."""
    words = [int(line, 16) >> lane * width & (1 << width) - 1 for line in lines for lane in range(lanes)]
    numbers = [word - (word >> (width - 1) << width) for word in words]
    longest = max((value if value >= 0 else ~value).bit_length() for value in numbers) + 1
    lowest = min(((value & -value).bit_length() - 1 for value in numbers if value), default=longest)
    return longest - lowest


def _constant(value: int | str) -> str:
    """A parameter as a sized constant, as hls.synthesis reads it from a netlist; texts become their bytes."""
    if isinstance(value, int):
        return f"{_INTEGER_BITS}'sb{value & (1 << _INTEGER_BITS) - 1:0{_INTEGER_BITS}b}"
    if value.startswith('"'):
        text = value.strip('"')
        return f"{8 * len(text)}'h{text.encode().hex()}"
    bits, digits = value.split("'h")
    return f"{bits}'b{int(digits, 16):0{bits}b}"
