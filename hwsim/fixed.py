# SPDX-License-Identifier: Apache-2.0
"""Fixed-point numbers: the one arithmetic that training, simulation, C++, RTL and boards must agree on.

A value is an integer times ``2**-frac``. Rounding and overflow have the meaning of the ``ap_fixed`` types that
hls4ml generates (AMD UG1399, "Arbitrary Precision Fixed-Point Data Types"); ``tests/test_hwsim_fixed.py``
compiles those C++ types and compares every mode.
"""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.errors import FormatError
from hwsim.registry import suggest

IntArray = npt.NDArray[np.int64]
RealArray = npt.NDArray[np.float64]

ROUNDINGS = ("TRN", "TRN_ZERO", "RND", "RND_ZERO", "RND_INF", "RND_MIN_INF", "RND_CONV")
OVERFLOWS = ("WRAP", "SAT", "SAT_ZERO", "SAT_SYM")
_SPELLING = re.compile(r"\s*(?:ap_)?(u?)(fixed|int)\s*<([^>]*)>\s*")


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A fixed-point format: ``width`` bits in all, ``frac`` of them after the binary point.

    ``frac`` may be negative or exceed ``width``, as in ``ap_fixed``. ``rounding`` says what happens to bits below
    the point, ``overflow`` to values outside the range.

    Raises:
        FormatError: width outside 1..64 (1..63 unsigned), or an unknown mode.
    """

    width: int
    frac: int
    signed: bool = True
    rounding: str = "TRN"
    overflow: str = "WRAP"

    def __post_init__(self) -> None:
        limit = 64 if self.signed else 63  # integers live in int64
        if not 1 <= self.width <= limit:
            kind = "signed" if self.signed else "unsigned"
            raise FormatError(
                f"width: got {self.width} bits; expected 1 to {limit} for a {kind} format; choose a width in that range"
            )
        if not -64 <= self.frac <= 128:
            raise FormatError(f"frac: got {self.frac} fractional bits; expected -64 to 128")
        if self.rounding not in ROUNDINGS:
            raise FormatError(f"unknown rounding '{self.rounding}'; {suggest(self.rounding, ROUNDINGS)}")
        if self.overflow not in OVERFLOWS:
            raise FormatError(f"unknown overflow '{self.overflow}'; {suggest(self.overflow, OVERFLOWS)}")

    @property
    def integer(self) -> int:
        """Bits before the binary point, the sign included: the ``I`` of ``ap_fixed<W,I>``."""
        return self.width - self.frac

    @property
    def min_int(self) -> int:
        """Smallest integer of the format (``-max_int`` under SAT_SYM, except that one bit still holds -1)."""
        if not self.signed:
            return 0
        return -max(self.max_int, 1) if self.overflow == "SAT_SYM" else -(1 << (self.width - 1))

    @property
    def max_int(self) -> int:
        """Largest integer of the format."""
        return (1 << (self.width - 1)) - 1 if self.signed else (1 << self.width) - 1

    @property
    def step(self) -> float:
        """The value of the last bit, ``2**-frac``."""
        return 2.0**-self.frac

    def __str__(self) -> str:
        modes = "" if (self.rounding, self.overflow) == ("TRN", "WRAP") else f",AP_{self.rounding},AP_{self.overflow}"
        return f"ap_{'' if self.signed else 'u'}fixed<{self.width},{self.integer}{modes}>"

    @classmethod
    def parse(cls, text: str) -> "FixedPoint":
        """Read ``ap_fixed<W,I,Q,O,N>`` or ``ap_int<W>`` (without ``ap_`` and ``AP_`` too).

        ``ap_int`` drops a fraction towards zero, as C++ does (UG1399; ``to_ap_int_base`` in ap_fixed_base.h).

        Raises:
            FormatError: the text is not such a type, or it asks for N > 0 saturated bits under WRAP.
        """
        match = _SPELLING.fullmatch(text)
        parts = [part.strip() for part in match[3].split(",")] if match else []
        if match is not None and match[2] == "int":
            parts = [*parts, *parts, "TRN_ZERO"] if len(parts) == 1 else []
        saturated = parts[4] if len(parts) == 5 else "0"
        if match is None or not 2 <= len(parts) <= 5 or not all(re.fullmatch(r"-?\d+", p) for p in parts[:2]):
            raise FormatError(
                f"type: got '{text}'; expected ap_fixed<width,integer[,rounding[,overflow]]> or ap_int<width>"
            )
        if saturated != "0":
            raise FormatError(f"type: got '{text}' with {saturated} saturated bits; expected 0; use AP_SAT instead")
        modes = [part.removeprefix("AP_") for part in parts[2:4]] + ["TRN", "WRAP"][len(parts[2:4]) :]
        width, integer = int(parts[0]), int(parts[1])
        return cls(width, width - integer, not match[1], modes[0], modes[1])

    def holds(self, other: "FixedPoint") -> bool:
        """Whether every value of ``other`` is a value of this format."""
        if other.frac > self.frac:
            return False
        shift = self.frac - other.frac
        return other.min_int << shift >= self.min_int and other.max_int << shift <= self.max_int

    def cast(self, values: npt.ArrayLike, frac: int) -> IntArray:
        """Convert integers with ``frac`` fractional bits to this format's integers.

        Raises:
            FormatError: the values are not integers, or the conversion needs more than 63 bits.
        """
        ints = _integers(values)
        shift = frac - self.frac
        if shift > 0:
            ints = round_shift(ints, shift, self.rounding)
        elif shift < 0:
            ints = _shift_left(ints, -shift)
        return self._limit(ints)

    def cast_ratio(self, numerators: npt.ArrayLike, divisor: int, frac: int) -> IntArray:
        """Convert the exact rational ``numerators / divisor * 2**-frac`` to this format's integers, rounding once.

        ``divisor`` is positive. This is how a mean over a pooling window is cast.
        """
        ints = _integers(numerators)
        shift = frac - self.frac
        if shift < 0:
            ints, shift = _shift_left(ints, -shift), 0
        if divisor & (divisor - 1) == 0:
            return self._limit(round_shift(ints, shift + divisor.bit_length() - 1, self.rounding))
        return self._limit(_round_divide(ints, divisor << shift, self.rounding))

    def quantise(self, reals: npt.ArrayLike) -> IntArray:
        """Convert real numbers to this format's integers with its rounding and overflow.

        Raises:
            FormatError: a value is not finite, or its scaled magnitude exceeds 2**62.
        """
        scaled = np.asarray(reals, dtype=np.float64) * 2.0**self.frac  # exact: a power of two
        if not np.all(np.isfinite(scaled)):
            raise FormatError(f"{self}: got a value that is not finite; expected finite numbers")
        if np.any(np.abs(scaled) >= 2.0**62):
            raise FormatError(f"{self}: a value needs more than 62 bits at frac={self.frac}; lower frac")
        return self._limit(_round_real(scaled, self.rounding))

    def to_real(self, ints: npt.ArrayLike) -> RealArray:
        """The real values of integers of this format (float64; exact up to 53 significant bits)."""
        return np.asarray(ints, dtype=np.float64) * self.step

    def _limit(self, ints: IntArray) -> IntArray:
        low, high = self.min_int, self.max_int
        if self.overflow in ("SAT", "SAT_SYM"):
            return np.clip(ints, low, high)
        if self.overflow == "SAT_ZERO":
            return np.where((ints < low) | (ints > high), 0, ints)
        if self.width == 64:
            return ints
        if not self.signed:
            return ints & np.int64(high)
        unused = 64 - self.width  # the bits above the format, replaced by copies of its sign
        return (ints << unused) >> unused


def _integers(values: npt.ArrayLike) -> IntArray:
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "biu":
        raise FormatError(f"cast: got {array.dtype} values; expected integers; use quantise for real numbers")
    return array.astype(np.int64, copy=False)


def _shift_left(ints: IntArray, shift: int) -> IntArray:
    if ints.size and (shift > 62 or max(int(ints.max()), -int(ints.min())) >= 1 << (62 - shift)):
        raise FormatError(f"a shift left by {shift} bits leaves 63 bits; narrow the formats")
    return ints << shift


def round_shift(ints: IntArray, shift: int, rounding: str) -> IntArray:
    """Divide integers by ``2**shift`` (0 to 62) with one of the ap_fixed rounding modes."""
    if shift == 0:
        return ints
    if shift > 62:
        raise FormatError(f"a shift right by {shift} bits exceeds 62; bring the formats closer together")
    floor = ints >> shift
    remainder = ints & ((1 << shift) - 1)
    return floor + _increment(floor, remainder, 1 << (shift - 1), ints, rounding)


def _increment(floor: IntArray, remainder: IntArray, half: int, ints: IntArray, rounding: str) -> IntArray:
    """0 or 1 to add to the floor of a division by a power of two, from the remainder."""
    negative = ints < 0
    if rounding == "TRN":
        up = np.zeros_like(remainder, dtype=bool)
    elif rounding == "TRN_ZERO":
        up = negative & (remainder > 0)
    elif rounding == "RND":  # ties towards plus infinity
        up = remainder >= half
    elif rounding == "RND_MIN_INF":
        up = remainder > half
    elif rounding == "RND_ZERO":
        up = (remainder > half) | ((remainder == half) & negative)
    elif rounding == "RND_INF":
        up = (remainder > half) | ((remainder == half) & ~negative)
    else:  # RND_CONV: ties to even
        up = (remainder > half) | ((remainder == half) & (floor & 1 == 1))
    return up.astype(np.int64)


def _round_divide(ints: IntArray, divisor: int, rounding: str) -> IntArray:
    """Divide by any positive integer with an ap_fixed rounding mode; ties are compared exactly."""
    if divisor >= 1 << 62:
        raise FormatError(f"a mean needs a division by {divisor}, beyond 62 bits; narrow the formats")
    floor = np.floor_divide(ints, divisor)
    remainder = ints - floor * divisor
    return floor + _increment(floor, 2 * remainder, divisor, ints, rounding)


def _round_real(scaled: RealArray, rounding: str) -> IntArray:
    whole = np.floor(np.abs(scaled))
    fraction = np.abs(scaled) - whole  # exact, which scaled - floor(scaled) is not just below zero
    # The remainder is compared with zero and one half only, so four classes (0, below, at, above half) suffice.
    level = np.where(fraction == 0, 0, 2 + np.sign(fraction - 0.5)).astype(np.int64)
    below = (scaled < 0) & (fraction > 0)
    floor = np.where(scaled < 0, -whole, whole).astype(np.int64) - below
    remainder = np.where(below, 4 - level, level)
    return floor + _increment(floor, remainder, 2, np.where(below, -1, 1).astype(np.int64), rounding)
