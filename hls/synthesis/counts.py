# SPDX-License-Identifier: Apache-2.0
"""From the cells of a netlist to resources."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hwsim.errors import UnknownNameError
from hwsim.estimate import Figure, Resources
from hwsim.registry import suggest


@dataclass(frozen=True)
class Counts:
    """Cells of a netlist.

    ``lut`` counts every look-up table by itself, whatever its size, the inverters, and the LUTs that a LUT RAM or
    shift register takes. ``lut_paired`` is the same where yosys estimates that two small ones share a 6-input LUT
    (its "estimated number of LCs"); for families without such an estimate it equals ``lut``. ``bram18`` counts blocks
    of 18 kbit: a RAMB36 is two, a DP16KD one. ``lutram`` are those of ``lut`` that are LUT RAM or shift registers.
    ``carry`` counts cells: CARRY4 of four bits, CCU2C of two; a CCU2C takes
    two LUTs, which are in ``lut``.
    """

    lut: int = 0
    lut_paired: int = 0
    ff: int = 0
    dsp: int = 0
    bram18: int = 0
    uram: int = 0
    carry: int = 0
    lutram: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    def resources(self) -> Resources:
        """The counts as figures of an estimate; LUTs lie between ``lut_paired`` and ``lut``."""
        lut = Figure(self.lut, min(self.lut_paired, self.lut), self.lut, "synthesis")
        others = (Figure.exact(value, "synthesis") for value in (self.ff, self.dsp, self.bram18, self.uram))
        return Resources(lut, *others)


# LUTs of a LUT RAM, by cell (AMD UG953, UG974: "Design Element" pages say how many 6-input LUTs each occupies).
_LUT_RAM = {
    "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM512X1S": 8,
    "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8,
    "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "RAM32X16DR8": 8, "RAM64X8SW": 8,
    "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1,
}  # fmt: skip

# What one cell is: a pattern of its type → counts. Whatever matches nothing takes no resource that is counted
# (wide multiplexers, clock buffers, constants); units by themselves are no cells.
_XILINX: Mapping[str, Counts] = {
    "LUT[1-6]|INV": Counts(lut=1),
    **{name: Counts(lut=luts, lut_paired=luts, lutram=luts) for name, luts in _LUT_RAM.items()},
    "FD[RSCP]E(_1)?": Counts(ff=1),
    "DSP48E[12]": Counts(dsp=1),
    "RAMB18E[12]": Counts(bram18=1),
    "RAMB36E[12]": Counts(bram18=2),
    "URAM288": Counts(uram=1),
    "CARRY4|CARRY8": Counts(carry=1),
}
# Lattice FPGA-TN-02200 (ECP5 memory): 16x4 bits of distributed RAM take the four LUTs of two slices.
_ECP5: Mapping[str, Counts] = {
    "LUT4": Counts(lut=1, lut_paired=1),
    "TRELLIS_DPR16X4": Counts(lut=4, lut_paired=4, lutram=4),
    "CCU2C": Counts(lut=2, lut_paired=2, carry=1),
    "TRELLIS_FF": Counts(ff=1),
    "MULT18X18D": Counts(dsp=1),
    "DP16KD|PDPW16KD": Counts(bram18=1),
}
_CELLS: Mapping[str, Mapping[str, Counts]] = {"xc7": _XILINX, "xcup": _XILINX, "ecp5": _ECP5}
FAMILIES = tuple(_CELLS)


def expect_family(family: str) -> None:
    """Refuse a family that is not in :data:`FAMILIES`.

    Raises:
        UnknownNameError: with what it could have meant.
    """
    if family not in FAMILIES:
        raise UnknownNameError(f"synthesis: unknown family '{family}'; {suggest(family, FAMILIES)}")


def count(family: str, cells: Mapping[str, int], paired: int = 0) -> Counts:
    """Resources of a netlist.

    Args:
        cells: how many there are of each type.
        paired: yosys's estimate of logic cells, 0 where it gives none.
    """
    total = Counts(lut_paired=paired)
    for kind, number in cells.items():
        for pattern, one in _CELLS[family].items():
            if re.fullmatch(pattern, kind):
                total += Counts(*(number * getattr(one, name) for name in one.__dataclass_fields__))
    return total
