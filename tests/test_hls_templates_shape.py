# SPDX-License-Identifier: Apache-2.0
import tempfile
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rtl_units import WIRES, alone, corners, meets_contract, stream

from hls.dataflow import Dataflow
from hls.templates.shape import concat, pad, upsample
from hls.templates.streams import fifo, stream_fork
from hls.templates.unit import Unit
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga.dataflow.shape import UPSAMPLE_STEPS

needs_simulator = pytest.mark.needs("verilator", "g++")
slow = pytest.mark.slow
FORMAT = FixedPoint(3, 0)
IMAGES = 9
FIFO_STEPS = 1


def images(rows: int, columns: int, channels: int) -> np.ndarray:
    """(images, rows, columns, channels) integers."""
    return corners(FORMAT, (IMAGES, rows * columns * channels)).reshape(IMAGES, rows, columns, channels)


def check(unit: Unit, lanes: int, values: np.ndarray, expected: np.ndarray, folder: Path, cache: Path) -> None:
    flat, wanted = values.reshape(IMAGES, -1), expected.reshape(IMAGES, -1)
    ends = stream("a", FORMAT, lanes, flat.shape[1] // lanes), stream("b", FORMAT, lanes, wanted.shape[1] // lanes)
    meets_contract(alone(unit, *ends), flat, wanted, folder, cache)


def check_pad(
    size: tuple[int, int], blocks: int, padding: tuple[int, int, int, int], folder: Path, cache: Path
) -> None:
    values, (top, left, bottom, right), lanes = images(*size, blocks * 2), padding, 2
    expected = np.pad(values, ((0, 0), (top, bottom), (left, right), (0, 0)))
    unit = pad("b", "pad", WIRES, lanes * FORMAT.width, blocks, size, padding)
    check(unit, lanes, values, expected, folder, cache)


def check_upsample(size: tuple[int, int], blocks: int, factor: tuple[int, int], folder: Path, cache: Path) -> None:
    values, lanes = images(*size, blocks * 2), 2
    expected = values.repeat(factor[0], axis=1).repeat(factor[1], axis=2)
    unit = upsample("b", "up", WIRES, lanes * FORMAT.width, blocks, size, factor)
    check(unit, lanes, values, expected, folder, cache)


# Sizes in rows and columns, beats per pixel


@needs_simulator
@pytest.mark.parametrize(
    ("size", "blocks", "padding"),
    [
        ((3, 2), 2, (1, 2, 0, 1)),
        pytest.param((2, 3), 1, (0, 0, 1, 0), marks=slow),
        pytest.param((1, 1), 1, (0, 0, 0, 0), marks=slow),
    ],
)
def test_zeros_around_an_image_bits_and_cycles(
    size: tuple[int, int], blocks: int, padding: tuple[int, int, int, int], tmp_path: Path, rtl_cache: Path
) -> None:
    check_pad(size, blocks, padding, tmp_path, rtl_cache)


@needs_simulator
@pytest.mark.parametrize(
    ("size", "blocks", "factor"),
    [
        ((3, 2), 2, (2, 3)),
        pytest.param((2, 3), 2, (1, 2), marks=slow),  # a memory of one pixel
        pytest.param((2, 1), 1, (3, 1), marks=slow),  # of one word: read in the cycle after it is written
        pytest.param((1, 1), 1, (1, 1), marks=slow),
    ],
)
def test_repeated_pixels_bits_and_cycles(
    size: tuple[int, int], blocks: int, factor: tuple[int, int], tmp_path: Path, rtl_cache: Path
) -> None:
    check_upsample(size, blocks, factor, tmp_path, rtl_cache)


def joined(copies: tuple[int, ...], blocks: int, pixels: int, lanes: int) -> Dataflow:
    """One stream to every input of a concatenation, to the i-th one with each pixel ``copies[i]`` times.

    Every input has a FIFO that holds all of an image, because the inputs of a pixel are taken one after the other.
    """
    count, width = len(copies), lanes * FORMAT.width
    forked, repeated, held = ([f"{name}{i}" for i in range(count)] for name in ("fork", "repeated", "held"))
    beats = [pixels * blocks * copy for copy in copies]
    units = [stream_fork("fork", "fork", "a", tuple(forked), width, pixels * blocks)]
    for i, copy in enumerate(copies):
        units.append(upsample(repeated[i], "up", (forked[i], repeated[i]), width, blocks, (1, pixels), (1, copy)))
        units.append(fifo(held[i], "fifo", (repeated[i], held[i]), width, beats[i], beats[i]))
    unit = concat("b", "concat", tuple(held), "b", width, pixels, [blocks * copy for copy in copies])
    total = unit.timing
    in_front = UPSAMPLE_STEPS + FIFO_STEPS
    units.append(replace(unit, timing=replace(total, beats_in=pixels * blocks, latency=total.latency + in_front)))
    source, result = stream("a", FORMAT, lanes, pixels * blocks), stream("b", FORMAT, lanes, total.beats_out)
    wires = dict.fromkeys(["a", *forked, *repeated, *held, "b"], width)
    return replace(alone(unit, source, result), units=tuple(units), wires=wires)


def check_concat(copies: tuple[int, ...], blocks: int, pixels: int, lanes: int, folder: Path, cache: Path) -> None:
    values = images(1, pixels, blocks * lanes)
    expected = np.concatenate([np.tile(values, copy) for copy in copies], axis=-1)
    flat, wanted = values.reshape(IMAGES, -1), expected.reshape(IMAGES, -1)
    meets_contract(joined(copies, blocks, pixels, lanes), flat, wanted, folder, cache)


@needs_simulator
@pytest.mark.parametrize(
    ("copies", "blocks", "pixels", "lanes"),
    [
        ((2, 1, 3), 2, 3, 1),
        pytest.param((1, 1), 1, 4, 2, marks=slow),
        pytest.param((3, 1), 1, 1, 2, marks=slow),  # one pixel, as a vector is
    ],
)
def test_channels_of_several_images_bits_and_cycles(
    copies: tuple[int, ...], blocks: int, pixels: int, lanes: int, tmp_path: Path, rtl_cache: Path
) -> None:
    check_concat(copies, blocks, pixels, lanes, tmp_path, rtl_cache)


@slow
@needs_simulator
def test_random_sizes_bits_and_cycles(rtl_cache: Path) -> None:
    few = st.integers(1, 4)
    sizes = st.tuples(few, few)

    @hypothesis.seed(0)
    @settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        sizes,
        st.integers(1, 3),
        st.tuples(*[st.integers(0, 3)] * 4),
        st.tuples(few, few),
        st.lists(few, min_size=2, max_size=4),
    )
    def check_all(size, blocks, padding, factor, copies):  # type: ignore[no-untyped-def]
        with tempfile.TemporaryDirectory() as folder:
            check_pad(size, blocks, padding, Path(folder) / "pad", rtl_cache)
            check_upsample(size, blocks, factor, Path(folder) / "up", rtl_cache)
            check_concat(tuple(copies), blocks, size[0] * size[1], 1, Path(folder) / "concat", rtl_cache)

    check_all()


def test_more_beats_per_pixel_than_a_concatenation_counts_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"^join: got 65536 beats per pixel; expected less than 65536; choose a"):
        concat("b", "join", ("a", "c"), "b", 8, 1, (1, 65536))
