# SPDX-License-Identifier: Apache-2.0
import re

import pytest
from quant_networks import Bottleneck, Branches, Residual, float_network

from hwsim.errors import UnknownNameError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor
from quant.placement import Placed, place, weight_widths
from quant.spec import LayerWidths, QuantSpec


def widths(kind, spec):
    return {name: (p.width, p.signed) for name, p in place(float_network(kind)[0], spec).items()}


def test_residual_operands_are_signed_and_activations_unsigned():
    assert widths(Residual, QuantSpec(activation_width=4, operand_width=7)) == {
        "input": (8, False),
        "relu": (4, False),
        "left": (7, True),
        "add": (7, True),  # read by two further additions
        "relu_2": (4, False),
        "right": (7, True),
        "add_2": (7, True),
        "relu_3": (4, False),
        "mean": (7, False),
    }


def test_only_what_leaves_the_grid_is_quantised_again():
    placed = widths(Branches, QuantSpec())
    assert "depthwise" in placed  # concatenated
    assert not {"max_pool2d", "cat", "stem", "point", "upsample_nearest2d"} & set(placed)


def test_linear_results_are_quantised_where_they_are_used_again():
    placed = widths(Bottleneck, QuantSpec(operand_width=6))
    assert placed == {"input": (8, False), "narrow": (6, True), "wide": (6, True), "add": (6, True)}


def test_a_signed_input_makes_its_means_signed():
    network = chain([("global_avg_pool", {})], (2, 3, 3))
    spec = QuantSpec(input_format=FixedPoint(5, 3))
    assert place(network, spec)["t1"] == Placed(8, True)


def test_overrides_reach_a_relu_under_the_name_of_its_convolution():
    spec = QuantSpec(overrides={"stem": LayerWidths(5, 3), "relu_2": LayerWidths(activation_width=2)})
    found = widths(Residual, spec)
    assert found["relu"] == (3, False)
    assert found["relu_2"] == (2, False)
    assert weight_widths(float_network(Residual)[0], spec)["stem"] == 5


def test_first_and_last_weights_have_their_own_widths():
    spec = QuantSpec(3, first_width=8, last_width=6, overrides={"left": LayerWidths(4)})
    found = weight_widths(float_network(Residual)[0], spec)
    assert found == {"stem": 8, "left": 4, "right": 3, "head": 6}


def test_an_override_without_a_layer_is_refused():
    with pytest.raises(UnknownNameError, match="no layer matches 'stemm'; did you mean 'stem'"):
        place(float_network(Residual)[0], QuantSpec(overrides={"stemm": LayerWidths(3)}))


def chain(steps, shape):
    """Layers l1, l2 … on an input; tensors t1, t2 …"""
    layers, tensors, shapes = [Layer("x", "input", (), ("t0",))], {"t0": Tensor(shape)}, {"global_avg_pool": (2, 1, 1)}
    for i, (op, attrs) in enumerate(steps, 1):
        layers.append(Layer(f"l{i}", op, (f"t{i - 1}",), (f"t{i}",), attrs))
        tensors[f"t{i}"] = Tensor(shapes.get(op, shape))
    return Network("chain", tuple(layers), tensors, ("t0",), (f"t{len(steps)}",))


@pytest.mark.parametrize(
    ("op", "attrs", "remedy"),
    [
        ("softmax", {}, "end the network before it (argmax of the logits is the same)"),
        ("leaky_relu", {"alpha": 0.1}, "use relu or clip"),
    ],
)
def test_layers_without_an_integer_form_are_refused(op, attrs, remedy):
    message = f"l1: {op} cannot be quantised to fixed point; {remedy}"
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        place(chain([(op, attrs)], (4,)), QuantSpec())


def test_a_batch_norm_that_could_not_be_folded_is_refused():
    layers = (
        Layer("x", "input", (), ("t0",)),
        Layer("norm", "batch_norm", ("t0",), ("t1",), params={"scale": "s", "shift": "b"}),
    )
    tensors = {"t0": Tensor((2, 3, 3)), "t1": Tensor((2, 3, 3)), "s": Tensor((2,)), "b": Tensor((2,))}
    with pytest.raises(UnsupportedError, match="norm: batch_norm cannot be quantised to fixed point; put it directly"):
        place(Network("n", layers, tensors, ("t0",), ("t1",)), QuantSpec())


def test_shared_weights_are_refused():
    layers = (
        Layer("x", "input", (), ("t0",)),
        Layer("a", "dense", ("t0",), ("t1",), params={"weight": "w"}),
        Layer("b", "dense", ("t1",), ("t2",), params={"weight": "w"}),
    )
    tensors = {"t0": Tensor((2,)), "t1": Tensor((2,)), "t2": Tensor((2,)), "w": Tensor((2, 2))}
    with pytest.raises(UnsupportedError, match="b: shares 'w' with a; .*give each layer its own parameters"):
        place(Network("n", layers, tensors, ("t0",), ("t2",)), QuantSpec())
