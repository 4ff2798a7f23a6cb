# SPDX-License-Identifier: Apache-2.0
"""Every operator's row: attributes, parameters, shapes and loop bounds, and what each refuses."""

import re
from typing import Any

import numpy as np
import pytest

from hwsim import formats, ops
from hwsim.errors import NetworkError, UnsupportedError
from hwsim.kernels import KERNELS
from hwsim.network import Layer, Network, Tensor

IMAGE = (4, 6, 8)


def shape_of(op: str, *shapes: tuple[int, ...], attrs: dict[str, Any] | None = None, **params: tuple[int, ...]) -> Any:
    """The output shape of one layer 'a' over inputs of these shapes."""
    shapes = shapes or (IMAGE,)
    names = tuple(f"x{i}" for i in range(len(shapes)))
    layer = Layer("a", op, names, ("y",), attrs or {}, {role: role for role in params})
    complete = Layer("a", op, names, ("y",), ops.complete_attrs(layer), layer.params)
    (shape,) = ops.output_shapes(complete, shapes, params)
    return shape


K3 = {"kernel": (3, 3)}
W3 = (5, 4, 3, 3)

SHAPES = {
    "dense": (lambda: shape_of("dense", (4,), weight=(7, 4)), (7,)),
    "dense along the last axis": (lambda: shape_of("dense", (3, 4), weight=(7, 4)), (3, 7)),
    "conv": (lambda: shape_of("conv2d", attrs=K3, weight=W3, bias=(5,)), (5, 4, 6)),
    "conv lopsided": (
        lambda: shape_of("conv2d", attrs={**K3, "padding": (1, 0, 2, 3), "stride": (2, 3)}, weight=W3),
        (5, 4, 3),
    ),
    "conv dilated": (lambda: shape_of("conv2d", attrs={**K3, "dilation": (2, 3)}, weight=W3), (5, 2, 2)),
    "conv depthwise": (lambda: shape_of("conv2d", attrs={**K3, "groups": 4}, weight=(8, 1, 3, 3)), (8, 4, 6)),
    "pool": (lambda: shape_of("max_pool2d", attrs={"kernel": (2, 3), "stride": (2, 2)}), (4, 3, 3)),
    "global": (lambda: shape_of("global_avg_pool"), (4, 1, 1)),
    "concat": (lambda: shape_of("concat", (4, 6, 8), (3, 6, 8), (1, 6, 8)), (8, 6, 8)),
    "concat of vectors": (lambda: shape_of("concat", (4,), (3,)), (7,)),
    "flatten": (lambda: shape_of("flatten"), (192,)),
    "upsample": (lambda: shape_of("upsample2d", attrs={"factor": (2, 3)}), (4, 12, 24)),
    "pad": (lambda: shape_of("pad2d", attrs={"padding": (1, 2, 3, 4)}), (4, 10, 14)),
    "add": (lambda: shape_of("add", IMAGE, IMAGE, IMAGE), IMAGE),
    "threshold": (lambda: shape_of("threshold", thresholds=(4, 3), start=(4,), slope=(4,)), IMAGE),
    "threshold of a vector": (lambda: shape_of("threshold", (4,), thresholds=(4, 1), start=(4,), slope=(4,)), (4,)),
    "lookup": (lambda: shape_of("lookup", attrs={"first": -8}, table=(16,)), IMAGE),
    "argmax": (lambda: shape_of("argmax", (10,)), (1,)),
    "argmax of an image": (lambda: shape_of("argmax", (10, 1, 1)), (1,)),
    "batch norm of a vector": (lambda: shape_of("batch_norm", (4,), scale=(4,), shift=(4,)), (4,)),
}


@pytest.mark.parametrize(("call", "shape"), SHAPES.values(), ids=SHAPES)
def test_output_shapes(call: Any, shape: tuple[int, ...]) -> None:
    assert call() == shape


POOL = {"kernel": (2, 2), "stride": (2, 2)}

REFUSED = {
    "unknown attribute": (
        lambda: shape_of("conv2d", attrs={**K3, "strides": (1, 1)}, weight=W3),
        "a: unknown attribute 'strides' of conv2d; did you mean 'stride'? (available: dilation, groups, kernel, ",
    ),
    "attribute of an operator without": (
        lambda: shape_of("relu", attrs={"alpha": 0.1}),
        "a: unknown attribute 'alpha' of relu; available: none",
    ),
    "missing attribute": (
        lambda: shape_of("max_pool2d", attrs={"kernel": (2, 2)}),
        "a: attribute 'stride' of max_pool2d is missing",
    ),
    "one number for two": (
        lambda: shape_of("max_pool2d", attrs={**POOL, "stride": 2}),
        "a: stride=2; expected two positive whole numbers (y, x)",
    ),
    "stride 0": (
        lambda: shape_of("max_pool2d", attrs={**POOL, "stride": (0, 1)}),
        "a: stride=(0, 1); expected two positive whole numbers (y, x)",
    ),
    "fractional kernel": (
        lambda: shape_of("max_pool2d", attrs={**POOL, "kernel": (2, 1.5)}),
        "a: kernel=(2, 1.5); expected two positive whole numbers (y, x)",
    ),
    "negative padding": (
        lambda: shape_of("pad2d", attrs={"padding": (0, -1, 0, 0)}),
        "a: padding=(0, -1, 0, 0); expected four whole numbers >= 0 (top, left, bottom, right)",
    ),
    "two sides for four": (
        lambda: shape_of("pad2d", attrs={"padding": (1, 1)}),
        "a: padding=(1, 1); expected four whole numbers >= 0 (top, left, bottom, right)",
    ),
    "no groups": (
        lambda: shape_of("conv2d", attrs={**K3, "groups": 0}, weight=W3),
        "a: groups=0; expected a positive whole number",
    ),
    "infinite bound": (
        lambda: shape_of("clip", attrs={"low": 0.0, "high": float("inf")}),
        "a: high=inf; expected a finite number",
    ),
    "bounds exchanged": (
        lambda: shape_of("clip", attrs={"low": 6, "high": 0}),
        "a: low=6 exceeds high=0; exchange them",
    ),
    "word for a truth": (
        lambda: shape_of("avg_pool2d", attrs={**POOL, "count_include_pad": "no"}),
        "a: count_include_pad='no'; expected true or false",
    ),
    "too few inputs": (lambda: shape_of("add", IMAGE), "a: got 1 inputs; add takes 2 to 1024"),
    "too many inputs": (lambda: shape_of("relu", IMAGE, IMAGE), "a: got 2 inputs; relu takes 1"),
    "unknown role": (
        lambda: shape_of("conv2d", attrs=K3, weights=W3),
        "a: unknown parameter role 'weights' of conv2d; did you mean 'weight'?",
    ),
    "missing role": (lambda: shape_of("dense", (4,)), "a: parameter 'weight' of dense is missing"),
    "dense weight of one axis": (
        lambda: shape_of("dense", (4,), weight=(4,)),
        "a: weight has shape (4,); dense needs 2 axes",
    ),
    "conv weight of two axes": (
        lambda: shape_of("conv2d", attrs=K3, weight=(4, 4)),
        "a: weight has shape (4, 4); conv2d needs 4 axes",
    ),
    "features": (
        lambda: shape_of("dense", (5,), weight=(7, 4)),
        "a: got 5 input features; the weight (7, 4) expects 4",
    ),
    "bias": (lambda: shape_of("dense", (4,), weight=(7, 4), bias=(4,)), "a: bias has shape (4,); expected (7,)"),
    "norm": (
        lambda: shape_of("batch_norm", scale=(4,), shift=(8,)),
        "a: shift has shape (8,); expected (4,)",
    ),
    "thresholds of other channels": (
        lambda: shape_of("threshold", thresholds=(8, 3), start=(4,), slope=(4,)),
        "a: thresholds have shape (8, 3); expected (4, steps)",
    ),
    "thresholds of one axis": (
        lambda: shape_of("threshold", thresholds=(4,), start=(4,), slope=(4,)),
        "a: thresholds have shape (4,); expected (4, steps)",
    ),
    "one start for all": (
        lambda: shape_of("threshold", thresholds=(4, 3), start=(1,), slope=(4,)),
        "a: start has shape (1,); expected (4,)",
    ),
    "table of two axes": (
        lambda: shape_of("lookup", attrs={"first": 0}, table=(4, 16)),
        "a: table has shape (4, 16); expected one axis",
    ),
    "fractional first integer": (
        lambda: shape_of("lookup", attrs={"first": 0.5}, table=(16,)),
        "a: first=0.5; expected a whole number",
    ),
    "argmax of pixels": (
        lambda: shape_of("argmax"),
        "a: got an input of shape (4, 6, 8); argmax needs one value per class",
    ),
    "kernel of another weight": (
        lambda: shape_of("conv2d", attrs={"kernel": (5, 5)}, weight=W3),
        "a: kernel=(5, 5) but the weight is (5, 4, 3, 3)",
    ),
    "channels": (
        lambda: shape_of("conv2d", attrs=K3, weight=(5, 3, 3, 3)),
        "a: got 4 input channels; the weight (5, 3, 3, 3) with groups=1 expects 3",
    ),
    "groups and outputs": (
        lambda: shape_of("conv2d", attrs={**K3, "groups": 4}, weight=(6, 1, 3, 3)),
        "a: groups=4 must divide 6 output channels",
    ),
    "window outside": (
        lambda: shape_of("max_pool2d", attrs={**POOL, "kernel": (7, 1)}),
        "a: a (7, 1) window does not fit the padded 6x8 input",
    ),
    "windows of padding only": (
        lambda: shape_of("avg_pool2d", attrs={**POOL, "padding": (2, 0, 0, 0)}),
        "a: padding=(2, 0, 0, 0) leaves windows of (2, 2) without any input; pad less",
    ),
    "vector for an image": (
        lambda: shape_of("global_avg_pool", (4,)),
        "a: got an input of shape (4,); global_avg_pool needs (channels, height, width)",
    ),
    "unequal sum": (
        lambda: shape_of("add", IMAGE, (4, 6, 1)),
        "a: got input shapes [(4, 6, 8), (4, 6, 1)]; add needs equal shapes",
    ),
    "ragged concat": (
        lambda: shape_of("concat", IMAGE, (4, 5, 8)),
        "a: got input shapes [(4, 6, 8), (4, 5, 8)]; concat along channels needs the rest equal",
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_what_an_operator_refuses(call: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}"):
        call()


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"^a: unknown operator 'conv3d'; did you mean 'conv2d'\?"):
        shape_of("conv3d")


def test_defaults_are_filled_in_and_lists_become_tuples() -> None:
    layer = Layer("a", "conv2d", ("x",), ("y",), {"kernel": [3, np.int64(1)]}, {"weight": "w"})
    assert ops.complete_attrs(layer) == {
        "kernel": (3, 1),
        "stride": (1, 1),
        "padding": (0, 0, 0, 0),
        "dilation": (1, 1),
        "groups": 1,
    }


def test_every_operator_has_a_kernel_and_every_exact_one_a_format_rule() -> None:
    assert set(KERNELS) == set(ops.OPS) - {"input", ops.OPAQUE}
    assert set(formats._RULES) == {name for name, op in ops.OPS.items() if op.exact} - {"input"}


def lone(op: str, shape: tuple[int, ...], out: tuple[int, ...], weight: tuple[int, ...], **attrs: Any) -> Network:
    layers = (Layer("x", "input", (), ("x",)), Layer("a", op, ("x",), ("a",), attrs, {"weight": "w"}))
    return Network("lone", layers, {"x": Tensor(shape), "a": Tensor(out), "w": Tensor(weight)}, ("x",), ("a",))


def test_loop_bounds_of_convolutions_and_dense_layers() -> None:
    conv = lone("conv2d", (4, 6, 8), (8, 4, 3), (8, 2, 3, 3), kernel=(3, 3), groups=2, stride=(1, 2))
    assert ops.loop_dims(conv, conv.layer("a")) == {"B": 1, "K": 8, "C": 2, "OY": 4, "OX": 3, "FY": 3, "FX": 3}
    assert ops.macs(conv, conv.layer("a")) == 8 * 2 * 4 * 3 * 9
    rows = lone("dense", (5, 4), (5, 7), (7, 4))
    assert ops.loop_dims(rows, rows.layer("a")) == {"B": 1, "K": 7, "C": 4, "OY": 1, "OX": 5, "FY": 1, "FX": 1}
    assert ops.macs(rows, rows.layer("a")) == 140
    assert ops.loop_dims(rows, rows.layer("x")) == {}
    assert ops.macs(rows, rows.layer("x")) == 0


def test_thresholds_follow_the_width_of_the_layer_before_them_and_tables_do_not() -> None:
    tensors = {"x": Tensor((3,)), "w": Tensor((4, 3)), "d": Tensor((4,)), "t": Tensor((4,)), "a": Tensor((4,))}
    tensors |= {"levels": Tensor((4, 7)), "start": Tensor((4,)), "slope": Tensor((4,)), "table": Tensor((8,))}
    roles = {"thresholds": "levels", "start": "start", "slope": "slope"}
    layers = (
        Layer("x", "input", (), ("x",)),
        Layer("d", "dense", ("x",), ("d",), {}, {"weight": "w"}),
        Layer("t", "threshold", ("d",), ("t",), {}, roles),
        Layer("a", "lookup", ("t",), ("a",), {"first": 0}, {"table": "table"}),
    )
    wide = Network("net", layers, tensors, ("x",), ("a",)).with_widths({"d": 6})
    shapes = {name: wide.tensors[name].shape for name in ("levels", "start", "slope", "table", "a")}
    assert shapes == {"levels": (6, 7), "start": (6,), "slope": (6,), "table": (8,), "a": (6,)}


def test_depthwise_means_one_input_channel_per_group() -> None:
    cases = {(4, (8, 1, 3, 3)): True, (2, (8, 2, 3, 3)): False, (1, (8, 1, 3, 3)): False}
    for (groups, weight), expected in cases.items():
        layer = Layer("a", "conv2d", ("x",), ("y",), {"kernel": (3, 3), "groups": groups}, {"weight": "w"})
        assert ops.is_depthwise(layer, weight) is expected
