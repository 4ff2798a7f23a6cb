# SPDX-License-Identifier: Apache-2.0
"""The contract of every registered quantiser, and what the fixed-point one does besides."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import UnknownNameError, WeightsError
from hwsim.fixed import FixedPoint
from quant.quantisers import QUANTISERS, ROUND, FixedPointQuantiser, integers

GRIDS = [
    (width, signed, narrow)
    for width in (2, 3, 4, 8, 16)
    for signed, narrow in ((True, True), (True, False), (False, False))
]
contract = pytest.mark.parametrize("name", QUANTISERS.names())
grids = pytest.mark.parametrize(("width", "signed", "narrow"), GRIDS)
roundings = pytest.mark.parametrize("rounding", list(ROUND))


def samples(seed=0, count=4000, scale=1.0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, scale, count)).float()


def fitted(name, width, signed, narrow, rounding="RND_CONV"):
    quantiser = QUANTISERS[name](width, signed, narrow, rounding)
    quantiser.fit(samples())
    return quantiser


@contract
@grids
@roundings
def test_values_are_those_of_its_format(name, width, signed, narrow, rounding):
    quantiser = fitted(name, width, signed, narrow, rounding)
    fmt = quantiser.format
    halves = torch.arange(-40, 40) * (fmt.step / 2)  # all ties near zero
    far = torch.tensor([0.0, -0.0, 1e6, -1e6, fmt.max_int * fmt.step, fmt.min_int * fmt.step, -fmt.step])
    x = torch.cat([samples(1), samples(2, scale=50), halves, far]).float()
    value, scale, zero_point, bit_width = quantiser(x)
    assert np.array_equal(value.detach().double().numpy(), fmt.to_real(fmt.quantise(x.double().numpy())))
    assert (float(scale), float(zero_point), int(bit_width)) == (fmt.step, 0.0, width)


@contract
@grids
def test_quantising_twice_changes_nothing(name, width, signed, narrow):
    quantiser = fitted(name, width, signed, narrow)
    once = quantiser(samples(1))[0]
    assert torch.equal(quantiser(once)[0], once)


@contract
@grids
def test_it_has_at_most_its_number_of_levels(name, width, signed, narrow):
    quantiser = fitted(name, width, signed, narrow)
    dense = torch.linspace(-20, 20, 1 << min(width + 4, 18))
    levels = torch.unique(quantiser(dense)[0])
    assert len(levels) <= 2**width - narrow
    assert quantiser.format.width == width
    assert len(levels) > 1


@contract
@grids
def test_gradients_flow_inside_the_range_and_stop_outside(name, width, signed, narrow):
    quantiser = fitted(name, width, signed, narrow)
    fmt = quantiser.format
    low, high = fmt.min_int * fmt.step, fmt.max_int * fmt.step
    x = torch.tensor([low, (low + high) / 2, high, high + fmt.step, low - fmt.step], requires_grad=True)
    quantiser(x)[0].sum().backward()
    assert x.grad.tolist() == [1, 1, 1, 0, 0]


@contract
def test_a_checkpoint_restores_it(name):
    quantiser, other = fitted(name, 5, True, False), QUANTISERS[name](5, True, False, "RND_CONV")
    other.load_state_dict(quantiser.state_dict())
    assert other.format == quantiser.format
    assert torch.equal(other(samples(3))[0], quantiser(samples(3))[0])


@contract
def test_a_copy_is_independent(name):
    quantiser = fitted(name, 5, True, False)
    other = copy.deepcopy(quantiser)
    before = quantiser.format
    other.fit(samples() * 64)
    assert (quantiser.format, other.format.frac) == (before, before.frac - 6)


@contract
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(name, bad):
    quantiser = QUANTISERS[name](8, True, False, "RND_CONV")
    with pytest.raises(WeightsError, match="holds NaN or infinite values; restore an earlier checkpoint"):
        quantiser.fit(torch.tensor([0.1, bad]))


@contract
@given(shift=st.integers(-12, 12), seed=st.integers(0, 9), width=st.integers(2, 16))
@settings(max_examples=25, deadline=None)
def test_the_binary_point_follows_the_scale_of_the_data(name, shift, seed, width):
    data = samples(seed, 500)
    small, large = (QUANTISERS[name](width, True, True, "RND_CONV") for _ in range(2))
    small.fit(data)
    large.fit(data * 2.0**shift)
    assert large.format.frac == small.format.frac - shift


def test_unknown_quantisers_are_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="unknown quantiser 'fixed'; did you mean 'fixed_point'"):
        QUANTISERS["fixed"]


def test_wide_formats_hold_the_largest_value_and_narrow_ones_clip():
    data = samples()
    peak = float(data.abs().max())
    wide, narrow = fitted("fixed_point", 12, True, True).format, fitted("fixed_point", 2, True, True).format
    assert wide.max_int * wide.step >= peak - wide.step
    assert narrow.max_int * narrow.step < peak / 2


def test_the_chosen_point_has_the_least_squared_error():
    data = samples(4)
    for width in range(2, 9):
        chosen = FixedPointQuantiser(width, True, True, "RND_CONV")
        chosen.fit(data)
        errors = {}
        for frac in range(chosen.format.frac - 3, chosen.format.frac + 4):
            fmt = FixedPoint(width, frac, True, "RND_CONV", "SAT_SYM")
            reals = data.double().numpy()
            errors[frac] = float(np.square(fmt.to_real(fmt.quantise(reals)) - reals).sum())
        assert min(errors, key=errors.get) == chosen.format.frac


def test_a_bound_on_the_binary_point_is_kept():
    quantiser = FixedPointQuantiser(16, True, False, "RND_CONV")
    quantiser.fit(samples(), max_frac=7)
    assert quantiser.format.frac == 7
    quantiser.fit(samples() * 2.0**20, max_frac=7)
    assert quantiser.format.frac < 0


@pytest.mark.parametrize("data", [torch.zeros(5), torch.empty(0), torch.full((3,), 1e-30)])
def test_dead_tensors_get_a_harmless_format(data):
    quantiser = FixedPointQuantiser(8, True, False, "RND_CONV")
    quantiser.fit(data)
    assert quantiser.format.frac == 7


def test_integers_come_out_as_int64():
    quantiser = fitted("fixed_point", 6, True, True)
    ints = integers(quantiser(samples())[0], quantiser.format)
    assert ints.dtype == np.int64
    assert np.abs(ints).max() <= 31
