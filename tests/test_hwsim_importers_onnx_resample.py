# SPDX-License-Identifier: Apache-2.0
"""Padding and upsampling of ONNX files against onnxruntime."""

from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import check_float, node, ops_of, write

from hwsim.errors import UnsupportedError
from hwsim.importers.onnx import import_onnx

CONVENTION = "coordinate_transformation_mode"
SCALES = np.array([1, 1, 2, 3], np.float32)


@pytest.mark.parametrize(
    ("attrs", "constants", "opset"),
    [
        ({}, {"pads": np.array([0, 0, 1, 2, 0, 0, 3, 0])}, 13),
        ({}, {"pads": np.array([0, 0, 1, 2, 0, 0, 3, 0]), "zero": np.float32(0)}, 13),
        ({}, {"pads": np.array([1, 2, 3, 0]), "zero": np.float32(0), "axes": np.array([2, -1])}, 18),
        ({"pads": [0, 0, 1, 2, 0, 0, 3, 0]}, {}, 9),
    ],
)
def test_pad(tmp_path: Path, attrs: dict, constants: dict, opset: int) -> None:
    nodes = [node("Pad", ["x", *constants], ["y"], **attrs)]
    network = check_float(write(tmp_path, nodes, constants, opset=opset))
    assert network.layers[1].attrs["padding"] == (1, 2, 3, 0)


@pytest.mark.parametrize(
    ("attrs", "inputs", "constants", "opset"),
    [
        ({"mode": "nearest"}, ["", "s"], {"s": SCALES}, 13),
        ({"mode": "nearest"}, ["", "", "z"], {"z": np.array([1, 3, 12, 18])}, 13),
        ({CONVENTION: "asymmetric", "nearest_mode": "floor"}, ["", "s"], {"s": SCALES}, 13),
        ({CONVENTION: "half_pixel"}, ["", "s"], {"s": SCALES}, 13),
        ({CONVENTION: "half_pixel", "nearest_mode": "round_prefer_ceil"}, ["", "s"], {"s": SCALES}, 13),
        ({CONVENTION: "pytorch_half_pixel"}, ["r", "s"], {"r": np.array([], np.float32), "s": SCALES}, 11),
        ({"mode": "nearest"}, ["s"], {"s": SCALES}, 10),
    ],
)
def test_resize(tmp_path: Path, attrs: dict, inputs: list[str], constants: dict, opset: int) -> None:
    network = check_float(write(tmp_path, [node("Resize", ["x", *inputs], ["y"], **attrs)], constants, opset=opset))
    assert network.layers[1].attrs["factor"] == (2, 3)


def test_upsample(tmp_path: Path) -> None:
    network = check_float(write(tmp_path, [node("Upsample", ["x", "s"], ["y"])], {"s": SCALES}, opset=9))
    assert ops_of(network) == ["upsample2d"]


def test_a_convention_that_shifts_the_image_is_seen(tmp_path: Path) -> None:
    attrs = {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "floor"}
    path = write(tmp_path, [node("Resize", ["x", "", "s"], ["y"], "up", **attrs)], {"s": SCALES})
    with pytest.raises(
        UnsupportedError, match=r"^up: Resize with mode=nearest by \[2.0, 3.0\]; expected nearest neighbour"
    ):
        import_onnx(path)


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        (
            [node("Resize", ["x", "", "s"], ["y"], "up", mode="linear")],
            {"s": SCALES},
            "up: Resize with mode=linear by [2.0, 3.0]; expected nearest neighbour by whole numbers; use "
            "nn.Upsample(scale_factor=2, mode='nearest')",
        ),
        (
            [node("Resize", ["x", "", "s"], ["y"], "up", coordinate_transformation_mode="align_corners")],
            {"s": SCALES},
            "up: Resize with mode=nearest by [2.0, 3.0]; expected nearest neighbour by whole numbers; use "
            "nn.Upsample(scale_factor=2, mode='nearest')",
        ),
        (
            [node("Resize", ["x", "", "s"], ["y"], "up")],
            {"s": np.array([1, 1, 1.5, 2], np.float32)},
            "up: Resize with mode=nearest by [1.5, 2.0]; expected nearest neighbour by whole numbers; use "
            "nn.Upsample(scale_factor=2, mode='nearest')",
        ),
        (
            [node("Resize", ["x"], ["y"], "up")],
            {},
            "up: Resize without four scales or sizes; expected them as constants; export it again",
        ),
        (
            [node("Pad", ["x", "p"], ["y"], "pad", mode="reflect")],
            {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])},
            "pad: Pad with mode=reflect, value=0, pads=[0, 0, 1, 1, 0, 0, 1, 1]; expected zeros around height and "
            "width; pad outside the network",
        ),
        (
            [node("Pad", ["x", "p", "v"], ["y"], "pad")],
            {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "v": np.float32(1)},
            "pad: Pad with mode=constant, value=1, pads=[0, 0, 1, 1, 0, 0, 1, 1]; expected zeros around height and "
            "width; pad outside the network",
        ),
        (
            [node("Pad", ["x", "p"], ["y"], "pad")],
            {"p": np.array([0, 1, 0, 0, 0, 0, 0, 0])},
            "pad: Pad with mode=constant, value=0, pads=[0, 1, 0, 0, 0, 0, 0, 0]; expected zeros around height and "
            "width; pad outside the network",
        ),
    ],
)
def test_refused(tmp_path: Path, nodes: list, constants: dict, message: str) -> None:
    path = write(tmp_path, nodes, constants)
    with pytest.raises(UnsupportedError) as raised:
        import_onnx(path)
    assert str(raised.value) == message
