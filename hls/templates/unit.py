# SPDX-License-Identifier: Apache-2.0
"""What a hardware unit is: a module with parameters, memories and the wires it is connected to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga.dataflow import Timing

Array = npt.NDArray[Any]

#: A folding's ``memory`` → STYLE of rom.sv. LUT RAM with a content that stays is LUTs.
ROM_STYLES = {"auto": "auto", "logic": "luts", "distributed": "luts", "block": "block"}


@dataclass(frozen=True)
class Unit:
    """One instance of a module.

    ``parameters`` are SystemVerilog expressions by name; ``memories`` are the words of its ``.mem`` files by file
    name, in hexadecimal; ``timing`` is per image. ``inputs`` and ``outputs`` are wires; a module with several on one
    side takes them side by side, the first in the low bits. ``sources`` are the texts of its SystemVerilog files by
    file name, where its module is none of ``hls/rtl``.
    """

    name: str
    module: str
    layer: str
    parameters: Mapping[str, int | str]
    timing: Timing
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    memories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


def bits64(value: int) -> str:
    """A number of up to 64 bits as a SystemVerilog literal, in two's complement."""
    return f"64'h{value & (1 << 64) - 1:016x}"


def words(values: Array, width: int) -> tuple[str, ...]:
    """Rows of integers as memory words: ``width`` bits per value, the first one in the low bits.

    Args:
        values: (words, values per word) integers; negative ones become two's complement.
    """
    lanes = values.shape[1]
    bits = (values.astype(np.int64)[..., None] >> np.minimum(np.arange(width), 63)) & 1
    packed = np.packbits(bits.astype(np.uint8).reshape(len(values), -1), axis=1, bitorder="little")
    digits = -(-lanes * width // 4)
    return tuple(row.tobytes()[::-1].hex()[-digits:].zfill(digits) for row in packed)


def rom_style(layer: str, memory: str, content: str) -> str:
    """The parameter that says where rom.sv keeps its ``content``, as the error calls it.

    Raises:
        UnsupportedError: such a memory cannot start with a content.
    """
    if memory not in ROM_STYLES:
        raise UnsupportedError(
            f"{layer}: got memory '{memory}' for {content}; expected {', '.join(ROM_STYLES)}; UltraRAM cannot start "
            "with a content (UG573)"
        )
    return f'"{ROM_STYLES[memory]}"'


def expect_divisor(layer: str, name: str, value: int, number: int, what: str) -> None:
    """Refuse a folding that does not divide, and name the nearest ones that do.

    Raises:
        UnsupportedError: ``value`` does not divide ``number``.
    """
    if number % value == 0:
        return
    legal = [divisor for divisor in range(1, number + 1) if number % divisor == 0]
    below = [divisor for divisor in legal if divisor < value][-1:]
    above = [divisor for divisor in legal if divisor > value][:1]
    nearest = ", ".join(map(str, below + above))
    raise UnsupportedError(f"{layer}: {name}={value} must divide {number} {what}; nearest: {nearest}")


def expect_modes(layer: str, fmt: FixedPoint, roundings: Sequence[str], overflows: Sequence[str]) -> None:
    """Refuse a rounding or overflow mode that the hardware lacks.

    Raises:
        UnsupportedError: with the modes there are.
    """
    for value, known in ((fmt.rounding, roundings), (fmt.overflow, overflows)):
        if value not in known:
            raise UnsupportedError(
                f"{layer}: {fmt} needs {value}; expected {', '.join(known)}; choose one of these in the number format"
            )
