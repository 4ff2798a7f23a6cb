# SPDX-License-Identifier: Apache-2.0
"""One row per ATen operator: how a call recorded by torch.export becomes a layer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import UnsupportedError
from hwsim.network import Layer, Tensor

Array = npt.NDArray[Any]


class Draft:
    """A network under construction: layers and tensors so far, and which torch value is which tensor."""

    def __init__(self, title: str, parameters: Mapping[str, tuple[str, Array]]) -> None:
        self.title = title
        self.parameters = parameters  # placeholder → (torch name, array)
        self.layers: list[Layer] = []
        self.tensors: dict[str, Tensor] = {}
        self.weights: dict[str, Array] = {}
        self.env: dict[str, str] = {}  # torch value → tensor name
        self.memory: dict[str, str] = {}  # torch value → the value whose memory it lives in

    def bind(self, value: str, tensor: str, view_of: str | None = None) -> None:
        """Say which tensor a torch value is, and which earlier value it shares its memory with."""
        self.env[value] = tensor
        self.memory[value] = value if view_of is None else self.memory[view_of]

    def unique(self, base: str) -> str:
        """``base``, or ``base_2``, ``base_3`` … where it is taken."""
        taken = {layer.name for layer in self.layers} | {"input", "output"}
        name, count = base, 1
        while name in taken or name in self.weights:
            count += 1
            name = f"{base}_{count}"
        return name

    def used_tensors(self) -> dict[str, Tensor]:
        """The tensors that some layer names."""
        named = {t for layer in self.layers for t in (*layer.inputs, *layer.outputs, *layer.params.values())}
        return {name: tensor for name, tensor in self.tensors.items() if name in named}


class Call:
    """One ATen call: its arguments by position and its place in the draft."""

    def __init__(self, draft: Draft, node: Any, name: str) -> None:
        self.draft, self.node, self.name = draft, node, name

    def arg(self, position: int, default: Any = None, keyword: str | None = None) -> Any:
        """A plain argument (number, list, None)."""
        if position < len(self.node.args):
            return self.node.args[position]
        return self.node.kwargs.get(keyword, default) if keyword else default

    def tensor(self, position: int) -> str:
        """The activation an argument stands for."""
        return self.activation(self.node.args[position])

    def activation(self, value: Any) -> str:
        """The tensor of an activation value; parameters and numbers are refused."""
        name = str(getattr(value, "name", ""))
        if name not in self.draft.env:
            what = self.draft.parameters[name][0] if name in self.draft.parameters else repr(value)
            raise UnsupportedError(
                f"{self.name}: {self.node.target} of '{what}'; expected a tensor computed from the input; "
                "write constants as convolution, dense or batch-norm parameters"
            )
        return self.draft.env[name]

    def parameter(self, value: Any) -> tuple[str, Array]:
        """Torch name and array of a parameter argument."""
        name = str(getattr(value, "name", ""))
        if name not in self.draft.parameters:
            raise UnsupportedError(
                f"{self.name}: {self.node.target} with weights computed at run time; expected stored parameters"
            )
        return self.draft.parameters[name]

    @property
    def value(self) -> Any:
        """Example of the call's result; of the first where it has several."""
        value = self.node.meta["val"]
        return value[0] if isinstance(value, tuple | list) else value

    @property
    def shape(self) -> tuple[int, ...]:
        """Output shape without the batch."""
        return tuple(int(extent) for extent in self.value.shape[1:])

    def input_shape(self, position: int = 0) -> tuple[int, ...]:
        """Shape of an activation argument without the batch."""
        return self.draft.tensors[self.tensor(position)].shape

    def refuse(self, got: str, remedy: str) -> UnsupportedError:
        """The error for an argument we do not take."""
        return UnsupportedError(f"{self.name}: {got}; {remedy}")

    def layer(
        self,
        op: str,
        inputs: Sequence[str],
        attrs: Mapping[str, Any] | None = None,
        params: Mapping[str, tuple[str, Array]] | None = None,
        shape: tuple[int, ...] | None = None,
        suffix: str = "",
    ) -> str:
        """Append a layer and return its output tensor."""
        name = self.draft.unique(self.name + suffix)
        roles = {}
        for role, (torch_name, array) in (params or {}).items():
            # One torch parameter with two meanings: two batch norms that share it, with statistics of their own.
            clash = not np.array_equal(self.draft.weights.get(torch_name, array), array, equal_nan=True)
            tensor = f"{name}.{role}" if clash else torch_name
            self.draft.weights[tensor] = array
            self.draft.tensors[tensor] = Tensor(tuple(array.shape))
            roles[role] = tensor
        self.draft.tensors[name] = Tensor(self.shape if shape is None else shape)
        self.draft.layers.append(Layer(name, op, tuple(inputs), (name,), attrs or {}, roles))
        return name


Row = Callable[[Call], str]


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    return (int(value[0]), int(value[0])) if len(value) == 1 else (int(value[0]), int(value[1]))


def _weighted(call: Call) -> dict[str, tuple[str, Array]]:
    params = {"weight": call.parameter(call.arg(1))}
    bias = call.arg(2, keyword="bias")
    if bias is not None:
        params["bias"] = call.parameter(bias)
    return params


def _linear(call: Call) -> str:
    return call.layer("dense", [call.tensor(0)], params=_weighted(call))


def _conv2d(call: Call) -> str:
    params = _weighted(call)
    kernel = params["weight"][1].shape[2:]
    dilation = _pair(call.arg(5, (1, 1), "dilation"))
    padding = call.arg(4, (0, 0), "padding")
    if padding == "valid":
        padding = (0, 0)
    if padding == "same":  # torch pads the odd element at the end
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        sides = (total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2)
    else:
        sides = _pair(padding) * 2
    attrs = {
        "kernel": tuple(kernel),
        "stride": _pair(call.arg(3, (1, 1), "stride")),
        "padding": sides,
        "dilation": dilation,
        "groups": int(call.arg(6, 1, "groups")),
    }
    return call.layer("conv2d", [call.tensor(0)], attrs, params)


def _batch_norm(call: Call) -> str:
    mean_name, mean = call.parameter(call.arg(3))
    variance_name, variance = call.parameter(call.arg(4))
    channels = len(mean)
    weight_name, weight = call.parameter(call.arg(1)) if call.arg(1) else (variance_name, np.ones(channels))
    bias_name, bias = call.parameter(call.arg(2)) if call.arg(2) else (mean_name, np.zeros(channels))
    with np.errstate(all="ignore"):  # what is not finite is refused with all other weights
        scale = weight.astype(np.float64) / np.sqrt(variance.astype(np.float64) + call.arg(7))
        shift = bias - mean * scale
    params = {"scale": (weight_name, scale.astype(np.float32)), "shift": (bias_name, shift.astype(np.float32))}
    return call.layer("batch_norm", [call.tensor(0)], params=params)


def _pool_attrs(call: Call, ceil_mode: bool) -> dict[str, Any]:
    kernel = _pair(call.arg(1))
    stride = _pair(call.arg(2) or kernel)
    top, left = _pair(call.arg(3, 0, "padding"))
    bottom, right = top, left
    if ceil_mode:
        # Padding at the end that makes the usual floor formula give torch's (larger) output.
        height, width = call.input_shape()[1:]
        rows, columns = call.shape[1:]
        bottom = max((rows - 1) * stride[0] + kernel[0] - height - top, 0)
        right = max((columns - 1) * stride[1] + kernel[1] - width - left, 0)
    return {"kernel": kernel, "stride": stride, "padding": (top, left, bottom, right)}


def _max_pool2d(call: Call) -> str:
    if _pair(call.arg(4, (1, 1), "dilation")) != (1, 1):
        raise call.refuse("max pooling with dilation", "use dilation=1")
    attrs = _pool_attrs(call, bool(call.arg(5, False, "ceil_mode")))
    return call.layer("max_pool2d", [call.tensor(0)], attrs)


def _avg_pool2d(call: Call) -> str:
    if call.arg(6, None, "divisor_override") is not None:
        raise call.refuse("average pooling with divisor_override", "leave it out and scale the next weights")
    exact = _pool_attrs(call, ceil_mode=False)
    if call.arg(4, False, "ceil_mode") and _pool_attrs(call, ceil_mode=True)["padding"] != exact["padding"]:
        raise call.refuse("average pooling with ceil_mode over a ragged edge", "use ceil_mode=False or pad the input")
    exact["count_include_pad"] = bool(call.arg(5, True, "count_include_pad"))
    return call.layer("avg_pool2d", [call.tensor(0)], exact)


def _adaptive(op: str, pool: str) -> Row:
    def row(call: Call) -> str:
        _, height, width = call.input_shape()
        rows, columns = call.shape[1:]
        if (rows, columns) == (1, 1):
            return call.layer(op, [call.tensor(0)])
        if height % rows or width % columns:
            raise call.refuse(
                f"adaptive pooling from {height}x{width} to {rows}x{columns}", "expected sizes that divide evenly"
            )
        kernel = (height // rows, width // columns)
        return call.layer(pool, [call.tensor(0)], {"kernel": kernel, "stride": kernel})

    return row


def _mean(call: Call) -> str:
    source = call.input_shape()
    axes = sorted(axis % (len(source) + 1) for axis in call.arg(1))
    if len(source) != 3 or axes != [2, 3]:
        raise call.refuse(f"a mean over axes {axes} of {source}", "expected height and width, (2, 3)")
    pooled = call.layer("global_avg_pool", [call.tensor(0)], shape=(source[0], 1, 1))
    if call.arg(2, False, "keepdim"):
        return pooled
    return call.layer("flatten", [pooled], suffix=".flatten")


def _reshape(call: Call) -> str:
    source, target = call.input_shape(), call.shape
    if source == target:
        return call.tensor(0)
    if len(target) != 1:
        raise call.refuse(f"a reshape from {source} to {target}", "expected a flatten to (N, features)")
    return call.layer("flatten", [call.tensor(0)])


def _add(call: Call) -> str:
    if call.arg(2, 1, "alpha") != 1:
        raise call.refuse(f"an addition with alpha={call.arg(2, 1, 'alpha')}", "use alpha=1")
    left, right = call.tensor(0), call.tensor(1)
    shapes = [call.draft.tensors[t].shape for t in (left, right)]
    if shapes[0] != shapes[1]:
        raise call.refuse(f"an addition of shapes {shapes[0]} and {shapes[1]}", "expected equal shapes")
    return call.layer("add", [left, right])


def _cat(call: Call) -> str:
    parts = [call.activation(value) for value in call.arg(0)]
    axis = call.arg(1, 0, "dim") % (len(call.shape) + 1)
    if axis != 1:
        raise call.refuse(f"a concatenation along axis {axis}", "expected channels, dim=1")
    return call.layer("concat", parts) if len(parts) > 1 else parts[0]


def _clamp(call: Call) -> str:
    low, high = call.arg(1, None, "min"), call.arg(2, None, "max")
    if high is None and low == 0:
        return call.layer("relu", [call.tensor(0)])
    if low is None or high is None:
        raise call.refuse("a clamp with one bound", "give both, or use relu")
    return call.layer("clip", [call.tensor(0)], {"low": float(low), "high": float(high)})


def _relu6(call: Call) -> str:
    return call.layer("clip", [call.tensor(0)], {"low": 0.0, "high": 6.0})


def _hardtanh(call: Call) -> str:
    bounds = {"low": float(call.arg(1, -1.0)), "high": float(call.arg(2, 1.0))}
    return call.layer("clip", [call.tensor(0)], bounds)


def _leaky_relu(call: Call) -> str:
    return call.layer("leaky_relu", [call.tensor(0)], {"alpha": float(call.arg(1, 0.01))})


def _softmax(call: Call) -> str:
    if len(call.shape) != 1 or call.arg(1, keyword="dim") % 2 == 0:
        raise call.refuse(f"a softmax over axis {call.arg(1)} of {call.shape}", "expected (N, classes)")
    return call.layer("softmax", [call.tensor(0)])


def _pad(call: Call) -> str:
    sides = list(call.arg(1))
    mode, value = call.arg(2, "constant", "mode"), call.arg(3, 0, "value")
    if str(call.node.target) == "aten.constant_pad_nd.default":
        mode, value = "constant", call.arg(2, 0)
    if mode != "constant" or value or len(sides) != 4 or min(sides) < 0:
        raise call.refuse(f"padding {sides} of mode '{mode}'", "expected zeros around height and width")
    left, right, top, bottom = sides
    return call.layer("pad2d", [call.tensor(0)], {"padding": (top, left, bottom, right)})


def _upsample(call: Call) -> str:
    (_, height, width), (_, rows, columns) = call.input_shape(), call.shape
    scales = call.arg(2, keyword="scale_factors") or (rows / height, columns / width)
    if any(scale % 1 for scale in scales) or rows % height or columns % width:
        raise call.refuse(f"upsampling {height}x{width} to {rows}x{columns} by {scales}", "expected whole factors")
    return call.layer("upsample2d", [call.tensor(0)], {"factor": (rows // height, columns // width)})


def _dropout(call: Call) -> str:
    if call.arg(2, keyword="train"):
        raise call.refuse("a dropout that stays active in evaluation", "use nn.Dropout, or pass training=self.training")
    return call.tensor(0)


def _gelu(call: Call) -> str:
    if call.arg(1, "none", "approximate") != "none":
        raise call.refuse("gelu with approximate='tanh'", "use approximate='none'")
    return call.layer("gelu", [call.tensor(0)])


def _plain(op: str) -> Row:
    return lambda call: call.layer(op, [call.tensor(0)])


#: Calls that return their argument, and calls that return a copy of it.
ALIASES = frozenset({"aten.alias.default", "aten.detach.default", "aten.contiguous.default"})
COPIES = frozenset({"aten.clone.default", "aten.lift_fresh_copy.default"})

ATEN: Mapping[str, Row] = {
    "aten.linear.default": _linear,
    "aten.conv2d.default": _conv2d,
    "aten.conv2d.padding": _conv2d,
    "aten.batch_norm.default": _batch_norm,
    "aten.max_pool2d.default": _max_pool2d,
    "aten.avg_pool2d.default": _avg_pool2d,
    "aten.adaptive_avg_pool2d.default": _adaptive("global_avg_pool", "avg_pool2d"),
    "aten.adaptive_max_pool2d.default": _adaptive("global_max_pool", "max_pool2d"),
    "aten.mean.dim": _mean,
    "aten.flatten.using_ints": _reshape,
    "aten.view.default": _reshape,
    "aten.reshape.default": _reshape,
    "aten.squeeze.dim": _reshape,
    "aten.squeeze.dims": _reshape,
    "aten.squeeze.default": _reshape,
    "aten.add.Tensor": _add,
    "aten.cat.default": _cat,
    "aten.dropout.default": _dropout,
    "aten.feature_dropout.default": _dropout,
    "aten.alpha_dropout.default": _dropout,
    "aten.feature_alpha_dropout.default": _dropout,
    "aten.relu.default": _plain("relu"),
    "aten.relu6.default": _relu6,
    "aten.hardtanh.default": _hardtanh,
    "aten.clamp.default": _clamp,
    "aten.clamp_min.default": _clamp,
    "aten.leaky_relu.default": _leaky_relu,
    "aten.sigmoid.default": _plain("sigmoid"),
    "aten.tanh.default": _plain("tanh"),
    "aten.softmax.int": _softmax,
    "aten.gelu.default": _gelu,
    "aten.silu.default": _plain("silu"),
    "aten.hardsigmoid.default": _plain("hard_sigmoid"),
    "aten.hardswish.default": _plain("hard_swish"),
    "aten.pad.default": _pad,
    "aten.constant_pad_nd.default": _pad,
    "aten.upsample_nearest2d.vec": _upsample,
}

#: What to write instead of operators that users often have.
REMEDIES: Mapping[str, str] = {
    "prelu": "use relu, or leaky_relu with a fixed slope",
    "elu": "use relu",
    "mish": "use relu or hardswish",
    "softplus": "use relu",
    "conv1d": "use conv2d with a height of 1",
    "conv3d": "use conv2d",
    "conv_transpose2d": "use nearest upsampling and a conv2d",
    "lstm": "recurrent layers are not mapped; use convolutions or dense layers",
    "gru": "recurrent layers are not mapped; use convolutions or dense layers",
    "rnn_tanh": "recurrent layers are not mapped; use convolutions or dense layers",
    "group_norm": "use batch norm, which folds away",
    "layer_norm": "use batch norm, which folds away",
    "instance_norm": "use batch norm, which folds away",
    "upsample_bilinear2d": "use nearest upsampling",
    "scaled_dot_product_attention": "attention is not mapped; use convolutions or dense layers",
    "embedding": "look the embedding up on the host",
    "mul": "scale inside a convolution, dense layer or batch norm",
    "permute": "keep the layout (N, C, H, W)",
    "transpose": "keep the layout (N, C, H, W)",
}
