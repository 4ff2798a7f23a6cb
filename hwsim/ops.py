# SPDX-License-Identifier: Apache-2.0
"""The operators: one row each, with attributes, parameters, shape rule and work.

Adding an operator is a row here and a function in :mod:`hwsim.reference`. Shapes are without batch and channels
first. ``padding`` is (top, left, bottom, right); other pairs are (y, x).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import NetworkError, UnsupportedError
from hwsim.registry import suggest

if TYPE_CHECKING:
    from hwsim.network import Layer, Network

Shape = tuple[int, ...]
Shapes = Sequence[Shape]
REQUIRED = object()


@dataclass(frozen=True)
class Op:
    """One operator.

    ``attrs`` maps attribute to default (or REQUIRED); ``roles`` maps parameter role to whether it must be there;
    ``inputs`` is the smallest and largest number of activations; ``shape(layer, shapes, params)`` gives the output
    shape; ``exact`` says whether the operator has an exact integer form.
    """

    shape: Callable[["Layer", Shapes, Mapping[str, Shape]], Shape]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    roles: Mapping[str, bool] = field(default_factory=dict)
    inputs: tuple[int, int] = (1, 1)
    exact: bool = True


# Shape rules. Each names the layer in its error.


def _same(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    return shapes[0]


def _all_same(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    if any(shape != shapes[0] for shape in shapes):
        raise NetworkError(f"{layer.name}: got input shapes {list(shapes)}; {layer.op} needs equal shapes")
    return shapes[0]


def _dense(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    _expect_rank(layer, params, 2)
    out_features, in_features = params["weight"]
    if shapes[0][-1] != in_features:
        raise NetworkError(
            f"{layer.name}: got {shapes[0][-1]} input features; the weight {params['weight']} expects {in_features}"
        )
    _expect_vector(layer, params, "bias", out_features)
    return (*shapes[0][:-1], out_features)


def _conv2d(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    channels, height, width = _image(layer, shapes[0])
    _expect_rank(layer, params, 4)
    out_channels, group_channels, *kernel = params["weight"]
    groups = layer.attrs["groups"]
    if tuple(kernel) != tuple(layer.attrs["kernel"]):
        raise NetworkError(f"{layer.name}: kernel={layer.attrs['kernel']} but the weight is {params['weight']}")
    if out_channels % groups:
        raise NetworkError(f"{layer.name}: groups={groups} must divide {out_channels} output channels")
    if group_channels * groups != channels:
        raise NetworkError(
            f"{layer.name}: got {channels} input channels; the weight {params['weight']} with "
            f"groups={groups} expects {group_channels * groups}"
        )
    _expect_vector(layer, params, "bias", out_channels)
    return (out_channels, *_window(layer, height, width, layer.attrs["dilation"]))


def _pool2d(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    channels, height, width = _image(layer, shapes[0])
    kernel, padding = layer.attrs["kernel"], layer.attrs["padding"]
    if any(side >= extent for side, extent in zip(padding, (*kernel, *kernel), strict=True)):
        raise NetworkError(f"{layer.name}: padding={padding} leaves windows of {kernel} without any input; pad less")
    return (channels, *_window(layer, height, width, (1, 1)))


def _global_pool(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    return (_image(layer, shapes[0])[0], 1, 1)


def _concat(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    if any(shape[1:] != shapes[0][1:] for shape in shapes):
        raise NetworkError(f"{layer.name}: got input shapes {list(shapes)}; concat along channels needs the rest equal")
    return (sum(shape[0] for shape in shapes), *shapes[0][1:])


def _flatten(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    size = 1
    for extent in shapes[0]:
        size *= extent
    return (size,)


def _batch_norm(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    for role in ("scale", "shift"):
        _expect_vector(layer, params, role, shapes[0][0])
    return shapes[0]


def _threshold(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    channels = shapes[0][0]
    if len(params["thresholds"]) != 2 or params["thresholds"][0] != channels:
        raise NetworkError(f"{layer.name}: thresholds have shape {params['thresholds']}; expected ({channels}, steps)")
    for role in ("start", "slope"):
        _expect_vector(layer, params, role, channels)
    return shapes[0]


def _lookup(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    if len(params["table"]) != 1:
        raise NetworkError(f"{layer.name}: table has shape {params['table']}; expected one axis")
    return shapes[0]


def _argmax(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    if any(extent != 1 for extent in shapes[0][1:]):
        raise NetworkError(f"{layer.name}: got an input of shape {shapes[0]}; argmax needs one value per class")
    return (1,)


def _upsample2d(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    channels, height, width = _image(layer, shapes[0])
    return (channels, height * layer.attrs["factor"][0], width * layer.attrs["factor"][1])


def _pad2d(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    channels, height, width = _image(layer, shapes[0])
    top, left, bottom, right = layer.attrs["padding"]
    return (channels, height + top + bottom, width + left + right)


def _opaque(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> Shape:
    stated: Shape = layer.attrs["shape"]
    return stated


def _image(layer: "Layer", shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise NetworkError(f"{layer.name}: got an input of shape {shape}; {layer.op} needs (channels, height, width)")
    return shape[0], shape[1], shape[2]


def _expect_rank(layer: "Layer", params: Mapping[str, Shape], rank: int) -> None:
    if len(params["weight"]) != rank:
        raise NetworkError(f"{layer.name}: weight has shape {params['weight']}; {layer.op} needs {rank} axes")


def _expect_vector(layer: "Layer", params: Mapping[str, Shape], role: str, length: int) -> None:
    if role in params and params[role] != (length,):
        raise NetworkError(f"{layer.name}: {role} has shape {params[role]}; expected ({length},)")


def _window(layer: "Layer", height: int, width: int, dilation: Sequence[int]) -> tuple[int, int]:
    top, left, bottom, right = layer.attrs["padding"]
    kernel, stride = layer.attrs["kernel"], layer.attrs["stride"]
    rows = (height + top + bottom - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    columns = (width + left + right - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    if rows < 1 or columns < 1:
        raise NetworkError(f"{layer.name}: a {tuple(kernel)} window does not fit the padded {height}x{width} input")
    return rows, columns


_NO_PADDING = (0, 0, 0, 0)
_POOL = {"kernel": REQUIRED, "stride": REQUIRED, "padding": _NO_PADDING}
_WEIGHTED = {"weight": True, "bias": False}
_MANY = (2, 1024)

OPS: Mapping[str, Op] = {
    "input": Op(_same, inputs=(0, 0)),
    "output": Op(_same),
    "dense": Op(_dense, roles=_WEIGHTED),
    "conv2d": Op(
        _conv2d,
        {"kernel": REQUIRED, "stride": (1, 1), "padding": _NO_PADDING, "dilation": (1, 1), "groups": 1},
        _WEIGHTED,
    ),
    "max_pool2d": Op(_pool2d, _POOL),
    "avg_pool2d": Op(_pool2d, {**_POOL, "count_include_pad": True}),
    "global_avg_pool": Op(_global_pool),
    "global_max_pool": Op(_global_pool),
    "batch_norm": Op(_batch_norm, roles={"scale": True, "shift": True}),  # y = x * scale + shift per channel
    # y = start + slope * (how many of the channel's thresholds x reaches), per channel
    "threshold": Op(_threshold, roles={"thresholds": True, "start": True, "slope": True}),
    "lookup": Op(_lookup, {"first": REQUIRED}, {"table": True}),  # y = table[x - first], x an integer
    "argmax": Op(_argmax),  # the first of the largest
    "relu": Op(_same),
    "clip": Op(_same, {"low": REQUIRED, "high": REQUIRED}),
    "requantise": Op(_same),
    "add": Op(_all_same, inputs=_MANY),
    "concat": Op(_concat, inputs=_MANY),
    "flatten": Op(_flatten),
    "upsample2d": Op(_upsample2d, {"factor": REQUIRED}),  # nearest neighbour
    "pad2d": Op(_pad2d, {"padding": REQUIRED}),  # with zeros
    # Activations without an exact integer form: costed, executed in float, refused by the hardware paths.
    "leaky_relu": Op(_same, {"alpha": REQUIRED}, exact=False),
    "sigmoid": Op(_same, exact=False),
    "tanh": Op(_same, exact=False),
    "softmax": Op(_same, exact=False),
    "gelu": Op(_same, exact=False),
    "silu": Op(_same, exact=False),
    "hard_sigmoid": Op(_same, exact=False),
    "hard_swish": Op(_same, exact=False),
    # An operator of the imported file that is none of these: listed, never computed (hwsim/coverage.py). ``macs`` are
    # those of one inference, None where nobody knows them; ``reason`` is why it is none.
    "opaque": Op(
        _opaque,
        {"operator": REQUIRED, "shape": REQUIRED, "macs": None, "reason": ""},
        {"constants": False},
        (1, 1024),
        exact=False,
    ),
}

WEIGHTED = ("dense", "conv2d")
OPAQUE = "opaque"


def _are_counts(value: Any, length: int, smallest: int) -> bool:
    if not isinstance(value, tuple) or len(value) != length:
        return False
    return all(isinstance(v, int | np.integer) and not isinstance(v, bool) and v >= smallest for v in value)


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and _are_counts(value, len(value), 1)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


_NUMBER = ("a finite number", _is_number)
_PAIR = ("two positive whole numbers (y, x)", lambda value: _are_counts(value, 2, 1))

#: What an attribute must be: in words, and as a test.
_ATTRS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "kernel": _PAIR,
    "stride": _PAIR,
    "dilation": _PAIR,
    "factor": _PAIR,
    "padding": ("four whole numbers >= 0 (top, left, bottom, right)", lambda value: _are_counts(value, 4, 0)),
    "groups": ("a positive whole number", lambda value: _are_counts((value,), 1, 1)),
    "count_include_pad": ("true or false", lambda value: isinstance(value, bool)),
    "first": ("a whole number", lambda value: isinstance(value, int | np.integer) and not isinstance(value, bool)),
    "low": _NUMBER,
    "high": _NUMBER,
    "alpha": _NUMBER,
    "operator": ("a name", lambda value: isinstance(value, str) and bool(value)),
    "shape": ("positive whole numbers", _is_shape),
    "reason": ("a text", lambda value: isinstance(value, str)),
    "macs": ("a whole number >= 0, or None", lambda value: value is None or _are_counts((value,), 1, 0)),
}


def complete_attrs(layer: "Layer") -> dict[str, Any]:
    """The layer's attributes with defaults filled in.

    Raises:
        UnsupportedError: the operator is unknown.
        NetworkError: an attribute is unknown, missing or impossible, or inputs or parameters do not fit the operator.
    """
    if layer.op not in OPS:
        raise UnsupportedError(f"{layer.name}: unknown operator '{layer.op}'; {suggest(layer.op, OPS)}")
    op = OPS[layer.op]
    for key in layer.attrs:
        if key not in op.attrs:
            raise NetworkError(f"{layer.name}: unknown attribute '{key}' of {layer.op}; {suggest(key, op.attrs)}")
    attrs = {}
    for key, default in op.attrs.items():
        value = layer.attrs.get(key, default)
        if value is REQUIRED:
            raise NetworkError(f"{layer.name}: attribute '{key}' of {layer.op} is missing")
        attrs[key] = tuple(value) if isinstance(value, list) else value
        expected, is_valid = _ATTRS[key]
        if not is_valid(attrs[key]):
            raise NetworkError(f"{layer.name}: {key}={attrs[key]!r}; expected {expected}")
    if layer.op == "clip" and attrs["low"] > attrs["high"]:
        raise NetworkError(f"{layer.name}: low={attrs['low']} exceeds high={attrs['high']}; exchange them")
    if not op.inputs[0] <= len(layer.inputs) <= op.inputs[1]:
        raise NetworkError(
            f"{layer.name}: got {len(layer.inputs)} inputs; {layer.op} takes {op.inputs[0]}"
            + (f" to {op.inputs[1]}" if op.inputs[1] > op.inputs[0] else "")
        )
    for role in layer.params:
        if role not in op.roles:
            raise NetworkError(
                f"{layer.name}: unknown parameter role '{role}' of {layer.op}; {suggest(role, op.roles)}"
            )
    for role, needed in op.roles.items():
        if needed and role not in layer.params:
            raise NetworkError(f"{layer.name}: parameter '{role}' of {layer.op} is missing")
    return attrs


def output_shapes(layer: "Layer", shapes: Shapes, params: Mapping[str, Shape]) -> tuple[Shape, ...]:
    """Shapes of the tensors a layer writes, from the shapes it reads."""
    return tuple(OPS[layer.op].shape(layer, shapes, params) for _ in layer.outputs)


def resize(network: "Network", layer: "Layer", shapes: Shapes, width: int | None) -> tuple["Layer", dict[str, Shape]]:
    """The layer and its parameter shapes for other input shapes and, where given, another output width.

    A depthwise convolution follows its input; a grouped one keeps its number of groups.
    """
    old = {role: network.tensors[t].shape for role, t in layer.params.items()}
    if layer.op == OPAQUE and tuple(shapes) != network.input_shapes(layer):
        raise NetworkError(
            f"{layer.name}: got inputs {list(shapes)}; what '{layer.attrs['operator']}' makes of other shapes than "
            f"{list(network.input_shapes(layer))} is not known; keep the widths of the layers before it"
        )
    if layer.op not in WEIGHTED:
        if width is not None:
            raise NetworkError(f"{layer.name}: {layer.op} has no width of its own; name a convolution or dense layer")
        if layer.op in ("lookup", OPAQUE):
            return layer, old
        return layer, {role: (shapes[0][0], *shape[1:]) for role, shape in old.items()}  # one row per channel
    out_channels = old["weight"][0] if width is None else width
    if out_channels < 1:
        raise NetworkError(f"{layer.name}: got width {out_channels}; expected at least 1")
    if layer.op == "dense":
        new: dict[str, Shape] = {"weight": (out_channels, shapes[0][-1])}
    else:
        channels, groups = shapes[0][0], layer.attrs["groups"]
        if is_depthwise(layer, old["weight"]):
            if width is not None:
                raise NetworkError(f"{layer.name}: a depthwise convolution follows its input; name the layer before it")
            out_channels, groups = old["weight"][0] // groups * channels, channels
        elif channels % groups:
            raise NetworkError(f"{layer.name}: {channels} input channels do not divide into {groups} groups")
        new = {"weight": (out_channels, channels // groups, *old["weight"][2:])}
        layer = replace(layer, attrs={**layer.attrs, "groups": groups})
    if "bias" in old:
        new["bias"] = (out_channels,)
    return layer, new


def is_depthwise(layer: "Layer", weight_shape: Shape) -> bool:
    """Whether a convolution treats every input channel alone."""
    return layer.op == "conv2d" and layer.attrs["groups"] > 1 and weight_shape[1] == 1


def loop_dims(network: "Network", layer: "Layer") -> dict[str, int]:
    """Loop bounds of a convolution or dense layer: B K C OY OX FY FX, with C per group; other layers give {}."""
    if layer.op not in WEIGHTED:
        return {}
    weight = network.tensors[layer.params["weight"]].shape
    out = network.tensors[layer.output].shape
    if layer.op == "dense":
        rows = 1
        for extent in out[:-1]:
            rows *= extent
        return {"B": 1, "K": weight[0], "C": weight[1], "OY": 1, "OX": rows, "FY": 1, "FX": 1}
    return {
        "B": 1,
        "K": weight[0],
        "C": weight[1],
        "OY": out[1],
        "OX": out[2],
        "FY": weight[2],
        "FX": weight[3],
    }


def macs(network: "Network", layer: "Layer") -> int:
    """Multiply-accumulate operations of a layer for one input; 0 for opaque layers of which they are not known."""
    if layer.op == OPAQUE:
        return int(layer.attrs["macs"] or 0)
    product = 1 if layer.op in WEIGHTED else 0
    for extent in loop_dims(network, layer).values():
        product *= extent
    return product
