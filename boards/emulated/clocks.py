# SPDX-License-Identifier: Apache-2.0
"""The clock registers of Zynq-7000 and Zynq UltraScale+, as far as pynq's ``Clocks`` looks at them.

Zynq-7000: AMD UG585, appendix B, "slcr"; Zynq UltraScale+: AMD UG1087, "CRL_APB" and "CRF_APB".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .faults import Faults

_SIX_BITS = 0x3F
WRITES_OF_A_LOAD = (
    6  # to the clock's register: two divisors by pynq's Overlay, by its Clocks, and once more by the driver
)


@dataclass(frozen=True)
class Family:
    """Registers after boot, where the divisors of the first PL clock stand, and the source's frequency."""

    initial: Mapping[int, int]
    control: int  # address of the first PL clock's register
    first_shift: int
    second_shift: int
    source_mhz: float


ZYNQ_7000 = Family(
    {
        0xF800_0100: 26 << 12,  # ARM PLL: 1300 MHz
        0xF800_0104: 21 << 12,  # DDR PLL: 1050 MHz
        0xF800_0108: 20 << 12,  # IO PLL: 1000 MHz
        0xF800_0120: 2 << 8,  # CPU: ARM PLL / 2
        **{0xF800_0170 + 0x10 * i: 10 << 8 | 1 << 20 for i in range(4)},  # FPGAi_CLK_CTRL: IO PLL / 10 / 1
    },
    0xF800_0170,
    8,
    20,
    1000.0,
)
ULTRASCALE = Family(
    {
        0xFF5E_0020: 90 << 8 | 1 << 16,  # IO PLL: 33.3333 x 90 / 2 = 1500 MHz
        0xFF5E_0030: 45 << 8 | 1 << 16,  # RPLL
        0xFD1A_0020: 72 << 8 | 1 << 16,  # APLL: 1200 MHz
        0xFD1A_002C: 64 << 8 | 1 << 16,
        0xFD1A_0038: 90 << 8 | 1 << 16,
        0xFD1A_0060: 1 << 8,  # CPU: APLL / 1
        **{0xFF5E_00C0 + 4 * i: 1 << 24 | 1 << 16 | 15 << 8 for i in range(4)},  # PLi_REF_CTRL: IO PLL / 15 / 1
    },
    0xFF5E_00C0,
    8,
    16,
    33.3333 * 90 / 2,
)
FAMILIES = {"armv7l": ZYNQ_7000, "aarch64": ULTRASCALE}


@dataclass
class Clocks:
    """The registers of one board, by address."""

    family: Family
    faults: Faults
    registers: dict[int, int] = field(init=False)
    wrong: int = 0  # writes that go wrong

    def __post_init__(self) -> None:
        self.registers = dict(self.family.initial)

    @property
    def mhz(self) -> float:
        """The first PL clock."""
        value = self.registers[self.family.control]
        first, second = (value >> shift & _SIX_BITS for shift in (self.family.first_shift, self.family.second_shift))
        return self.family.source_mhz / (max(first, 1) * max(second, 1))

    def read(self, address: int) -> int:
        """A register; 0 where there is none."""
        return self.registers.get(address, 0)

    def write(self, address: int, value: int) -> None:
        """A register."""
        if address == self.family.control and self.faults.take("wrong_clock"):
            self.wrong = WRITES_OF_A_LOAD
        if address == self.family.control and self.wrong > 0:
            self.wrong -= 1
            shift = self.family.first_shift
            first = value >> shift & _SIX_BITS
            value = value & ~(_SIX_BITS << shift) | max(first // 2, 1) << shift
        self.registers[address] = value
