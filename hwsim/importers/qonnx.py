# SPDX-License-Identifier: Apache-2.0
"""What a quantiser node of an ONNX or QONNX file means, as data.

The semantics are those of the QONNX operator definitions (``qonnx/custom_op/general``: ``intquant.py``,
``bipolar_quant.py``, ``trunc.py``, ``multithreshold.py``, version 1.0) and of ONNX QuantizeLinear. The arithmetic of
:func:`quantise_reals` is qonnx's own order of float32 operations, so folded weights are equal bit for bit.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint

Array = npt.NDArray[Any]

Reader = Callable[[str, Mapping[str, Any], list[Array]], "Quantiser"]

DOMAINS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
CHANNELS_LAST = "qonnx.custom_op.channels_last"

# QONNX rounding mode -> (ap_fixed mode or None where there is no such mode, numpy function). HALF_UP and HALF_DOWN
# work on the magnitude in QONNX, which makes them ap_fixed's RND_INF and RND_ZERO.
ROUNDINGS: Mapping[str, tuple[str | None, Callable[[Array], Array]]] = {
    "ROUND": ("RND_CONV", np.round),
    "HALF_EVEN": ("RND_CONV", np.round),
    "FLOOR": ("TRN", np.floor),
    "DOWN": ("TRN_ZERO", np.fix),
    "ROUND_TO_ZERO": ("TRN_ZERO", np.fix),
    "HALF_UP": ("RND_INF", lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5)),
    "HALF_DOWN": ("RND_ZERO", lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5)),
    "CEIL": (None, np.ceil),
    "UP": (None, lambda x: np.sign(x) * np.ceil(np.abs(x))),
}


@dataclass(frozen=True, eq=False)
class Quantiser:
    """Levels ``(n - zero_point) * scale`` for the integers n of ``bits`` bits.

    One signed bit is bipolar: -1 and +1. ``scale`` None means that the levels are known by their number only (what
    version 1 of Trunc truncates to).
    """

    bits: int
    scale: Array | None = None
    zero_point: Array | float = 0.0
    signed: bool = True
    narrow: bool = False
    rounding: str = "ROUND"

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest integer level (qonnx ``min_int``, ``max_int``)."""
        if self.signed:
            return -(1 << (self.bits - 1)) + self.narrow, (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1 - self.narrow

    @property
    def is_per_channel(self) -> bool:
        """Whether scale or zero point are not the same for the whole tensor."""
        return any(np.unique(part).size > 1 for part in (self.scale, self.zero_point) if part is not None)

    def activation_format(self) -> FixedPoint | None:
        """The saturating fixed-point format with these levels; None where fixed point cannot express them."""
        rounding, frac = ROUNDINGS[self.rounding][0], self._frac()
        if frac is None or rounding is None or (self.narrow and not self.signed):
            return None
        return FixedPoint(self.bits, frac, self.signed, rounding, "SAT_SYM" if self.narrow else "SAT")

    def weight_format(self) -> FixedPoint | None:
        """The format that stores constants already on these levels; None where fixed point cannot express them."""
        frac = self._frac()
        return None if frac is None else FixedPoint(self.bits, frac, self.signed)

    def _frac(self) -> int | None:
        if self.scale is None or np.any(self.zero_point) or (self.bits == 1 and self.signed):
            return None
        scales = np.unique(self.scale)
        mantissa, exponent = np.frexp(scales[0])
        if len(scales) != 1 or mantissa != 0.5:
            return None
        return 1 - int(exponent)


@dataclass(frozen=True, eq=False)
class Thresholds:
    """Levels ``bias + scale * n`` where n says how many of its channel's thresholds a value reaches.

    ``thresholds`` is (channels, steps), or (1, steps) where all channels have the same.
    """

    thresholds: Array
    scale: float = 1.0
    bias: float = 0.0

    @property
    def bits(self) -> int:
        """Width of the integer n."""
        return max(1, int(self.thresholds.shape[-1]).bit_length())

    def activation_format(self) -> None:
        """None: thresholds are no rounding."""
        return


def quantise_reals(reals: Array, quantiser: Quantiser) -> Array:
    """The values a quantiser maps constants to (float32, qonnx ``int_quant``); the shape is kept."""
    if quantiser.scale is None:
        raise UnsupportedError(
            "constants on levels known by their number only; expected a Quant node; export the weights with Quant nodes"
        )
    scale = np.asarray(quantiser.scale, dtype=np.float32)
    zero_point = np.asarray(quantiser.zero_point, dtype=np.float32)
    levels = np.asarray(reals, dtype=np.float32) / scale + zero_point
    if quantiser.bits == 1 and quantiser.signed:
        levels = np.where(levels >= 0, np.float32(1), np.float32(-1))
    else:
        low, high = quantiser.limits
        levels = ROUNDINGS[quantiser.rounding][1](np.clip(levels, np.float32(low), np.float32(high)))
    return np.asarray((levels - zero_point) * scale, dtype=np.float32)


def read_quant(name: str, attrs: Mapping[str, Any], arrays: list[Array]) -> Quantiser:
    """``Quant`` and ``IntQuant``: ``arrays`` are scale, zero point and bit width."""
    scale, zero_point, bits = arrays
    rounding = _rounding(name, attrs.get("rounding_mode", "ROUND"))
    return Quantiser(
        _bits(name, bits),
        _scale(name, scale),
        zero_point.astype(np.float64),
        bool(attrs.get("signed", 1)),
        bool(attrs.get("narrow", 0)),
        rounding,
    )


def read_bipolar(name: str, attrs: Mapping[str, Any], arrays: list[Array]) -> Quantiser:
    """``BipolarQuant``: ``arrays`` is the scale; the levels are -scale and +scale."""
    return Quantiser(1, _scale(name, arrays[0]), narrow=True)


def read_trunc(name: str, attrs: Mapping[str, Any], arrays: list[Array]) -> tuple[Quantiser | None, Quantiser]:
    """``Trunc``: scale, zero point, input bits, output bits; in version 2 the output scale before the output bits.

    Version 2 rounds to the input's levels and then to the output's: two quantisers. Version 1 divides by
    ``2**(input bits - output bits)`` and keeps the scale, which a quantiser alone cannot say: only the width is kept.
    """
    bits = _bits(name, arrays[-1])
    if len(arrays) == 4:
        return None, Quantiser(bits)
    zero_point, signed = arrays[1].astype(np.float64), bool(attrs.get("signed", 1))
    rounding = _rounding(name, attrs.get("rounding_mode", "FLOOR"))
    grid = Quantiser(_bits(name, arrays[2]), _scale(name, arrays[0]), zero_point, signed)
    return grid, Quantiser(bits, _scale(name, arrays[3]), zero_point, signed, bool(attrs.get("narrow", 0)), rounding)


def read_multithreshold(name: str, attrs: Mapping[str, Any], arrays: list[Array]) -> Thresholds:
    """``MultiThreshold``: ``arrays`` is the (channels, steps) thresholds."""
    scale, bias = attrs.get("out_scale", 1.0), attrs.get("out_bias", 0.0)
    return Thresholds(arrays[0].astype(np.float64), float(scale), float(bias))


def read_datatype(name: str) -> Quantiser | None:
    """The FINN annotation of an integer constant (qonnx ``core/datatype.py``); None for float and unknown types."""
    if name == "BIPOLAR":
        return Quantiser(1, np.ones(()), narrow=True)
    if name in ("BINARY", "TERNARY"):
        return Quantiser(1 if name == "BINARY" else 2, np.ones(()), signed=name == "TERNARY")
    match = re.fullmatch(r"(U?)INT(\d+)", name)
    return Quantiser(int(match[2]), np.ones(()), signed=not match[1]) if match and int(match[2]) <= 32 else None


def from_levels(name: str, scale: Array, zero_point: Array, low: int, high: int) -> Quantiser:
    """A QuantizeLinear–Clip–DequantizeLinear chain that keeps the integers ``low`` to ``high``.

    Raises:
        UnsupportedError: the bounds are not those of an integer type.
    """
    signed = low < 0
    bits = (high if not signed else max(high, ~low)).bit_length() + signed
    for narrow in (False, True):
        quantiser = Quantiser(bits, _scale(name, scale), zero_point.astype(np.float64), signed, narrow)
        if quantiser.limits == (low, high):
            return quantiser
    raise UnsupportedError(
        f"{name}: keeps the integers {low} to {high}; expected the range of an integer type; "
        "clip to the range of some bit width"
    )


def _scale(name: str, scale: Array) -> Array:
    if not np.all(np.isfinite(scale)) or np.any(scale <= 0):
        raise UnsupportedError(
            f"{name}: scale {scale.ravel()[:3].tolist()} is not positive and finite; expected a "
            "positive scale; calibrate the quantiser again"
        )
    return scale.astype(np.float64)


def _bits(name: str, bits: Array) -> int:
    values = np.unique(bits)
    if len(values) != 1 or values[0] != np.floor(values[0]) or not 1 <= values[0] <= 32:
        raise UnsupportedError(
            f"{name}: bit width is {values[:3].tolist()}; expected one integer from 1 to 32 for the "
            "whole tensor; quantise with a fixed integer width"
        )
    return int(values[0])


def _rounding(name: str, mode: str) -> str:
    if mode.upper() not in ROUNDINGS:
        raise UnsupportedError(f"{name}: rounding mode '{mode}' is unknown; expected one of {', '.join(ROUNDINGS)}")
    return mode.upper()
