# SPDX-License-Identifier: Apache-2.0
"""The driver's quantising and packing against hwsim's fixed point and the simulation's beats."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boards.driver import packing
from boards.driver.errors import DataError
from boards.driver.manifest import Port
from boards.driver.registers import DESIGN
from hls import beats
from hls.dataflow import Stream, arrival_order
from hls.registers import REGISTERS
from hwsim.fixed import ROUNDINGS, FixedPoint


def port(fmt: FixedPoint, lanes: int, image: tuple[int, int, int], word: int) -> Port:
    count = int(np.prod(image)) // lanes
    return Port(fmt.width, fmt.signed, fmt.rounding, fmt.step, image, image, lanes, count, word)


@pytest.mark.parametrize("width", [1, 4, 8, 12, 16, 24, 32, 40])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("lanes", [1, 3, 6])
def test_bytes_are_the_simulations(width: int, signed: bool, lanes: int) -> None:
    fmt = FixedPoint(width, 2, signed)
    image = (6, 2, 3)
    data = -(-width * lanes // 8)
    word = 1 << (data - 1).bit_length()
    one, stream = port(fmt, lanes, image, word), Stream("", fmt, lanes, image, arrival_order(image))
    values = np.random.default_rng(width).integers(fmt.min_int, fmt.max_int + 1, (5, *image))
    memory = np.full(5 * one.image_bytes, 255, np.uint8)
    packing.pack(one, values, memory)
    words = memory.reshape(-1, word)
    np.testing.assert_array_equal(words[:, :data], beats.pack(stream, beats.to_stream(stream, values)))
    assert not words[:, data:].any()
    np.testing.assert_array_equal(packing.unpack(one, memory), values)
    assert packing.checksum(one, memory, 7) == zlib.crc32(words[:, :data].tobytes(), 7)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@settings(max_examples=50, deadline=None)
@given(eighths=st.lists(st.integers(-400, 400), min_size=1, max_size=20), signed=st.booleans())
def test_real_numbers_become_the_integers_of_the_format(
    rounding: str, kind: type, eighths: list[int], signed: bool
) -> None:
    fmt = FixedPoint(6, 1, signed, rounding, "SAT")
    reals = (np.array(eighths) / 8).astype(kind).reshape(-1, 1, 1, 1)
    np.testing.assert_array_equal(packing.quantise(port(fmt, 1, (1, 1, 1), 1), reals), fmt.quantise(reals))


def test_numbers_beyond_the_format_are_saturated_and_no_numbers_refused() -> None:
    one = port(FixedPoint(4, 0), 1, (1, 1, 1), 1)
    reals = np.array([-1e30, -9, 7.5, 1e30]).reshape(-1, 1, 1, 1)
    assert packing.quantise(one, reals).ravel().tolist() == [-8, -8, 7, 7]
    with pytest.raises(DataError, match="input: got 2 values that are not finite; clean them"):
        packing.quantise(one, np.array([np.inf, 1, np.nan]).reshape(-1, 1, 1, 1))
    with pytest.raises(DataError, match="got integers from -9 to 0; expected -8 to 7; give real numbers to have"):
        packing.check(one, np.array([-9, 0]).reshape(-1, 1, 1, 1))
    with pytest.raises(DataError, match="got complex128 data; expected integers or real numbers"):
        packing.check(one, np.zeros((1, 1, 1, 1), complex))


@pytest.mark.parametrize("width", [16, 24, 25, 32, 53, 54, 63])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_ends_of_wide_formats_are_no_floats(width: int, signed: bool, kind: type) -> None:
    one = port(FixedPoint(width, 4, signed), 1, (1, 1, 1), 8)
    far = 6e4 if kind is np.float16 else 1e30
    reals = np.array([-far, far], kind).reshape(-1, 1, 1, 1)
    expected = [min(max(round(16 * float(real)), one.low), one.high) for real in reals.ravel()]
    assert packing.quantise(one, reals).ravel().tolist() == expected


def test_the_driver_knows_the_registers_of_the_design() -> None:
    assert {register.name: register.offset for register in REGISTERS} == DESIGN
