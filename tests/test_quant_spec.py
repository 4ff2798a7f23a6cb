# SPDX-License-Identifier: Apache-2.0
import copy
import re

import pytest

from hwsim import serial
from hwsim.errors import FormatError, InputError, UnknownNameError
from hwsim.fixed import FixedPoint
from quant.spec import LayerWidths, QuantSpec


def test_a_spec_survives_json():
    spec = QuantSpec(4, 6, first_width=8, overrides={"fc": LayerWidths(3), "stages.*": LayerWidths(activation_width=5)})
    assert serial.from_json(QuantSpec, serial.to_json(spec)) == spec


def test_unknown_keys_are_refused():
    with pytest.raises(InputError, match="quantise: unknown key 'weight_bits'; did you mean 'weight_width'"):
        serial.from_json(QuantSpec, {"weight_bits": 4}, "quantise")


@pytest.mark.parametrize("width", [0, 1, 17, 65, -3, True])
@pytest.mark.parametrize("name", ["weight_width", "activation_width", "operand_width", "bias_width", "first_width"])
def test_widths_outside_the_range_are_refused(name, width):
    message = f"{name}: got {width} bits; expected 2 to 16; choose a width in that range (8 is safe)"
    with pytest.raises(FormatError, match=re.escape(message)):
        QuantSpec(**{name: width})


def test_override_widths_are_checked_too():
    with pytest.raises(FormatError, match="activation_width: got 65 bits"):
        LayerWidths(activation_width=65)


def test_a_wide_input_is_refused():
    with pytest.raises(FormatError, match="input_format: got 24 bits; expected 1 to 16"):
        QuantSpec(input_format=FixedPoint(24, 8))


def test_rounding_that_qonnx_cannot_say_is_refused():
    with pytest.raises(FormatError, match="rounding: got 'RND'; .*available: RND_CONV, TRN"):
        QuantSpec(rounding="RND")


def test_the_input_is_quantised_like_everything_else():
    spec = QuantSpec(input_format=FixedPoint(6, 4), rounding="TRN")
    assert spec.input_format == FixedPoint(6, 4, True, "TRN", "SAT")


def test_overrides_prefer_full_names_then_the_first_glob():
    spec = QuantSpec(overrides={"s.*": LayerWidths(3), "s.1": LayerWidths(5), "*": LayerWidths(7)})
    assert [spec.override((name,)).weight_width for name in ("s.1", "s.2", "fc")] == [5, 3, 7]
    assert spec.override(("fc", "s.1")).weight_width == 5
    assert QuantSpec().override(("fc",)) == LayerWidths()


def test_an_override_without_a_layer_is_refused():
    with pytest.raises(UnknownNameError, match="overrides: no layer matches 'fc2'; did you mean 'fc1'"):
        QuantSpec(overrides={"fc2": LayerWidths(3)}).check_overrides(["conv", "fc1"])


def test_a_spec_can_be_copied_and_not_changed():
    spec = QuantSpec(overrides={"fc": LayerWidths(3)})
    assert copy.deepcopy(spec) == spec
    with pytest.raises(TypeError):
        spec.overrides["fc"] = LayerWidths(4)
