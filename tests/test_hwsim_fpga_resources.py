# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from cost_networks import LAW
from hypothesis import given
from hypothesis import strategies as st

from hwsim.fpga import resources as r

BITS = st.integers(1, 32)
DEPTHS = st.integers(1, 100_000)


@pytest.mark.parametrize(
    ("width", "depth", "blocks"),
    [
        # Aspect ratios of one 18-kbit block: AMD UG473, table 1-9.
        (1, 16384, 1), (1, 16385, 2), (2, 8192, 1), (4, 4096, 1), (9, 2048, 1), (18, 1024, 1), (36, 512, 1),
        (36, 513, 2),
        # Weight memories of github:Dendendelen/wa-hls4ml-search, bits x multipliers by reuse factor.
        (6 * 96, 448, 16), (10 * 112, 512, 32), (4 * 96, 512, 11), (2 * 16, 384, 1),
        # Small memories stay in LUTs.
        (8, 128, 0), (1024, 1, 0),
    ],
)  # fmt: skip
def test_block_rams_follow_their_aspect_ratios(width, depth, blocks):
    assert r.bram18(width, depth) == blocks


@pytest.mark.parametrize(
    ("width", "depth", "blocks"),
    [(36, 512, 1), (37, 512, 2), (18, 1024, 1), (19, 1024, 2), (36, 1024, 2), (9, 2048, 1), (1, 16384, 1),
     (40, 1200, 4), (2, 511, 0), (2, 512, 1),
     # github:Dendendelen/wa-hls4ml-search: more than 1,024 words in columns that are full
     (62, 1280, 3 + 4), (64, 1152, 3 + 4), (78, 1152, 6 + 2), (158, 1152, 12 + 3), (318, 1120, 24 + 5), (16, 1152, 2)],
)  # fmt: skip
def test_roms_fill_columns_of_block_ram(width, depth, blocks):
    assert r.rom_blocks(width, depth) == blocks


def test_larger_roms_never_take_fewer_blocks_and_fit():
    width, depth = np.meshgrid(np.arange(2.0, 150.0), 2.0 ** np.arange(9, 15))
    blocks = r.rom_blocks(width, depth)
    # Above 1,024 words 3 bits take two narrow columns and 4 bits one.
    assert (np.diff(blocks[:2], axis=1) >= 0).all()
    assert (np.diff(blocks, axis=0) >= 0).all()
    assert (18 * 1024 * blocks >= width * depth).all()


@LAW
@given(BITS, DEPTHS)
def test_a_memory_is_either_in_luts_or_in_blocks_and_large_enough(width, depth):
    blocks, luts = float(r.bram18(width, depth)), float(r.lutram(width, depth))
    assert (blocks > 0) != (luts > 0)
    assert 18 * 1024 * blocks + 64 * luts >= width * depth


@LAW
@given(BITS, BITS, DEPTHS, DEPTHS)
def test_larger_memories_never_take_fewer_blocks(width, wider, depth, deeper):
    assert r.bram18(width, depth) <= r.bram18(max(width, wider), max(depth, deeper))


@pytest.mark.parametrize(
    ("weight_bits", "input_bits", "blocks"),
    [(4, 16, 0), (8, 8, 0), (6, 16, 1), (14, 16, 1), (18, 25, 1), (18, 26, 2), (19, 26, 4), (1, 32, 0)],
)
def test_dsp_blocks_of_a_product(weight_bits, input_bits, blocks):
    # 4x16 and 6x16: github:Dendendelen/wa-hls4ml-search; 8x8: github:fastmachinelearning/hls4ml-live-demo.
    assert r.dsp_blocks(weight_bits, input_bits) == blocks


def test_products_are_in_luts_or_in_dsp_blocks():
    weight_bits, input_bits = np.meshgrid(np.arange(1, 20), np.arange(1, 20))
    in_luts = r.product_lut(weight_bits, input_bits) > 0
    assert np.array_equal(in_luts, r.dsp_blocks(weight_bits, input_bits) == 0)


def test_widths_between_the_observations_are_marked_unsure():
    assert r.dsp_unsure(8, 8)
    assert r.dsp_unsure(6, 14)
    assert not r.dsp_unsure(4, 16)
    assert not r.dsp_unsure(6, 16)


def test_an_accumulator_holds_every_sum():
    assert r.accumulator_bits(8, 8, 1) == 16
    assert r.accumulator_bits(8, 8, 9) == 20


def test_fifos_are_shift_registers_up_to_32_and_memories_above():
    shallow, deep = r.fifo(16, 32), r.fifo(16, 1024)
    assert (shallow[0], shallow[2]) == (10 + 16, 0)
    assert (deep[0], deep[2]) == (20, 1)


def test_functions_take_arrays():
    widths = np.array([1.0, 18.0, 36.0])
    assert r.bram18(widths, 2048).tolist() == [1, 2, 4]
    assert r.fifo(widths, 32)[0].shape == (3,)
