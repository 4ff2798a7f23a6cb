# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from cost_networks import LAW, SAME4, Draft, networks
from hypothesis import given
from hypothesis import strategies as st

from hwsim.design import Folding
from hwsim.fpga import hls4ml
from hwsim.fpga.folding import cost_of
from hwsim.fpga.stages import pipeline


def cost(draft, *foldings, io_type="io_stream", depths=None):
    stages = pipeline(draft.network())
    return cost_of(stages, np.arange(len(foldings)), foldings, "hls4ml", io_type, depths or {})


def dense(inputs, outputs, weight_bits, reuse, io_type="io_parallel"):
    draft = Draft(inputs, weights=weight_bits, activations=16)
    draft.dense(outputs)
    return cost(draft, Folding(reuse_factor=reuse), io_type=io_type)


def conv(channels, size, width, kernel, padding, reuse, strategy="resource"):
    draft = Draft(channels, size, size)
    draft.conv(width, kernel, 1, padding)
    return cost(draft, Folding(reuse_factor=reuse, strategy=strategy))


@pytest.mark.parametrize(
    ("inputs", "outputs", "bits", "reuse", "dsp", "bram"),
    [
        # Synthesised by Vitis HLS, resource strategy: github:Dendendelen/wa-hls4ml-search, results_resource.csv
        (64, 32, 10, 1024, 2, 2), (32, 192, 4, 512, 0, 3), (160, 32, 14, 640, 8, 8), (224, 64, 10, 896, 16, 10),
        (256, 224, 10, 512, 112, 32), (192, 256, 14, 384, 128, 50), (224, 160, 12, 448, 80, 27),
        (224, 192, 10, 896, 48, 28), (192, 192, 8, 576, 64, 30), (256, 192, 4, 512, 0, 11),
    ],
)  # fmt: skip
def test_synthesised_dense_layers_are_reproduced(inputs, outputs, bits, reuse, dsp, bram):
    found = dense(inputs, outputs, bits, reuse)
    assert found.busy[0] == reuse
    assert found.busy[0] + found.depth[0] == reuse + 2
    assert found.dsp[0] == dsp
    # HLS drops bits that the weights of those designs do not use: 18 of 20 in the first one.
    assert bram <= found.bram18[0] <= bram + (bits == 10 and reuse == 1024)


@pytest.mark.parametrize(
    ("bits", "reuse", "interval", "dsp"), [(8, 1, 1, 457), (10, 512, 315, 4), (12, 512, 426, 4), (6, 512, 3, 0)]
)
def test_synthesised_products_by_constants_take_turns(bits, reuse, interval, dsp):
    # 64 inputs, 32 outputs, latency strategy: github:Dendendelen/wa-hls4ml-search, results_latency.csv
    draft = Draft(64, weights=bits, activations=16)
    draft.dense(32)
    found = cost(draft, Folding(reuse_factor=reuse, strategy="latency"), io_type="io_parallel")
    # The weights were drawn at random; 1.5 % is what their number of multipliers varies by.
    assert found.busy[0] == pytest.approx(interval, rel=0.015, abs=1)
    assert found.dsp[0] == pytest.approx(dsp, rel=0.015)


@pytest.mark.parametrize(
    ("inputs", "outputs", "bits", "reuse", "ff"),
    [(64, 32, 6, 512, 683), (128, 160, 8, 1024, 2989), (224, 224, 12, 448, 5048), (256, 256, 4, 1024, 4475)],
)
def test_flip_flops_of_dense_layers_are_near_the_reports(inputs, outputs, bits, reuse, ff):
    # Those designs accumulate in hls4ml's default 16 bits; ours hold every sum, hence the wide tolerance.
    own = dense(inputs, outputs, bits, reuse).ff[0] - inputs * 16 * 2
    assert 0.9 * ff < own < 2.5 * ff


def test_unpipelined_convolutions_pay_per_pixel():
    # github:fastmachinelearning/hls4ml-live-demo, pynqz2_rn06_v8: 100 pixels at most 922,000 cycles, at least 200.
    assert conv(288, 10, 32, 1, (0,) * 4, 9216).busy == 100 * (9216 + 4)
    padded = conv(32, 8, 32, 3, (1,) * 4, 9216).busy
    assert padded == 64 * (9216 + 4) + 36 * 2
    assert 200 <= padded <= 922_000


def test_pipelined_convolutions_take_their_reuse_factor_per_input_pixel():
    # hls4ml-tutorial part 6 (SVHN): interval 1028 for 32 x 32 pixels at reuse factor 1.
    assert conv(3, 32, 16, 3, (0,) * 4, 1, "latency").busy == 1028


def test_activations_take_a_pixel_per_cycle():
    # github:Gabriele-bot/ALVEO-PYNQ_ML, MNIST CNN: relu over 26 x 26 pixels, 679 cycles.
    draft = Draft(16, 26, 26)
    draft.relu()
    assert cost(draft, Folding(strategy="latency")).busy == 679


def test_the_reuse_factors_of_hls4ml():
    stages = pipeline(small_conv().network()).stages
    assert hls4ml.legal_reuse_factors(stages[0]) == (1, 2, 3, 4, 6, 9, 12, 18, 36, 72, 108, 216)
    assert hls4ml.legal_reuse_factors(stages[1]) == (1,)


def small_conv():
    draft = Draft(4, 8, 8)
    draft.conv(6, 3)
    draft.relu()
    return draft


@pytest.mark.needs("hls4ml")
@LAW
@given(st.integers(1, 40), st.integers(1, 40))
def test_reuse_factors_equal_those_hls4ml_accepts(inputs, outputs):
    from hls4ml.backends import get_backend

    draft = Draft(inputs)
    draft.dense(outputs)
    accepted = get_backend("Vitis").get_valid_reuse_factors(inputs, outputs)
    assert list(hls4ml.legal_reuse_factors(pipeline(draft.network()).stages[0])) == accepted


@pytest.mark.needs("hls4ml")
@LAW
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 2000))
def test_nearest_legal_reuse_is_hls4mls(inputs, outputs, asked):
    from hls4ml.backends import get_backend

    backend = get_backend("Vitis")
    nearest = backend.get_closest_reuse_factor(backend.get_valid_reuse_factors(inputs, outputs), asked)
    points = (np.full(3, float(number)) for number in (inputs, outputs, asked))
    assert hls4ml.nearest_legal_reuse(*points).tolist() == [nearest] * 3


@LAW
@given(networks(), st.sampled_from(("io_stream", "io_parallel")), st.sampled_from(("resource", "latency")), st.data())
def test_lower_reuse_is_never_slower_and_never_uses_fewer_multipliers(network, io_type, strategy, data):
    stages = pipeline(network)
    index = next(i for i, stage in enumerate(stages.stages) if stage.kind in ("matrix", "depthwise"))
    legal = hls4ml.legal_reuse_factors(stages.stages[index])
    low, high = sorted(data.draw(st.lists(st.sampled_from(legal), min_size=2, max_size=2)))
    foldings = tuple(Folding(reuse_factor=reuse, strategy=strategy) for reuse in (low, high))
    found = cost_of(stages, np.array([index, index]), foldings, "hls4ml", io_type, {})
    assert found.busy[0] <= found.busy[1]
    if low > 1:
        assert found.dsp[0] >= found.dsp[1]


@LAW
@given(networks(16), st.lists(st.integers(2, 16), min_size=2, max_size=2))
def test_fewer_bits_never_take_more_cycles_blocks_or_registers(network, widths):
    at = []
    for bits in sorted(widths):
        formats = {name: type(tensor.format)(bits, 0) for name, tensor in network.tensors.items()}
        stages = pipeline(network.with_formats(formats))
        index = np.arange(len(stages.stages))
        at.append(cost_of(stages, index, (Folding(reuse_factor=2),) * len(index), "hls4ml", "io_stream", {}))
    few, many = at
    for name in ("busy", "bram18", "dsp", "ff"):
        assert np.all(getattr(few, name) <= getattr(many, name)), name


def test_fifos_hold_a_whole_image_unless_the_design_says_otherwise():
    draft = Draft(16, 26, 26)
    tensor = draft.relu()
    whole = cost(draft, Folding(strategy="latency")).bram18
    short = cost(draft, Folding(strategy="latency"), depths={tensor: 16}).bram18
    assert (whole, short) == (8, 0)  # 128 bits x 676 deep


def test_unrolled_layers_keep_no_weight_memory():
    assert conv(32, 5, 32, 4, SAME4, 1, "latency").bram18 == 0
    assert conv(32, 5, 32, 4, SAME4, 512).bram18 > 0
