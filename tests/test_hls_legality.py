# SPDX-License-Identifier: Apache-2.0
"""Legal reuse factors: the same as hls4ml's own rule, and what follows from them."""

from itertools import product

import pytest
from hls_networks import Builder

from hls import legality
from hls.legality import Matrix
from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint

S8 = FixedPoint(8, 4)


@pytest.mark.needs("hls4ml")
@pytest.mark.parametrize(("n_in", "n_out"), [(1, 1), (9, 12), (16, 10), (12, 7), (36, 4), (5, 30), (64, 3)])
def test_resource_factors_are_those_hls4ml_validates(n_in, n_out):
    from hls4ml.backends import get_backend

    expected = get_backend("Vitis").get_valid_reuse_factors(n_in, n_out)
    assert legality.legal_reuse_factors(Matrix(n_in, n_out)) == expected
    assert legality.legal_reuse_factors(Matrix(n_in, n_out, parallel=True)) == [rf for rf in expected if rf <= n_in]


@pytest.mark.needs("hls4ml")
@pytest.mark.parametrize(("area", "channels"), [(9, 4), (4, 6), (25, 3)])
def test_depthwise_factors_are_legal_for_hls4ml_and_end_within_the_weights(area, channels):
    from hls4ml.backends import get_backend

    n_in = area * channels
    found = legality.legal_reuse_factors(Matrix(n_in, channels, depthwise=True))
    assert set(found) <= set(get_backend("Vitis").get_valid_reuse_factors(n_in, channels))
    assert all(n_in % reuse_factor == 0 for reuse_factor in found)


def test_latency_takes_every_factor():
    assert list(legality.legal_reuse_factors(Matrix(3, 2), "latency")) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("wanted", "expected"), [(1, 1), (5, 4), (6, 4), (7, 8), (100, 8)])
def test_the_nearest_factor_is_the_smaller_of_two_as_close(wanted, expected):
    assert legality.nearest([1, 2, 4, 8], wanted) == expected


def test_an_illegal_factor_is_rounded_and_reported():
    folding, note = legality.legal_folding("conv", Matrix(9, 12), Folding(reuse_factor=16))
    assert folding.reuse_factor == 18
    assert note == "hls4ml cannot build reuse_factor=16 for a 9x12 matrix with the resource strategy; used 18"
    assert legality.legal_folding("conv", Matrix(9, 12), Folding(reuse_factor=18)) == (folding, "")


def test_a_parallel_convolution_is_kept_below_the_factor_where_hls4ml_goes_wrong():
    folding, note = legality.legal_folding("conv", Matrix(9, 12, parallel=True), Folding(reuse_factor=18))
    assert folding.reuse_factor == 9
    assert note.endswith("used 9")


def test_a_strategy_hls4ml_does_not_compute_itself_is_refused():
    with pytest.raises(UnsupportedError, match="conv: got strategy distributed_arithmetic; expected latency or res"):
        legality.legal_folding("conv", Matrix(9, 12), Folding(strategy="distributed_arithmetic"))


def test_too_much_unrolling_is_refused_with_the_smallest_factor_that_works():
    matrix = Matrix(432, 48)
    with pytest.raises(UnsupportedError) as error:
        legality.check_unrolling("conv", matrix, Folding(reuse_factor=4))
    assert str(error.value) == (
        "conv: reuse_factor=4 with the resource strategy unrolls 5184 multiplications; the HLS compiler stops at 4096; "
        "use the resource strategy with reuse_factor >= 6"
    )
    legality.check_unrolling("conv", matrix, Folding(reuse_factor=6))


def test_the_latency_strategy_unrolls_whatever_the_factor_says():
    with pytest.raises(UnsupportedError, match="unrolls 4140 multiplications"):
        legality.check_unrolling("fc", Matrix(414, 10), Folding(reuse_factor=100, strategy="latency"))


def test_the_default_folding_is_the_fastest_that_unrolls():
    b = Builder((12, 8, 8), S8)
    deep = b.conv("x", 12, (3, 3), S8, S8, groups=12, padding=(1, 1, 1, 1))
    network, _ = b.build(b.conv(deep, 80, (3, 3), S8, S8))
    matrices = {layer.name: legality.matrix_of(network, layer) for layer in network.layers[1:]}
    assert matrices == {"conv2d1": Matrix(108, 12, depthwise=True), "conv2d2": Matrix(108, 80)}
    assert {name: one.reuse_factor for name, one in legality.default_folding(network).items()} == {
        "conv2d1": 1,
        "conv2d2": 3,
    }


def test_groups_and_dilation_count_with_the_zeros_that_fill_them():
    b = Builder((4, 8, 8), S8)
    t = b.conv("x", 6, (2, 3), S8, S8, groups=2, dilation=(2, 1))
    network, _ = b.build(b.conv(t, 6, (1, 3), S8, S8, groups=6))
    assert [legality.matrix_of(network, layer) for layer in network.layers[1:]] == [Matrix(36, 6), Matrix(18, 6)]


def test_the_simulator_folds_only_in_ways_that_can_be_built():
    from hwsim.fpga import hls4ml as formulas
    from hwsim.fpga.stages import pipeline

    b = Builder((4, 8, 8), S8)
    t = b.conv("x", 6, (3, 3), S8, S8, S8)
    t = b.conv(t, 6, (3, 3), S8, S8, groups=6)
    t = b.conv(t, 4, (2, 2), S8, S8, groups=2)
    network, _ = b.build(b.dense(b.add("flatten", t, S8), 10, S8, S8))
    checked = 0
    for stage, io_type in product(pipeline(network).stages, ("io_stream", "io_parallel")):
        layer = network.layer(stage.name)
        if "weight" in layer.params:
            legal = legality.legal_reuse_factors(legality.matrix_of(network, layer, io_type))
            assert set(formulas.legal_reuse_factors(stage, io_type)) <= set(legal)
            checked += 1
    assert checked == 8
