# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from cost_networks import LAW, Draft, networks
from hypothesis import given
from hypothesis import strategies as st

from hwsim import energy

KIB = 8 * 1024.0


@pytest.mark.parametrize(
    ("found", "published", "tolerance"),
    [
        # Horowitz, ISSCC 2014, 45 nm, 0.9 V.  The polynomials are a fit, hence the tolerances.
        (energy.add_pj(8), 0.03, 0.2),
        (energy.add_pj(32), 0.1, 0.01),
        (float(energy.multiply_pj(8, 8)), 0.2, 0.01),
        (float(energy.multiply_pj(32, 32)), 3.1, 0.01),
        (32 * energy.sram_pj_per_bit(8 * KIB), 5.0, 0.02),
        (64 * energy.sram_pj_per_bit(32 * KIB), 20.0, 0.02),
        (64 * energy.sram_pj_per_bit(1024 * KIB), 100.0, 0.02),
        (32 * energy.DRAM_PJ_PER_BIT, 640.0, 0.02),
        (energy.mac_pj(32, 32), 4.6, 0.01),
    ],
)
def test_the_table_reproduces_horowitz(found, published, tolerance):
    assert found == pytest.approx(published, rel=tolerance)


def test_an_8_bit_mac_takes_a_twentieth_of_a_float_mac():
    # Sze et al., Proc. IEEE 105(12), 2017, from Horowitz: 0.23 pJ against 4.6 pJ.
    int8 = float(energy.multiply_pj(8, 8)) + energy.add_pj(8)
    assert energy.mac_pj(32, 32) / int8 == pytest.approx(20, rel=0.05)


def dense(features, bits=8):
    draft = Draft(features, weights=bits, activations=bits)
    draft.dense(features)
    return draft.network()


def test_dram_dominates_fully_connected_layers_at_batch_1():
    # Sze et al. 2017, section VI: fully-connected layers have no weight reuse.
    parts = energy.breakdown(dense(1024), 108 * KIB)
    assert parts.dram_uj.sum() > 0.8 * parts.total_uj.sum()


def test_batches_amortise_the_weights():
    one, many = (energy.breakdown(dense(1024), 108 * KIB, batch).total_uj.sum() for batch in (1, 16))
    assert many < one / 4


def test_fewer_weights_can_take_more_energy():
    # Yang, Chen, Sze, CVPR 2017: SqueezeNet has 50 times fewer weights than AlexNet and takes more energy.
    deep, shallow = Draft(8, 128, 128), Draft(8, 128, 128)
    for _ in range(12):
        deep.conv(8)
    shallow.conv(8)
    shallow.max_pool(16)
    shallow.layer("flatten")
    shallow.dense(32)
    thin, thick = deep.network(), shallow.network()
    assert thin.parameters() < thick.parameters()
    assert energy.breakdown(thin, 64 * KIB).total_uj.sum() > energy.breakdown(thick, 64 * KIB).total_uj.sum()


def test_small_memories_are_not_dearer_than_the_smallest_of_the_fit():
    sizes = [energy.sram_pj_per_bit(2.0**power) for power in range(4, 26)]
    assert sizes == sorted(sizes)


@LAW
@given(networks(16), st.lists(st.integers(2, 31), min_size=2, max_size=2))
def test_fewer_bits_never_take_more_energy(network, widths):
    few, many = (
        energy.breakdown(network.with_formats({name: type(tensor.format)(bits, 0)
                                               for name, tensor in network.tensors.items()}), 64 * KIB).total_uj
        for bits in sorted(widths)
    )  # fmt: skip
    assert np.all(few <= many)
    assert np.all(few > 0)


def test_float_networks_can_be_costed_as_integers():
    whole = energy.breakdown(dense(64, None), 64 * KIB)
    as_integers = energy.breakdown(dense(64, None), 64 * KIB, widest=16)
    sixteen = energy.breakdown(dense(64, 16), 64 * KIB)
    assert as_integers.mac_uj.tolist() == sixteen.mac_uj.tolist()
    assert as_integers.total_uj.sum() < whole.total_uj.sum()
