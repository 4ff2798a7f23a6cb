# SPDX-License-Identifier: Apache-2.0
"""What number formats a network shall get: a small record that recipes hold as JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from hwsim.errors import FormatError, UnknownNameError
from hwsim.fixed import FixedPoint
from hwsim.registry import suggest

#: Rounding of every quantiser, as ap_fixed spells it: ties to even, or truncation (no hardware at all). Half-up
#: (RND) is missing because QONNX cannot say it: its HALF_UP moves negative ties away from zero (qonnx 1.0,
#: custom_op/general/intquant.py, ``resolve_rounding_mode``).
ROUNDINGS = ("RND_CONV", "TRN")

#: Raw 8-bit pixels, read as pixel/256.
PIXELS = FixedPoint(8, 8, signed=False)

MIN_WIDTH, MAX_WIDTH = 2, 16


@dataclass(frozen=True)
class LayerWidths:
    """Widths in bits of one layer's weights and of the quantised result; None keeps the network's."""

    weight_width: int | None = None
    activation_width: int | None = None

    def __post_init__(self) -> None:
        _check_widths(self)


@dataclass(frozen=True)
class QuantSpec:
    """Fixed-point formats for a whole network; ``frac`` of each is found by calibration.

    Attributes:
        weight_width: bits of weights (signed, without the most negative value).
        activation_width: bits of the results of activation functions (unsigned after a relu).
        operand_width: bits of every other tensor that must be quantised: results without an activation function
            that are added, concatenated, pooled or fed to the next layer, and the averages of a pooling.
        bias_width: bits of biases; their last bit is never finer than the accumulator's.
        first_width, last_width: bits of the weights of the first and last layer with weights; None as the others.
        input_format: what the host sends. The default takes raw 8-bit pixels.
        rounding: rounding of every quantiser; one of :data:`ROUNDINGS`.
        weight_quantiser, activation_quantiser: names from :data:`quant.quantisers.QUANTISERS`.
        overrides: layer name or glob (``stages.0.*``) to other widths; a full name wins over globs, then the
            first glob that matches. A relu is also found under the name of the layer it follows.

    Raises:
        FormatError: a width outside 2..16, or a rounding that is not offered.
    """

    weight_width: int = 8
    activation_width: int = 8
    operand_width: int = 8
    bias_width: int = 16
    first_width: int | None = None
    last_width: int | None = None
    input_format: FixedPoint = PIXELS
    rounding: str = "RND_CONV"
    weight_quantiser: str = "fixed_point"
    activation_quantiser: str = "fixed_point"
    overrides: Mapping[str, LayerWidths] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "overrides", MappingProxyType(dict(self.overrides)))
        _check_widths(self)
        if self.rounding not in ROUNDINGS:
            raise FormatError(f"rounding: got '{self.rounding}'; {suggest(self.rounding, ROUNDINGS)}")
        _check_width("input_format", self.input_format.width, low=1)
        # The host's quantiser behaves like all the others.
        shaped = replace(self.input_format, rounding=self.rounding, overflow="SAT")
        object.__setattr__(self, "input_format", shaped)

    def __deepcopy__(self, memo: dict[int, Any]) -> "QuantSpec":
        return self  # immutable; the read-only mapping inside cannot be copied

    def override(self, names: Iterable[str]) -> LayerWidths:
        """The override of the first of ``names`` that has one; no change if none has."""
        names = tuple(names)
        for name in names:
            if name in self.overrides:
                return self.overrides[name]
        for name in names:
            for pattern, widths in self.overrides.items():
                if fnmatchcase(name, pattern):
                    return widths
        return LayerWidths()

    def check_overrides(self, layer_names: Iterable[str]) -> None:
        """Refuse an override that matches no layer.

        Raises:
            UnknownNameError: with the closest layer name.
        """
        names = tuple(layer_names)
        for pattern in self.overrides:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise UnknownNameError(f"overrides: no layer matches '{pattern}'; {suggest(pattern, names)}")


def _check_widths(record: QuantSpec | LayerWidths) -> None:
    for item in fields(record):
        value = getattr(record, item.name)
        if item.name.endswith("_width") and value is not None:
            _check_width(item.name, value)


def _check_width(name: str, width: int, low: int = MIN_WIDTH) -> None:
    if isinstance(width, bool) or not isinstance(width, int) or not low <= width <= MAX_WIDTH:
        raise FormatError(
            f"{name}: got {width} bits; expected {low} to {MAX_WIDTH}; choose a width in that range (8 is safe)"
        )
