# SPDX-License-Identifier: Apache-2.0
"""Products of operators that have no layer of ours, from the shapes that they read and write.

As everywhere, only multiply-accumulate operations of sums over operands count (convolutions, matrix products, recurrent
layers); what works element by element, moves data or normalises has none.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

Shape = tuple[int, ...]
Formula = Callable[[Mapping[str, Any], Sequence[Shape], Shape], int]


def onnx_macs(op: str, attrs: Mapping[str, Any], inputs: Sequence[Shape], output: Shape) -> int | None:
    """Multiply-accumulate operations of an ONNX node for a whole batch; None where no formula is known.

    Args:
        inputs: full shapes of all its inputs, constants included; () where one is absent or not known.
        output: full shape of its first output.
    """
    if op in WITHOUT_PRODUCTS:
        return 0
    if op not in _FORMULAS:
        return None
    try:
        return _FORMULAS[op](attrs, inputs, output)
    except (IndexError, KeyError, ValueError):  # a shape is not known, or an equation is not one
        return None


def torch_macs(op: str, args: Sequence[Any], output: Shape) -> int | None:
    """Multiply-accumulate operations of a torch call for a whole batch; None where no formula is known.

    Args:
        op: the ATen operator without overload, such as ``conv_transpose2d``.
        args: its arguments by position, tensors as their full shapes.
        output: full shape of its first result.
    """
    if op in TORCH_WITHOUT_PRODUCTS or op.startswith(("upsample_", "adaptive_", "max_pool", "avg_pool", "_assert")):
        return 0
    try:
        return _torch_products(op, args, output)
    except (IndexError, StopIteration, TypeError, ValueError):  # not the arguments that the operator has
        return None


def _torch_products(op: str, args: Sequence[Any], output: Shape) -> int | None:
    if op in ("matmul", "mm", "bmm", "linear"):
        return prod(output) * int(args[0][-1])
    if op in ("addmm", "baddbmm"):
        return prod(output) * int(args[1][-1])
    if op in ("conv1d", "conv2d", "conv3d"):
        return prod(output) * int(prod(args[1][1:]))
    if op in ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"):
        return int(prod(args[0])) * int(prod(args[1][1:]))
    if op == "scaled_dot_product_attention":
        query, key, value = args[:3]
        return int(prod(query[:-1])) * int(key[-2]) * (int(query[-1]) + int(value[-1]))
    if op in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        weights = next(arg for arg in args[2:] if isinstance(arg, list))
        return int(prod(args[0][:2])) * sum(int(prod(shape)) for shape in weights if len(shape) == 2)
    if op == "einsum":
        return _einsum({"equation": args[0]}, args[1], output)
    return None


def _matmul(first: int) -> Formula:
    """Every value of the result is a sum over the last axis of the first factor."""
    return lambda attrs, inputs, output: prod(output) * inputs[first][-1]


def _gemm(attrs: Mapping[str, Any], inputs: Sequence[Shape], output: Shape) -> int:
    return prod(output) * inputs[0][0 if attrs.get("transA") else 1]


def _conv(weight: int) -> Formula:
    """Every output is a sum over a group's channels and the window: (K, C / groups, …) weights."""
    return lambda attrs, inputs, output: prod(output) * prod(inputs[weight][1:]) if inputs[weight] else _unknown()


def _conv_transpose(attrs: Mapping[str, Any], inputs: Sequence[Shape], output: Shape) -> int:
    """Every input meets all weights of its channel: (C, K / groups, …) weights."""
    return prod(inputs[0]) * prod(inputs[1][1:]) if inputs[1] else _unknown()


def _recurrent(attrs: Mapping[str, Any], inputs: Sequence[Shape], output: Shape) -> int:
    """Every step of every sequence meets the weights W (directions, gates, inputs) and R (directions, gates, state)."""
    return prod(inputs[0][:2]) * (prod(inputs[1]) + prod(inputs[2]))


def _einsum(attrs: Mapping[str, Any], inputs: Sequence[Shape], output: Shape) -> int:
    """The extents of all letters multiplied, where two factors meet."""
    terms = str(attrs["equation"]).replace(" ", "").partition("->")[0].split(",")
    if len(terms) == 1:
        return 0
    pairs = [pair for term, shape in zip(terms, inputs, strict=True) for pair in zip(term, shape, strict=True)]
    return prod(dict(pairs).values()) * (len(terms) - 1)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _unknown() -> int:
    raise ValueError("the shape of the weights is not known")


_FORMULAS: Mapping[str, Formula] = {
    "Conv": _conv(1),
    "ConvInteger": _conv(1),
    "QLinearConv": _conv(3),
    "FusedConv": _conv(1),
    "DeformConv": _conv(1),
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "FusedGemm": _gemm,
    "MatMul": _matmul(0),
    "FusedMatMul": _matmul(0),
    "MatMulInteger": _matmul(0),
    "QLinearMatMul": _matmul(0),
    "Einsum": _einsum,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
}
#: Operators of ONNX that multiply and add up nothing of their operands, or move data alone.
WITHOUT_PRODUCTS = _names(
    """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization BiasGelu BitShift
    BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Compress Concat ConcatFromSequence
    Constant ConstantOfShape Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear Elu
    Equal Erf Exp Expand EyeLike FastGelu Flatten Floor Gather GatherElements GatherND Gelu GlobalAveragePool
    GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish Hardmax Identity
    InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax
    LpNormalization LpPool Max MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization Min Mish Mod Mul Neg
    NonMaxSuppression NonZero Not OneHot Or PRelu Pad Pow QLinearAdd QLinearConcat QLinearGlobalAveragePool
    QLinearSigmoid QuantizeLinear QuickGelu RMSNormalization Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize
    ReverseSequence RoiAlign Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign
    SimplifiedLayerNormalization Sin Sinh Size SkipLayerNormalization Slice Softmax Softplus Softsign SpaceToDepth
    Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Upsample Where
    Xor
    """
)
#: The same of ATen.
TORCH_WITHOUT_PRODUCTS = _names(
    """
    abs add addcdiv addcmul amax amin arange argmax argmin batch_norm bernoulli cat ceil channel_shuffle chunk clamp
    clamp_max clamp_min clone constant_pad_nd contiguous cos cumsum div dropout elu embedding eq erf exp expand fill
    flatten flip floor full full_like gather ge gelu getitem glu group_norm gt hardshrink hardsigmoid hardswish
    hardtanh index index_select instance_norm layer_norm le leaky_relu lift_fresh_copy log log_softmax logical_and
    logical_not lt masked_fill max maximum mean min minimum mish mul narrow native_group_norm native_layer_norm ne
    neg new_zeros normalize ones ones_like pad permute pixel_shuffle pixel_unshuffle pow prelu reciprocal relu relu6
    repeat reshape reflection_pad1d reflection_pad2d replication_pad2d rms_norm roll round rsqrt rsub scatter select
    selu sigmoid sign silu sin slice softmax softplus softshrink softsign split split_with_sizes sqrt squeeze stack
    std sub sum t tanh threshold to topk transpose tril triu type_as unbind unflatten unfold unsqueeze var view
    where zeros zeros_like
    """
)
