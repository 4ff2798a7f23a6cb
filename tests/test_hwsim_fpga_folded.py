# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from cost_networks import LAW, Draft, networks
from hypothesis import given
from hypothesis import strategies as st

from hwsim.design import Folding
from hwsim.fpga import folded
from hwsim.fpga.folding import cost_of
from hwsim.fpga.stages import pipeline


def unit(channels, size, width, kernel, bits, pe, simd):
    """A matrix unit alone: the image is so small that its line buffer is never the slower part."""
    draft = Draft(channels, size, size, weights=bits, activations=bits)
    draft.conv(width, kernel, 1, (0,) * 4)
    return cost_of(pipeline(draft.network()), np.array([0]), (Folding(pe, simd),), "folded", "io_stream", {})


@pytest.mark.parametrize(
    ("channels", "width", "size", "pe", "simd", "reported"),
    [
        # Vivado simulation, K = 4: github:asadalam/FINN_MatrixVector_RTL, Doc/results.ipynb
        (64, 64, 32, 32, 32, 53_828), (2, 64, 32, 2, 2, 430_596), (64, 16, 32, 2, 2, 3_444_740),
        (64, 64, 8, 16, 64, 1_604),
    ],
)  # fmt: skip
def test_cycles_of_matrix_units_agree_with_simulation(channels, width, size, pe, simd, reported):
    assert 0 <= reported - unit(channels, size, width, 4, 4, pe, simd).busy[0] <= 5


@pytest.mark.parametrize(("bits", "dsp"), [(4, 0), (5, 4 * 8), (8, 4 * 8), (9, 8 * 8)])
def test_products_of_5_to_8_bits_share_a_dsp_block_in_pairs(bits, dsp):
    # FINN rtllib mvu_8sx8u_dsp48: ceil(PE / 2) * SIMD
    assert unit(8, 8, 16, 3, bits, 8, 8).dsp[0] == dsp


def test_depthwise_units_share_channels_and_taps():
    draft = Draft(8, 8, 8)
    draft.depthwise()
    stages = pipeline(draft.network())
    found = cost_of(stages, np.array([0, 0]), (Folding(1, 1), Folding(4, 1)), "folded", "io_stream", {})
    assert found.busy.tolist() == [64 * 8 * 9, 64 * 8 * 9 / 4]
    assert folded.legal_pe(stages.stages[0]) == (1, 2, 4, 8)
    assert folded.legal_simd(stages.stages[0]) == (1,)  # one input per channel and kernel position


def test_groups_fold_one_by_one_or_side_by_side_where_each_is_one_channel():
    draft = Draft(6, 5, 5)
    draft.conv(12, 3, groups=3)
    draft.conv(24, 3, groups=12)
    several, single = pipeline(draft.network()).stages
    assert folded.legal_pe(several) == (1, 2, 4)
    assert folded.legal_simd(several) == (1, 2)
    assert folded.legal_pe(single) == (1, 2, 4, 6, 8, 12, 24)


@LAW
@given(networks(), st.data())
def test_more_elements_are_never_slower(network, data):
    stages = pipeline(network)
    index = data.draw(st.integers(0, len(stages.stages) - 1))
    stage = stages.stages[index]
    pe = sorted(data.draw(st.lists(st.sampled_from(folded.legal_pe(stage)), min_size=2, max_size=2)))
    simd = sorted(data.draw(st.lists(st.sampled_from(folded.legal_simd(stage)), min_size=2, max_size=2)))
    foldings = (Folding(pe[0], simd[0]), Folding(pe[1], simd[1]))
    found = cost_of(stages, np.array([index, index]), foldings, "folded", "io_stream", {})
    assert found.busy[1] <= found.busy[0]
    assert found.dsp[1] >= found.dsp[0]
