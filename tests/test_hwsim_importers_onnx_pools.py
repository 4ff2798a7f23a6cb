# SPDX-License-Identifier: Apache-2.0
"""Pooling of ONNX files against onnxruntime."""

from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import check_float, node, ops_of, write

from hwsim.errors import UnsupportedError
from hwsim.importers.onnx import import_onnx

WINDOWS = [
    ({"kernel_shape": [2, 2], "strides": [2, 2]}, (3, 7, 6)),
    ({"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, (3, 6, 7)),
    ({"kernel_shape": [3, 2], "strides": [2, 1], "pads": [0, 1, 1, 0]}, (2, 6, 6)),
    ({"kernel_shape": [2, 2]}, (1, 5, 5)),
    ({"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, (2, 7, 6)),
    ({"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, (2, 8, 9)),
    ({"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1}, (2, 6, 7)),
    ({"kernel_shape": [2, 2], "strides": [3, 3], "pads": [0, 0, 1, 1], "ceil_mode": 1}, (2, 7, 6)),
    ({"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, (2, 7, 6)),
    ({"kernel_shape": [2, 2], "strides": [1, 1], "auto_pad": "SAME_LOWER"}, (2, 5, 5)),
    ({"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "VALID"}, (2, 8, 7)),
]


@pytest.mark.parametrize(("attrs", "shape"), WINDOWS)
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_window(tmp_path: Path, op: str, attrs: dict, shape: tuple[int, ...]) -> None:
    network = check_float(write(tmp_path, [node(op, ["x"], ["y"], **attrs)], shape=(1, *shape), opset=22))
    assert ops_of(network) == ["max_pool2d" if op == "MaxPool" else "avg_pool2d"]


@pytest.mark.parametrize(("attrs", "shape"), [case for case in WINDOWS if "ceil_mode" not in case[0]])
def test_average_that_counts_its_padding(tmp_path: Path, attrs: dict, shape: tuple[int, ...]) -> None:
    check_float(write(tmp_path, [node("AveragePool", ["x"], ["y"], count_include_pad=1, **attrs)], shape=(1, *shape)))


@pytest.mark.parametrize(
    ("op", "attrs", "ours"),
    [
        ("GlobalAveragePool", {}, ["global_avg_pool"]),
        ("GlobalMaxPool", {}, ["global_max_pool"]),
        ("ReduceMean", {"axes": [2, 3]}, ["global_avg_pool"]),
        ("ReduceMean", {"axes": [-1, -2], "keepdims": 0}, ["global_avg_pool", "flatten"]),
        ("ReduceMax", {"axes": [2, 3], "keepdims": 0}, ["global_max_pool", "flatten"]),
    ],
)
def test_whole_image(tmp_path: Path, op: str, attrs: dict, ours: list[str]) -> None:
    network = check_float(write(tmp_path, [node(op, ["x"], ["y"], **attrs)], shape=(1, 4, 5, 7), opset=13))
    assert ops_of(network) == ours


def test_mean_with_axes_as_an_input(tmp_path: Path) -> None:
    nodes = [node("ReduceMean", ["x", "axes"], ["y"], keepdims=0)]
    check_float(write(tmp_path, nodes, {"axes": np.array([2, 3])}, opset=18))


def test_mean_of_a_channels_last_view(tmp_path: Path) -> None:
    nodes = [
        node("MaxPool", ["x"], ["p"], kernel_shape=[2, 2]),
        node("Transpose", ["p"], ["t"], perm=[0, 2, 3, 1]),
        node("ReduceMean", ["t"], ["y"], axes=[1, 2], keepdims=0),
    ]
    network = check_float(write(tmp_path, nodes, opset=13))
    assert ops_of(network) == ["max_pool2d", "global_avg_pool", "flatten"]


@pytest.mark.parametrize(
    ("nodes", "shape", "message"),
    [
        (
            [node("MaxPool", ["x"], ["y"], "pool", kernel_shape=[2])],
            (1, 3, 6),
            "pool: MaxPool of data with shape (3, 6); expected (C, H, W); write 1-D layers as 2-D ones with height 1",
        ),
        (
            [node("MaxPool", ["x"], ["y"], "pool", kernel_shape=[2, 2], dilations=[2, 2])],
            (1, 3, 6, 6),
            "pool: dilated MaxPool; expected dilations of 1; use a strided pool",
        ),
        (
            [node("MaxPool", ["x"], ["y"], "pool", kernel_shape=[2, 2, 2])],
            (1, 3, 6, 6),
            "pool: 3-D MaxPool; expected a 2-D one; write 1-D layers as 2-D ones with height 1",
        ),
        (
            [node("MaxPool", ["x"], ["p", "i"], "pool", kernel_shape=[2, 2]), node("Add", ["p", "i"], ["y"])],
            (1, 3, 6, 6),
            "pool: the indices of MaxPool are read; expected its values only; unpooling is not supported",
        ),
        (
            [node("AveragePool", ["x"], ["y"], "pool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1,
                  count_include_pad=1)],
            (1, 3, 7, 7),
            "pool: AveragePool with ceil_mode and count_include_pad divides its last windows differently; expected "
            "one of them off; pad explicitly",
        ),
        (
            [node("ReduceMean", ["x"], ["y"], "mean", axes=[1])],
            (1, 3, 6, 6),
            "mean: ReduceMean over axes [1] of (1, 3, 6, 6); expected height and width of an image; use global "
            "pooling",
        ),
        (
            [node("ReduceMean", ["x"], ["y"], "mean", axes=[1, 2])],
            (1, 3, 6, 6),
            "mean: ReduceMean over axes [1, 2] of (1, 3, 6, 6); expected height and width of an image; use global "
            "pooling",
        ),
        (
            [node("ReduceMean", ["x"], ["y"], "mean", axes=[1])],
            (1, 3),
            "mean: ReduceMean over axes [1] of (1, 3); expected height and width of an image; use global pooling",
        ),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, nodes: list, shape: tuple[int, ...], message: str) -> None:
    path = write(tmp_path, nodes, shape=shape, opset=13)
    with pytest.raises(UnsupportedError) as raised:
        import_onnx(path)
    assert str(raised.value) == message
