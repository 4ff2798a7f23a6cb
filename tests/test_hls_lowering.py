# SPDX-License-Identifier: Apache-2.0
"""Lowering without hls4ml: refusals by their text, orders of elements, types and notes."""

import numpy as np
import pytest
from hls_networks import Builder

from hls.elementwise import is_non_negative
from hls.graph import image_order
from hls.legality import default_folding
from hls.lowering import explain, from_hls_order, lower, to_hls_order
from hwsim import ops
from hwsim.design import Design, Folding
from hwsim.errors import NetworkError, UnsupportedError, WeightsError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor

S8 = FixedPoint(8, 4, True, "RND_CONV", "SAT")
U8 = FixedPoint(8, 4, False, "RND_CONV", "SAT")
W6 = FixedPoint(6, 5)


def design(network, io_type="io_stream", **folding):
    return Design(network.hash, "pynq-z2", 100.0, io_type, "Vitis", {**default_folding(network), **folding})


def one_layer(op, shape=(3, 6, 6), fmt=S8, out=S8, **attrs):
    b = Builder(shape, fmt)
    return b.build(b.add(op, "x", out, **attrs))


REFUSALS = [
    (
        one_layer("max_pool2d", kernel=(3, 3), stride=(2, 2)),
        "max_pool2d1: got kernel=(3, 3) with stride=(2, 2); hls4ml's streaming pool needs them equal; "
        "use kernel = stride, a strided convolution, or io_parallel",
    ),
    (
        one_layer("max_pool2d", kernel=(2, 2), stride=(2, 2), padding=(1, 1, 1, 1)),
        "max_pool2d1: got padding=(1, 1, 1, 1) on an input that may be negative; hls4ml's streaming max pool has no "
        "padding and zeros would win over negative values; move the relu before the pool, or use io_parallel",
    ),
    (
        one_layer("avg_pool2d", kernel=(2, 2), stride=(2, 2), padding=(1, 1, 1, 1), count_include_pad=False),
        "avg_pool2d1: got padding=(1, 1, 1, 1) with count_include_pad=False; hls4ml's streaming average pool divides "
        "by the whole window; set count_include_pad=True, drop the padding, or use io_parallel",
    ),
    (
        one_layer("softmax", (5,)),
        "softmax1: got softmax; hls4ml computes it with tables, never exactly; "
        "end the network at the logits, whose argmax is the same",
    ),
    (
        one_layer("sigmoid"),
        "sigmoid1: got sigmoid; hls4ml computes it with tables, never exactly; "
        "use relu or clip, or end the network before it and compare with a threshold",
    ),
    (one_layer("gelu"), "gelu1: got gelu; hls4ml computes it with tables, never exactly; replace the layer by relu"),
    (one_layer("global_avg_pool", fmt=FixedPoint(40, 0), out=FixedPoint(8, 30)), "global_avg_pool1: the mean over 36"),
    (
        one_layer("requantise", out=FixedPoint(60, 10)),
        "requantise1: 'requantise1.out' has 60 bits; expected at most 53, which a float64 carries through the C++",
    ),
]


@pytest.mark.parametrize(("made", "message"), REFUSALS, ids=[text.split(":")[0] for _, text in REFUSALS])
def test_what_cannot_be_exact_is_refused_with_a_remedy(made, message):
    network, weights = made
    with pytest.raises(UnsupportedError) as error:
        lower(network, weights, design(network))
    assert str(error.value).startswith(message)


def test_tables_stay_refused_for_every_float_only_operator():
    float_only = [op for op, row in ops.OPS.items() if not row.exact and op != ops.OPAQUE]
    assert len(float_only) >= 8
    for op in float_only:
        attrs = {"alpha": 0.1} if op == "leaky_relu" else {}
        network, weights = one_layer(op, (4,), **attrs)
        with pytest.raises(UnsupportedError, match="computes it with tables"):
            lower(network, weights)


def test_an_accumulator_beyond_63_bits_is_refused():
    b = Builder((4,), FixedPoint(32, 0))
    network, weights = b.build(b.dense("x", 2, S8, FixedPoint(32, 0)))
    with pytest.raises(UnsupportedError, match="dense1: an exact result needs 6. bits; expected at most 63"):
        lower(network, weights)


@pytest.mark.parametrize(
    ("op", "remedy"), [("batch_norm", "fold the batch norm, then quantise"), ("dense", "quantise the network")]
)
def test_a_float_tensor_is_refused_with_the_step_that_is_missing(op, remedy):
    if op == "dense":
        b = Builder((4,), S8)
        network, weights = b.build(b.dense("x", 2, S8, W6))
        network = network.with_formats({"w1": None})
    else:
        b = Builder((4,), S8)
        params = {"scale": b.parameter("s", (4,), W6), "shift": b.parameter("t", (4,), W6)}
        network, weights = b.build(b.add("batch_norm", "x", S8, params))
        network = network.with_formats({"s": None})
    with pytest.raises(UnsupportedError) as error:
        lower(network, weights)
    assert str(error.value).endswith(f"is float; expected a fixed-point format; {remedy}")


def test_a_stream_with_more_than_seven_readers_is_refused():
    b = Builder((4,), S8)
    parts = [b.add("relu", "x", U8) for _ in range(8)]
    network, weights = b.build(b.add("concat", parts, U8))
    with pytest.raises(UnsupportedError, match="input: its stream has 8 readers; hls4ml copies a stream at most 7"):
        lower(network, weights, design(network))
    assert lower(network, weights, design(network, "io_parallel")).output.shape == (32,)


def test_a_design_of_another_network_is_refused():
    network, weights = one_layer("relu")
    with pytest.raises(NetworkError, match=f"the design is for network 0000, this one is {network.hash}"):
        lower(network, weights, Design("0000", "pynq-z2", 100.0))


def test_a_backend_that_is_not_hls4mls_own_is_refused():
    network, weights = one_layer("relu")
    with pytest.raises(UnsupportedError, match="got backend Slimfab; expected Vitis or Vivado"):
        lower(network, weights, Design(network.hash, "pynq-z2", 100.0, backend="Slimfab"))


def test_several_outputs_and_networks_that_do_nothing_are_refused():
    b = Builder((4,), S8)
    first, second = b.add("relu", "x", U8), b.add("relu", "x", U8)
    network = Network("two", tuple(b.layers), b.tensors, ("x",), (first, second))
    with pytest.raises(NetworkError, match="two: got 1 inputs and 2 outputs; expected one of each; split the network"):
        lower(network, {})
    network, weights = one_layer("requantise")
    with pytest.raises(UnsupportedError, match="net: got a network that computes nothing"):
        lower(network, weights)


def test_wrong_weights_are_refused():
    b = Builder((4,), S8)
    network, weights = b.build(b.dense("x", 2, S8, W6))
    with pytest.raises(WeightsError, match="w1: values .* leave"):
        lower(network, {"w1": weights["w1"] + 100})


def test_flattened_operands_in_different_orders_cannot_be_added():
    b = Builder((2, 2, 2), S8)
    flat = b.add("flatten", "x", S8)
    total = b.add("add", (flat, b.dense(flat, 8, S8, W6)), S8)
    network, weights = b.build(total)
    with pytest.raises(UnsupportedError, match="operands whose elements hls4ml keeps in different orders"):
        lower(network, weights, design(network, "io_parallel"))


def test_flattened_images_are_not_concatenated_as_streams():
    b = Builder((2, 2, 2), S8)
    flat = b.add("flatten", "x", S8)
    network, weights = b.build(b.add("concat", (flat, flat), S8))
    with pytest.raises(UnsupportedError, match="a flattened image of 2 channels to concatenate in io_stream"):
        lower(network, weights, design(network))


def test_image_order_is_channels_last():
    golden = np.arange(2 * 3 * 4).reshape(1, 2, 3, 4)
    ordered = golden.reshape(-1)[image_order((2, 3, 4))]
    np.testing.assert_array_equal(ordered, golden[0].transpose(1, 2, 0).ravel())


def test_values_return_from_hls4mls_order():
    network, weights = one_layer("relu", (2, 3, 4), out=U8)
    lowered = lower(network, weights)
    values = np.random.default_rng(0).integers(0, 9, (5, 2, 3, 4))
    there = to_hls_order(values, lowered, network.outputs[0])
    np.testing.assert_array_equal(there[0], values[0].transpose(1, 2, 0).ravel())
    np.testing.assert_array_equal(from_hls_order(there, lowered, network.outputs[0], (2, 3, 4)), values)


def test_a_flatten_costs_no_layer_and_reorders_the_dense_weights():
    b = Builder((2, 2, 2), S8)
    network, weights = b.build(b.dense(b.add("flatten", "x", S8), 3, S8, W6))
    lowered = lower(network, weights)
    assert [node.kind for node in lowered.nodes] == ["InputLayer", "Reshape", "Dense"]
    rows = lowered.nodes[-1].attrs["weight_data"] * 2**5
    np.testing.assert_array_equal(rows, weights["w2"].reshape(3, 2, 2, 2).transpose(2, 3, 1, 0).reshape(8, 3))


def test_casts_that_change_no_value_cost_no_layer():
    b = Builder((4,), S8)
    network, weights = b.build(b.add("requantise", b.add("relu", "x", U8), FixedPoint(10, 5)))
    lowered = lower(network, weights)
    assert [node.kind for node in lowered.nodes] == ["InputLayer", "Activation"]
    assert lowered.output.format == U8


def test_every_type_is_written_out():
    b = Builder((3, 5, 5), S8)
    network, weights = b.build(b.conv("x", 4, (3, 3), U8, W6, FixedPoint(9, 8)))
    node = lower(network, weights).nodes[-1]
    assert {name: str(fmt) for name, fmt in node.precision.items()} == {
        "weight": "ap_fixed<6,1>",
        "bias": "ap_fixed<9,1>",
        "accum": str(node.precision["accum"]),
        "result": "ap_ufixed<8,4,AP_RND_CONV,AP_SAT>",
    }
    accum = node.precision["accum"]
    assert accum.frac == 4 + 5
    bound = np.abs(weights["w1"]).reshape(4, -1).sum(1) * 128 + np.abs(weights["b1"] * 2)
    assert bound.max() <= accum.max_int < 4 * bound.max()  # holds every sum, and not much more


def test_layer_names_become_identifiers_that_stay_unique_in_lower_case():
    tensors = {"x": Tensor((2,), S8)}
    layers = [Layer("input", "input", (), ("x",))]
    for width, name in ((7, "0.relu"), (6, "0_RELU"), (5, "for")):
        tensors[name] = Tensor((2,), FixedPoint(width, 3, True, "RND", "SAT"))
        layers.append(Layer(name, "relu", (layers[-1].outputs[0],), (name,)))
    network = Network("n", tuple(layers), tensors, ("x",), ("for",))
    assert [node.name for node in lower(network, {}).nodes] == ["x", "l0_relu", "l0_relu_2", "for"]


def test_rewritten_layers_are_noted_once_each():
    b = Builder((4, 6, 6), S8)
    grouped = b.conv("x", 4, (2, 2), S8, W6, groups=2)
    deep = b.conv(grouped, 4, (3, 3), S8, W6, groups=4, padding=(1, 1, 1, 1))
    network, weights = b.build(deep)
    folding = {"conv2d1": Folding(reuse_factor=15), "conv2d2": Folding(reuse_factor=4)}
    assert lower(network, weights, design(network, "io_parallel", **folding)).notes == (
        "conv2d1: groups or dilation written as a dense kernel with zeros",
        "conv2d1: hls4ml cannot build reuse_factor=15 for a 16x4 matrix with the resource strategy; used 16",
        "conv2d2: hls4ml has no resource depthwise convolution in io_parallel; used latency",
    )


def test_explain_judges_every_layer_of_a_float_network():
    b = Builder((4, 6, 6), S8)
    t = b.add("relu", b.conv("x", 4, (2, 2), S8, W6, groups=2), U8)
    t = b.add("max_pool2d", t, U8, kernel=(3, 3), stride=(1, 1))
    t = b.add("max_pool2d", t, U8, kernel=(3, 3), stride=(3, 3), padding=(0, 0, 0, 0))
    t = b.add("softmax", b.add("flatten", t, U8), U8)
    network, _ = b.build(b.dense(t, 2, S8, W6))
    network = network.with_formats(dict.fromkeys(network.tensors))
    found = explain(network)
    assert {name: status for name, (status, _) in found.items()} == {
        "input": "exact",
        "conv2d1": "rewritten",
        "relu2": "exact",
        "max_pool2d3": "refused",
        "max_pool2d4": "exact",
        "flatten5": "exact",
        "softmax6": "refused",
        "dense7": "exact",
    }
    assert found["max_pool2d3"][1].startswith("got kernel=(3, 3) with stride=(1, 1); hls4ml's streaming pool needs")
    assert explain(network, "io_parallel")["max_pool2d3"] == ("exact", "")


def test_signs_are_followed_through_the_layers():
    b = Builder((2, 4, 4), S8)
    wide = FixedPoint(9, 3, True)  # signed formats throughout
    relu = b.add("relu", "x", wide)
    pooled = b.add("max_pool2d", b.add("add", (relu, relu), S8), S8, kernel=(2, 2), stride=(2, 2))
    wrapped = b.add("requantise", relu, FixedPoint(4, 3, True))  # wraps large values below zero
    clipped = b.add("clip", "x", wide, low=0.5, high=1.0)
    network, _ = b.build(b.add("concat", (pooled, b.conv("x", 1, (3, 3), S8, W6)), S8))
    found = {tensor: is_non_negative(network, tensor) for tensor in network.tensors if network.producer(tensor)}
    expected = {"x": False, relu: True, "add2.out": True, pooled: True, wrapped: False, clipped: True}
    assert {tensor: found[tensor] for tensor in expected} == expected
    assert not found[network.outputs[0]]
    assert not found["conv2d6.out"]
