# SPDX-License-Identifier: Apache-2.0
"""ONNX operators that enlarge an image: zero padding and nearest-neighbour upsampling."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hwsim.errors import UnsupportedError
from hwsim.importers.onnx_file import Node
from hwsim.importers.onnx_lowering import Lowering
from hwsim.importers.onnx_views import Handler
from hwsim.importers.qonnx import Array

_ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
}


def _pad(low: Lowering, node: Node) -> None:
    source = low.image(node)
    given = node.attrs.get("pads", node.attrs.get("paddings"))
    pads = [int(p) for p in (low.constant(node, 1, "pads").array.tolist() if given is None else given)]
    axes_input = low.optional(node, 3, "axes")
    axes = [int(a) % 4 for a in axes_input.array] if axes_input else list(range(4))
    value = low.optional(node, 2, "value")
    fill = float(value.array.reshape(-1)[0]) if value else float(node.attrs.get("value", 0.0))
    before, after = dict(zip(axes, pads, strict=False)), dict(zip(axes, pads[len(axes) :], strict=False))
    around = tuple(side.get(axis, 0) for side in (before, after) for axis in (2, 3))
    batch_or_channel = [side.get(axis, 0) for side in (before, after) for axis in (0, 1)]
    mode = node.attrs.get("mode", "constant")
    if mode != "constant" or fill != 0.0 or any(batch_or_channel) or min(around) < 0:
        raise UnsupportedError(
            f"{node.name}: Pad with mode={mode}, value={fill:g}, pads={pads}; expected zeros around "
            "height and width; pad outside the network"
        )
    low.show(node.outputs[0], low.emit(node, "pad2d", [source], {"padding": around}))


def _resize(low: Lowering, node: Node) -> None:
    source = low.image(node)
    shape = low.tensors[source].shape
    factors = [out / size for out, size in zip(_resized(low, node, shape), shape, strict=True)]
    whole = factors[0] == 1 and all(factor >= 1 and factor == int(factor) for factor in factors[1:])
    mode = node.attrs.get("mode", "nearest")
    if (
        mode != "nearest"
        or not whole
        or not all(_repeats(node, int(f), n) for f, n in zip(factors, shape, strict=True))
    ):
        raise UnsupportedError(
            f"{node.name}: {node.op} with mode={mode} by {factors[1:]}; expected nearest neighbour by "
            "whole numbers; use nn.Upsample(scale_factor=2, mode='nearest')"
        )
    low.show(node.outputs[0], low.emit(node, "upsample2d", [source], {"factor": (int(factors[1]), int(factors[2]))}))


def _resized(low: Lowering, node: Node, shape: Sequence[int]) -> list[int]:
    """(C, H, W) after a Resize or Upsample: from ``sizes``, else from ``scales`` (input 2, before opset 11 input 1)."""
    sizes = low.optional(node, 3, "sizes")
    if sizes is not None and sizes.array.size == 4:
        return [int(extent) for extent in sizes.array[1:]]
    scales = low.optional(node, 2 if len(node.inputs) > 2 else 1, "scales")
    given = np.asarray(node.attrs["scales"]) if "scales" in node.attrs else scales.array if scales else np.empty(0)
    if given.size != 4:
        raise UnsupportedError(
            f"{node.name}: {node.op} without four scales or sizes; expected them as constants; export it again"
        )
    return [math.floor(extent * float(scale)) for extent, scale in zip(shape, given[1:], strict=True)]


def _repeats(node: Node, factor: int, size: int) -> bool:
    """Whether nearest-neighbour sampling with the node's conventions repeats every element ``factor`` times."""
    # Upsample, and Resize up to opset 10 (without a region of interest), know one convention only.
    old = node.op == "Upsample" or len(node.inputs) == 2
    convention = node.attrs.get("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    out = np.arange(size * factor)
    if convention == "asymmetric":
        source = out / factor
    elif convention in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        source = (out + 0.5) / factor - 0.5
    else:
        return factor == 1
    nearest = node.attrs.get("nearest_mode", "floor" if old else "round_prefer_floor")
    rounded = _ROUNDINGS[nearest](source)
    return bool(np.array_equal(np.clip(rounded, 0, size - 1), out // factor))


HANDLERS: Mapping[str, Handler] = {
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
}
