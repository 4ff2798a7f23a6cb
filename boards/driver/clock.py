# SPDX-License-Identifier: Apache-2.0
"""The clock of the programmable logic: set, read back, and never faster than the one that timing was met for."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

from .errors import ClockError

# A clock is what divisors make of a PLL, and pynq rounds to 1e-6 MHz.
_TOLERANCE = 1e-6
_ZYNQ_7000 = r'NAME="PCW_ACT_FPGA{}_PERIPHERAL_FREQMHZ"\s+VALUE="([\d.]+)"'
_MAX_DIVISOR = 63  # six bits each


def restore_frequencies(overlay: Any, handoff: Path) -> None:
    """Fill in the frequencies that pynq 4.0.0 does not find in the handoff of a Zynq-7000, and then divides by."""
    text = None
    for index, clock in overlay.clock_dict.items():
        if "frequency" in clock and clock["frequency"] is None:
            text = handoff.read_text(encoding="utf-8", errors="replace") if text is None else text
            match = re.search(_ZYNQ_7000.format(index), text)
            clock["frequency"] = float(match.group(1)) if match else 100.0


def set_clock(clocks: Any, timed_mhz: float, wanted_mhz: float | None = None, index: int = 0) -> float:
    """Set a clock to at most what is wanted, and read it back.

    Args:
        clocks: pynq's ``Clocks``.
        timed_mhz: the clock that timing was met for.
        wanted_mhz: at most that; by default it.

    Returns:
        the clock in MHz as it is now: the fastest that the PLL divides to.

    Raises:
        ClockError: more is wanted than timing was met for, or the clock reads back faster.
    """
    wanted = timed_mhz if wanted_mhz is None else wanted_mhz
    if not 0 < wanted <= timed_mhz * (1 + _TOLERANCE):
        raise ClockError(f"clock: got {wanted:g} MHz; expected at most {timed_mhz:g} MHz, for which timing was met")
    name = f"fclk{index}_mhz"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the nearest clock is 1 % off: it is read back below
        setattr(clocks, name, wanted)
        if getattr(clocks, name) > wanted * (1 + _TOLERANCE):  # pynq takes the nearest clock, even if it is faster
            clocks.set_pl_clk(index, *_slower(getattr(clocks, name) * _product(clocks, index), wanted))
    return check_clock(clocks, timed_mhz, index)


def check_clock(clocks: Any, timed_mhz: float, index: int = 0) -> float:
    """The clock in MHz.  Raises ClockError where it is faster than timing was met for."""
    found = float(getattr(clocks, f"fclk{index}_mhz"))
    if found > timed_mhz * (1 + _TOLERANCE):
        raise ClockError(f"clock: runs at {found:g} MHz; expected at most {timed_mhz:g} MHz; set it again before use")
    return found


def _product(clocks: Any, index: int) -> int:
    """What the source is divided by."""
    register = clocks._instance.PL_CLK_CTRLS[index]  # pynq has no public name for the divisors
    return int(register.DIVISOR0) * int(register.DIVISOR1)


def _slower(source_mhz: float, wanted_mhz: float) -> tuple[int, int]:
    """The two divisors that come nearest to the wanted clock from below."""
    pairs = ((a, b) for a in range(1, _MAX_DIVISOR + 1) for b in range(1, a + 1))
    fitting = [(a * b, a, b) for a, b in pairs if source_mhz / (a * b) <= wanted_mhz * (1 + _TOLERANCE)]
    if not fitting:
        raise ClockError(f"clock: got {wanted_mhz:g} MHz; expected at least {source_mhz / _MAX_DIVISOR**2:g} MHz")
    _, first, second = min(fitting)
    return first, second
