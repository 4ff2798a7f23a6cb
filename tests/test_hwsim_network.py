# SPDX-License-Identifier: Apache-2.0
"""The golden graph checks itself, resizes itself and hashes its structure."""

import copy
import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim import ops
from hwsim.errors import NetworkError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor


def grown(widths: dict[str, int]) -> Network:
    """Residual, depthwise, concatenated, grouped and flattened, at any widths; shapes written out by hand."""
    stem, inner, side, mixed, classes = (widths[name] for name in ("stem", "inner", "side", "mixed", "classes"))
    joined = 2 * stem + side
    pad, strided = {"kernel": (3, 3), "padding": (1, 1, 1, 1)}, {"kernel": (1, 1), "stride": (2, 2)}
    window = {"kernel": (2, 2), "stride": (2, 2)}
    rows = [  # name, op, inputs, attrs, params, shape
        ("x", "input", (), {}, {}, (3, 8, 8)),
        ("stem", "conv2d", ("x",), pad, {"weight": (stem, 3, 3, 3), "bias": (stem,)}, (stem, 8, 8)),
        ("norm", "batch_norm", ("stem",), {}, {"scale": (stem,), "shift": (stem,)}, (stem, 8, 8)),
        ("act", "relu", ("norm",), {}, {}, (stem, 8, 8)),
        ("inner", "conv2d", ("act",), pad, {"weight": (inner, stem, 3, 3)}, (inner, 8, 8)),
        ("outer", "conv2d", ("inner",), pad, {"weight": (stem, inner, 3, 3)}, (stem, 8, 8)),
        ("sum", "add", ("act", "outer"), {}, {}, (stem, 8, 8)),
        (
            "depthwise",
            "conv2d",
            ("sum",),
            {**pad, "stride": (2, 2), "groups": stem},
            {"weight": (2 * stem, 1, 3, 3), "bias": (2 * stem,)},
            (2 * stem, 4, 4),
        ),
        ("side", "conv2d", ("sum",), strided, {"weight": (side, stem, 1, 1)}, (side, 4, 4)),
        ("joined", "concat", ("depthwise", "side"), {}, {}, (joined, 4, 4)),
        ("mixed", "conv2d", ("joined",), {**pad, "groups": 2}, {"weight": (mixed, joined // 2, 3, 3)}, (mixed, 4, 4)),
        ("pool", "max_pool2d", ("mixed",), window, {}, (mixed, 2, 2)),
        ("large", "upsample2d", ("pool",), {"factor": (1, 3)}, {}, (mixed, 2, 6)),
        ("framed", "pad2d", ("large",), {"padding": (1, 0, 0, 0)}, {}, (mixed, 3, 6)),
        ("flat", "flatten", ("framed",), {}, {}, (mixed * 18,)),
        ("classes", "dense", ("flat",), {}, {"weight": (classes, mixed * 18), "bias": (classes,)}, (classes,)),
        ("y", "output", ("classes",), {}, {}, (classes,)),
    ]
    layers, tensors = [], {}
    for name, op, inputs, attrs, params, shape in rows:
        layers.append(Layer(name, op, inputs, (name,), attrs, {role: f"{name}.{role}" for role in params}))
        tensors[name] = Tensor(shape)
        tensors.update({f"{name}.{role}": Tensor(extents) for role, extents in params.items()})
    return Network("grown", tuple(layers), tensors, ("x",), ("y",))


WIDTHS = {"stem": 4, "inner": 5, "side": 2, "mixed": 6, "classes": 10}
NET = grown(WIDTHS)

# Looking things up


def test_layers_and_their_neighbours_are_found() -> None:
    assert NET.layer("sum").inputs == ("act", "outer")
    assert NET.producer("sum") is NET.layer("sum")
    assert NET.producer("stem.weight") is None
    assert [layer.name for layer in NET.consumers("sum")] == ["depthwise", "side"]
    assert NET.consumers("y") == ()
    assert NET.input_shapes(NET.layer("joined")) == ((8, 4, 4), (2, 4, 4))
    assert NET.parameter_names[:4] == ("stem.weight", "stem.bias", "norm.scale", "norm.shift")
    with pytest.raises(NetworkError, match=r"^grown: unknown layer 'inmer'; did you mean 'inner'\?"):
        NET.layer("inmer")


def test_a_layer_that_reads_a_tensor_twice_consumes_it_once() -> None:
    net = chain(Layer("twice", "add", ("x", "x"), ("twice",)), {"twice": Tensor((2, 4, 4))})
    assert [layer.name for layer in net.consumers("x")] == ["twice"]


def test_work_and_storage_are_counted() -> None:
    by_hand = {
        "stem": 4 * 3 * 9 * 64,
        "inner": 5 * 4 * 9 * 64,
        "outer": 4 * 5 * 9 * 64,
        "depthwise": 8 * 9 * 16,
        "side": 2 * 4 * 16,
        "mixed": 6 * 5 * 9 * 16,
        "classes": 10 * 108,
    }
    assert {layer.name: ops.macs(NET, layer) for layer in NET.layers if ops.macs(NET, layer)} == by_hand
    assert NET.macs() == sum(by_hand.values())
    weights = 108 + 4 + 8 + 180 + 180 + 72 + 8 + 8 + 270 + 1080 + 10
    assert NET.parameters() == weights
    assert NET.weight_bits() == 32 * weights
    assert NET.with_bits(5).weight_bits() == 5 * weights


def test_a_tensor_knows_its_storage() -> None:
    assert [Tensor((2, 3), fmt).bits for fmt in (None, FixedPoint(5, 2))] == [32, 5]
    assert Tensor((2, 3), None, 4).size_bits == 24
    assert (Tensor(()).size, Tensor((4096, 4096, 4096)).size) == (1, 2**36)


def test_a_network_is_quantised_when_every_tensor_is() -> None:
    formats = dict.fromkeys(NET.tensors, FixedPoint(8, 4))
    assert NET.with_formats(formats).is_quantised
    assert not NET.with_formats({**formats, "sum": None}).is_quantised
    assert not NET.with_bits(8).is_quantised


def test_a_network_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        NET.tensors["x"] = Tensor((1,))
    with pytest.raises(TypeError):
        NET.layer("stem").attrs["groups"] = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        NET.name = "other"
    assert copy.deepcopy(NET) == NET


# Other widths and formats


@settings(deadline=None, max_examples=50)
@given(
    stem=st.integers(2, 6),
    inner=st.integers(1, 6),
    side=st.sampled_from([2, 4, 8]),
    mixed=st.sampled_from([2, 4, 10]),
    classes=st.integers(1, 12),
)
def test_a_resized_network_is_the_network_built_at_that_size(**widths: int) -> None:
    resized = NET.with_widths({**widths, "outer": widths["stem"]})
    assert resized == grown(widths)
    assert resized.hash == grown(widths).hash
    assert resized.with_widths({**WIDTHS, "outer": WIDTHS["stem"]}) == NET


def test_formats_stay_when_widths_change() -> None:
    net = NET.with_formats({"inner": FixedPoint(6, 3), "inner.weight": FixedPoint(4, 3)}).with_widths({"inner": 7})
    assert net.tensors["inner"] == Tensor((7, 8, 8), FixedPoint(6, 3))
    assert net.tensors["inner.weight"] == Tensor((7, 4, 3, 3), FixedPoint(4, 3))


def test_a_format_takes_the_place_of_a_storage_width() -> None:
    net = NET.with_bits(4).with_formats({"x": FixedPoint(8, 7)})
    assert net.tensors["x"] == Tensor((3, 8, 8), FixedPoint(8, 7), None)
    assert net.tensors["y"].bits == 4


RESIZES = {
    "unknown layer": ({"stam": 3}, "grown: unknown layer 'stam'; did you mean 'stem'?"),
    "no width": ({"act": 3}, "act: relu has no width of its own; name a convolution or dense layer"),
    "batch norm": ({"norm": 3}, "norm: batch_norm has no width of its own; name a convolution or dense layer"),
    "input": ({"x": 3}, "x: input has no width of its own; name a convolution or dense layer"),
    "depthwise": ({"depthwise": 8}, "depthwise: a depthwise convolution follows its input; name the layer before it"),
    "nothing left": ({"inner": 0}, "inner: got width 0; expected at least 1"),
    "one side of a sum": ({"stem": 5}, "sum: got input shapes [(5, 8, 8), (4, 8, 8)]; add needs equal shapes"),
    "odd groups": ({"side": 3}, "mixed: 11 input channels do not divide into 2 groups"),
    "odd grouped width": ({"mixed": 5}, "mixed: groups=2 must divide 5 output channels"),
}


@pytest.mark.parametrize(("widths", "message"), RESIZES.values(), ids=RESIZES)
def test_an_impossible_width_is_refused(widths: dict[str, int], message: str) -> None:
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}"):
        NET.with_widths(widths)


def test_an_unknown_tensor_and_an_impossible_storage_width_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"^grown: unknown tensor 'stem.wait'; did you mean 'stem.weight'\?"):
        NET.with_formats({"stem.wait": None})
    for bits in (0, 65):
        with pytest.raises(NetworkError, match=f"^grown: got {bits} bits per value; expected 1 to 64$"):
            NET.with_bits(bits)


# Hash


def test_the_hash_does_not_depend_on_the_order_of_mappings() -> None:
    shuffled = dataclasses.replace(
        NET,
        tensors=dict(reversed(NET.tensors.items())),
        layers=tuple(
            dataclasses.replace(
                layer, attrs=dict(reversed(layer.attrs.items())), params=dict(reversed(layer.params.items()))
            )
            for layer in NET.layers
        ),
    )
    assert shuffled.hash == NET.hash
    assert re.fullmatch(r"[0-9a-f]{16}", NET.hash)


def test_the_hash_changes_with_structure_shapes_and_formats() -> None:
    def with_layer(name: str, **changes: Any) -> Network:
        layers = [dataclasses.replace(layer, **changes) if layer.name == name else layer for layer in NET.layers]
        return dataclasses.replace(NET, layers=tuple(layers))

    others = [
        dataclasses.replace(NET, name="other"),
        NET.with_widths({"inner": 6}),
        NET.with_formats({"inner": FixedPoint(8, 4)}),
        NET.with_formats({"inner": FixedPoint(8, 4, True, "RND")}),
        NET.with_bits(8),
        with_layer("act", op="requantise"),
        with_layer("pool", op="avg_pool2d", attrs={"kernel": (2, 2), "stride": (2, 2)}),
        with_layer("sum", inputs=("outer", "act")),
        with_layer("sum", inputs=("outer", "outer")),
        with_layer("framed", attrs={"padding": (0, 0, 1, 0)}),
    ]
    assert len({net.hash for net in [NET, *others]}) == len(others) + 1


# What is not a network

TENSORS = {"x": Tensor((2, 4, 4)), "r": Tensor((2, 4, 4)), "d": Tensor((3,)), "w": Tensor((3, 2))}
INPUT = Layer("x", "input", (), ("x",))
RELU = Layer("r", "relu", ("x",), ("r",))


def chain(layer: Layer, tensors: dict[str, Tensor] | None = None) -> Network:
    return Network("net", (INPUT, layer), {**TENSORS, **(tensors or {})}, ("x",), layer.outputs)


def network(*layers: Layer, tensors: Any = TENSORS, inputs: Any = ("x",), outputs: Any = ("r",)) -> Network:
    return Network("net", layers, tensors, inputs, outputs)


INVALID = {
    "two layers of one name": (
        lambda: network(INPUT, RELU, Layer("r", "relu", ("x",), ("d",))),
        "net: two layers are called 'r'; rename one",
    ),
    "not in order": (lambda: network(RELU, INPUT), "r: reads 'x' before any layer wrote it; order the layers"),
    "reads nothing that exists": (
        lambda: chain(Layer("r", "relu", ("z",), ("r",))),
        "r: reads 'z' before any layer wrote it; order the layers",
    ),
    "reads its own output": (lambda: chain(Layer("r", "relu", ("r",), ("r",))), "r: got a cycle, r <- r; expected"),
    "a cycle": (
        lambda: network(INPUT, Layer("r", "add", ("x", "s"), ("r",)), Layer("s", "relu", ("r",), ("s",))),
        "r: got a cycle, r <- s <- r; expected layers that do not read what follows from their own output",
    ),
    "writes twice": (
        lambda: network(INPUT, RELU, Layer("s", "relu", ("x",), ("r",))),
        "s: writes 'r', which exists already; rename the tensor",
    ),
    "writes a parameter": (
        lambda: chain(Layer("r", "batch_norm", ("x",), ("r",), {}, {"scale": "r", "shift": "r"})),
        "r: writes 'r', which exists already; rename the tensor",
    ),
    "writes without a shape": (
        lambda: chain(Layer("s", "relu", ("x",), ("s",))),
        "s: writes 's', which has no shape; list it among the tensors",
    ),
    "parameter without a shape": (
        lambda: chain(Layer("d", "dense", ("x",), ("d",), {}, {"weight": "v"})),
        "net: parameter 'v' has no shape; list it among the tensors",
    ),
    "writes two tensors": (lambda: chain(Layer("r", "relu", ("x",), ("r", "s"))), "r: writes 2 tensors; expected one"),
    "writes no tensor": (
        lambda: network(INPUT, Layer("r", "relu", ("x",)), outputs=("x",)),
        "r: writes 0 tensors; expected one",
    ),
    "no extent": (
        lambda: chain(RELU, {"r": Tensor((2, 0, 4))}),
        "net: tensor 'r' has shape (2, 0, 4); expected extents >= 1",
    ),
    "wrong shape": (
        lambda: chain(RELU, {"r": Tensor((2, 4, 5))}),
        "r: output shape is ((2, 4, 5),), but relu of its inputs gives ((2, 4, 4),); correct the tensor's shape",
    ),
    "input that no input layer writes": (
        lambda: network(INPUT, RELU, inputs=("r",)),
        "net: inputs are ['r'], but its input layers write ['x']",
    ),
    "input layer that is no input": (
        lambda: network(INPUT, RELU, Layer("d", "input", (), ("d",))),
        "net: inputs are ['x'], but its input layers write ['d', 'x']",
    ),
    "output that no layer writes": (
        lambda: network(INPUT, RELU, outputs=("w",)),
        "net: output 'w' is written by no layer",
    ),
}


@pytest.mark.parametrize(("build", "message"), INVALID.values(), ids=INVALID)
def test_what_is_not_a_network_is_refused(build: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}"):
        build()


def test_a_parameter_is_no_activation() -> None:
    dense = Layer("d", "dense", ("f",), ("d",), {}, {"weight": "w"})
    tensors = {"f": Tensor((2,)), "d": Tensor((3,)), "w": Tensor((3, 2)), "r": Tensor((3, 2))}
    layers = (Layer("f", "input", (), ("f",)), dense, Layer("r", "relu", ("w",), ("r",)))
    with pytest.raises(NetworkError, match=r"^r: reads 'w' before any layer wrote it; order the layers$"):
        Network("net", layers, tensors, ("f",), ("r",))


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"^r: unknown operator 'rellu'; did you mean 'relu'\?"):
        chain(Layer("r", "rellu", ("x",), ("r",)))
