# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from hwsim import serial
from hwsim.errors import InputError, UnknownNameError
from hwsim.estimate import FIGURE_NAMES, Estimate, Figure, LayerEstimate, Resources


def estimate(**changes):
    figure = Figure.exact(2.0)
    values = {
        "target": "cpu:x", "network_hash": "0" * 16, "batch": 1, "clock_mhz": 100.0, "latency_us": figure,
        "interval_us": figure, "cycles": None, "ii": None, "energy_uj": figure, "power_w": figure,
        "bytes_moved": figure, "notes": ("a note",),
    }  # fmt: skip
    return Estimate(**{**values, **changes})


def test_a_figure_within_a_factor_spans_it_on_both_sides():
    assert Figure.within(10, 2) == Figure(10, 5, 20, "analytic")


def test_rounding_keeps_the_bar_around_whole_numbers():
    assert Figure(10.4, 9.6, 11.2).rounded() == Figure(10.0, 9.0, 12.0)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((1, 2, 3), "figure: got low, value, high = 2, 1, 3; expected low <= value <= high; widen the error bar"),
        ((math.nan, 0, 1), "expected finite numbers >= 0; check the device's numbers"),
        ((1, -1, 2), "expected finite numbers >= 0; check the device's numbers"),
    ],
)
def test_impossible_figures_are_refused(numbers, message):
    with pytest.raises(InputError) as error:
        Figure(*numbers)
    assert message in str(error.value)


def test_an_unknown_source_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="unknown source 'mesured'; did you mean 'measured'"):
        Figure(1, 1, 1, "mesured")


def test_an_unknown_bottleneck_is_refused():
    with pytest.raises(InputError, match="conv1: unknown bottleneck 'memry'; did you mean 'memory'"):
        LayerEstimate("conv1", "conv2d", 0, 1.0, None, 1.0, 1.0, "memry")


def test_a_field_is_found_in_the_record_and_in_the_resources():
    found = estimate(resources=Resources(dsp=Figure.exact(7)))
    assert found.field("latency_us") == 2.0
    assert found.field("dsp") == 7.0


def test_a_misspelt_field_names_the_nearest():
    with pytest.raises(UnknownNameError, match="cpu:x: unknown field 'latency'; did you mean 'latency_us'"):
        estimate().field("latency")


def test_a_field_the_target_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(InputError, match="cpu:x: field 'dsp' does not exist on this target; available: latency_us"):
        estimate().field("dsp")


def test_every_figure_name_is_a_field():
    full = estimate(cycles=Figure.exact(1), ii=Figure.exact(1),
                    resources=Resources(*(Figure.exact(index) for index in range(5))))  # fmt: skip
    assert [full.field(name) for name in FIGURE_NAMES] == [2, 2, 1, 1, 2, 2, 2, 0, 1, 2, 3, 4]


def test_fits_and_utilisation_compare_resources_with_the_capacity():
    tight = estimate(resources=Resources(lut=Figure.exact(131)), capacity={"lut": 100.0, "uram": 0.0})
    assert not tight.fits()
    assert tight.utilisation() == {"lut": 1.31}
    assert estimate().fits()


def test_an_estimate_survives_json():
    full = estimate(resources=Resources(lut=Figure.within(100, 2)), capacity={"lut": 200.0},
                    layers=(LayerEstimate("a", "relu", 0, 1.0, None, 1.0, 1.0, "memory", None, ("b",)),))  # fmt: skip
    assert serial.from_json(Estimate, serial.to_json(full)) == full
