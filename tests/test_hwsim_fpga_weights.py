# SPDX-License-Identifier: Apache-2.0
"""Estimates that are given the weights leave out what zeros need no hardware or cycles for."""

import numpy as np
import pytest
from hls_networks import Builder

from hwsim.design import Design, Folding
from hwsim.errors import InputError
from hwsim.fixed import FixedPoint
from hwsim.fpga.constant_products import given
from hwsim.fpga.stages import pipeline
from hwsim.fpga.weights import constants_of
from hwsim.targets import estimate

ACT, WEIGHT = FixedPoint(12, 6, False, "RND_CONV", "SAT"), FixedPoint(12, 8)


def two_layers():
    """A convolution and a dense layer with weights of 12 bits."""
    made = Builder((4, 4, 4), ACT)
    flat = made.add("flatten", made.conv("x", 8, (2, 2), ACT, WEIGHT), ACT)
    return made.build(made.dense(flat, 10, ACT, WEIGHT))


def pruned(network, weights, share, seed=0):
    """The weights with so many of every matrix set to zero."""
    rng = np.random.default_rng(seed)
    found = dict(weights)
    for layer in network.layers:
        if layer.op in ("conv2d", "dense"):
            name = layer.params["weight"]
            found[name] = np.where(rng.random(weights[name].shape) < share, 0, weights[name])
    return found


def unrolled(network):
    folding = {stage.name: Folding(strategy="latency") for stage in pipeline(network).stages}
    return Design(network.hash, "zcu104", 100.0, "io_stream", "Vitis", folding)


def test_constants_are_counted_by_their_signed_digits_and_once_per_input():
    # 1 and 3 are shifts and additions, 11 is a small multiplier, -11 a wide one, 21 and 43 wide; 21 twice is one.
    assert given(np.array([[0, 1, 3, 11, 21, 21], [-11, 43, 0, 0, 2, 4]])) == (9, 4, 3)


def test_they_are_those_of_the_matrices_that_hardware_has():
    network, weights = two_layers()
    stages = pipeline(network)
    found = constants_of(network, stages, weights)
    tensors = [layer.params["weight"] for layer in network.layers if layer.op in ("conv2d", "dense")]
    assert found.nonzero.tolist() == [np.count_nonzero(weights[name]) for name in tensors]
    rows = weights[tensors[0]].reshape(8, 16).T
    distinct = sum(len({value for value in row.tolist() if bin(abs(value) ^ 3 * abs(value)).count("1") > 2})
                   for row in rows)  # fmt: skip
    assert found.multipliers[0] == distinct > found.multipliers[0] / 2 > 0


def test_unrolled_layers_of_hls4ml_have_no_products_by_zero():
    network, weights = two_layers()
    design = unrolled(network)
    figures = [estimate(network, "fpga:zcu104", 1, design, weights=pruned(network, weights, share))
               for share in (0.0, 0.5, 0.9)]  # fmt: skip
    for name in ("lut", "ff", "dsp"):
        values = [one.field(name) for one in figures]
        assert values[0] > values[1] > values[2]
    assert len({one.field("cycles") for one in figures}) == 1
    assert any("of unrolled layers that are not zero count: conv2d" in note for note in figures[1].notes)


def test_folded_layers_of_hls4ml_compute_zeros():
    network, weights = two_layers()
    folding = {stage.name: Folding(reuse_factor=4, strategy="resource") for stage in pipeline(network).stages}
    design = Design(network.hash, "zcu104", 100.0, "io_stream", "Vitis", folding)
    plain = estimate(network, "fpga:zcu104", 1, design)
    found = estimate(network, "fpga:zcu104", 1, design, weights=pruned(network, weights, 0.9))
    assert {name: found.field(name) for name in ("lut", "dsp", "cycles")} == {
        name: plain.field(name) for name in ("lut", "dsp", "cycles")
    }
    assert any("no layer is unrolled" in note for note in found.notes)


def test_pe_x_simd_stages_leave_out_blocks_of_zeros():
    network, weights = two_layers()
    tensor = next(layer.params["weight"] for layer in network.layers if layer.op == "dense")
    weights = {**weights, tensor: np.where(np.arange(weights[tensor].shape[1]) % 8 < 4, weights[tensor], 0)}
    folding = {stage.name: Folding(8, 4) if stage.op == "conv2d" else Folding(1, 2)
               for stage in pipeline(network).stages}  # fmt: skip
    design = Design(network.hash, "pynq-z2", 100.0, backend="Slimfab", folding=folding)
    every = estimate(network, "fpga:pynq-z2/folded", 1, design)
    kept = estimate(network, "fpga:pynq-z2/folded", 1, design, weights=weights)
    assert kept.field("ii") < 0.8 * every.field("ii")


@pytest.mark.parametrize("target", ["cpu:cortex-a72", "gpu:h100", "npu:tpu-v1"])
def test_other_targets_say_that_zeros_save_nothing(target):
    network, weights = two_layers()
    found = estimate(network, target, weights=pruned(network, weights, 0.5))
    assert found.field("latency_us") == estimate(network, target).field("latency_us")
    assert any(f"{target}: sparsity unstructured" in note and "saves nothing" in note for note in found.notes)


def test_weights_that_are_no_integers_are_refused():
    network, weights = two_layers()
    floats = {name: array / 256 for name, array in weights.items()}
    with pytest.raises(
        InputError, match="128 weights of type float64 for .*; expected 128 whole numbers; give those of"
    ):
        estimate(network, "fpga:zcu104", weights=floats)
