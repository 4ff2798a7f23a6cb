# SPDX-License-Identifier: Apache-2.0
"""Every activation of hls4ml by name; the curved ones as tables over all integers that the layer can read.

The table's entries are what hls4ml's C++ computes for each input integer (:mod:`hls.from_hls4ml_tables`), so inputs of
more than :data:`MAX_TABLE_BITS` bits are refused.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hls.from_hls4ml_draft import Draft, View
from hls.from_hls4ml_pointwise import LINES_AND_STEPS, Activation, number
from hls.from_hls4ml_tables import TABLES
from hls.from_hls4ml_types import Parameter, format_of, parameter_of, plain
from hwsim.fixed import FixedPoint, IntArray

MAX_TABLE_BITS = 16
SELU_SLOPE = FixedPoint(16, 15, signed=False)  # selu_const_t of nnet_activation.h

#: Integers of the input's format, that format → exact results as integers, and their fractional bits.
Function = Callable[[IntArray, FixedPoint], tuple[IntArray, int]]


def activation(draft: Draft, node: Any) -> None:
    """Activation, ParametrizedActivation, HardActivation, PReLU, TernaryTanh."""
    name = str(node.get_attr("activation")).lower()
    if name not in ACTIVATIONS:
        raise draft.refuse(
            node, f"activation {name}", f"one of {', '.join(ACTIVATIONS)}", "replace it, or use hls4ml's Vitis backend"
        )
    view = draft.by_channel(node, draft.view(node)) if name == "prelu" else draft.view(node)
    draft.publish(node, ACTIVATIONS[name](draft, node, view), view.order)


def softmax(draft: Draft, node: Any) -> None:
    """Of hls4ml's four implementations only argmax has an exact form: 1 at the largest value, 0 elsewhere."""
    if node.get_attr("implementation") != "argmax":
        raise draft.refuse(
            node, f"softmax ({node.get_attr('implementation')}), a product of two tables", "an exact form",
            f"drop it, the largest logit is the same class: hls_config['LayerName']['{node.name}']['Skip'] = True",
        )  # fmt: skip
    view = draft.as_vector(node, draft.view(node))
    classes = len(view.order)
    if np.any(view.order != np.arange(classes)) or node.get_attr("n_inner", 1) * node.get_attr("n_outer", 1) != 1:
        raise draft.refuse(
            node, "an argmax over a transposed or nested tensor", "one vector", "take it out of the model"
        )
    index = draft.add(f"{node.name}_index", "argmax", (view.tensor,), None)
    # The index less each class's own number is 0 for one class alone.
    ones = Parameter(np.ones((classes, 1), dtype=np.int64), FixedPoint(1, 0, False))
    own = Parameter(-np.arange(classes), FixedPoint(classes.bit_length() + 1, 0))
    distance = draft.add(f"{node.name}_distance", "dense", (index,), None, {"weight": ones, "bias": own})
    tensor = tabled(draft, node, distance, lambda codes, source: ((codes == 0).astype(np.int64), 0))
    draft.publish(node, tensor)


def unary_lut(draft: Draft, node: Any) -> None:
    """HGQ's table: an entry for every bit pattern of the input, cast to the result."""
    view = draft.view(node)
    table = parameter_of(node.get_weights("table"), f"{node.name}: table")
    width = draft.format(view.tensor).width
    if len(table.ints) != 1 << width:
        raise draft.refuse(node, f"{len(table.ints)} entries for {width} bits", f"{1 << width}", "report the model")

    def function(codes: IntArray, source: FixedPoint) -> tuple[IntArray, int]:
        return table.ints[codes & ((1 << source.width) - 1)], table.format.frac

    _expect_narrow(draft, node, view.tensor)
    draft.publish(node, tabled(draft, node, view.tensor, function), view.order)


def tabled(draft: Draft, node: Any, tensor: str, function: Function) -> str:
    """A lookup of the function, cast to the node's result, for every integer of the tensor's format."""
    source, result = draft.format(tensor), draft.result(node)
    codes = np.arange(source.min_int, source.max_int + 1, dtype=np.int64)
    table = Parameter(result.cast(*function(codes, source)), plain(result))
    return draft.add(node.name, "lookup", (tensor,), plain(result), {"table": table}, first=source.min_int)


def _expect_narrow(draft: Draft, node: Any, tensor: str) -> None:
    fmt = draft.format(tensor)
    if fmt.width > MAX_TABLE_BITS:
        raise draft.refuse(
            node, f"an input of {fmt}", f"at most {MAX_TABLE_BITS} bits to tabulate",
            "set a narrower result type for the layer before it",
        )  # fmt: skip


def _entries(draft: Draft, node: Any, name: str) -> tuple[IntArray, int]:
    """hls4ml's table, and its fractional bits."""
    fmt = format_of(node.get_attr("table_t").precision, f"{node.name}: table")
    return TABLES[name].entries(int(node.get_attr("table_size")), fmt), fmt.frac


def _both_sides(name: str) -> Activation:
    """sigmoid, tanh, softplus, softsign: every input reads an entry; beyond the range the outermost one."""

    def lower(draft: Draft, node: Any, view: View) -> str:
        entries, frac = _entries(draft, node, name)
        tensor = _saturated(draft, node, view.tensor, TABLES[name].span, len(entries))
        _expect_narrow(draft, node, tensor)
        return tabled(draft, node, tensor, lambda codes, source: (entries[read(codes, source, len(entries))], frac))

    read = TABLES[name].index
    return lower


def _saturated(draft: Draft, node: Any, tensor: str, span: int, size: int) -> str:
    """The tensor within the table's range, where that takes fewer bits: what lies beyond reads the outermost entries.

    Where an input's step spans several entries, the largest number below the range reads none of the last ones, and
    the range is doubled.
    """
    source = draft.format(tensor)
    frac = max(source.frac, 0)
    narrow = FixedPoint(frac + span.bit_length() - 1 + (size > span << frac), frac, True, "TRN", "SAT")
    return draft.cast(f"{node.name}_range", tensor, narrow) if source.width > narrow.width else tensor


def _elu(draft: Draft, node: Any, view: View) -> str:
    """x from 0 up; alpha times an entry elsewhere."""
    entries, frac = _entries(draft, node, "elu")
    if node.get_attr("param_t") is not None:
        alpha = number(draft, node, "param", "activ_param")
        entries, frac = entries * alpha.ints, frac + alpha.format.frac
    return _right_and_left(draft, node, view, "elu", (1, 0), (entries, frac))


def _selu(draft: Draft, node: Any, view: View) -> str:
    """lambda * x from 0 up; an entry elsewhere."""
    slope = int(SELU_SLOPE.quantise(1.0507009873554805)), SELU_SLOPE.frac
    return _right_and_left(draft, node, view, "selu", slope, _entries(draft, node, "selu"))


def _right_and_left(
    draft: Draft, node: Any, view: View, name: str, slope: tuple[int, int], left: tuple[IntArray, int]
) -> str:
    """slope * x from 0 up, an entry of the table on the left; numbers come with their fractional bits."""
    _expect_narrow(draft, node, view.tensor)

    def function(codes: IntArray, source: FixedPoint) -> tuple[IntArray, int]:
        frac = max(source.frac + slope[1], left[1])
        below = left[0][TABLES[name].index(codes, source, len(left[0]))] << (frac - left[1])
        return np.where(codes >= 0, (codes * slope[0]) << (frac - source.frac - slope[1]), below), frac

    return tabled(draft, node, view.tensor, function)


def _thresholded_relu(draft: Draft, node: Any, view: View) -> str:
    """x above theta, 0 elsewhere. hls4ml 1.3.0 makes every ReLU layer of Keras 3 one with theta = 0."""
    theta = number(draft, node, "param", "activ_param")
    if not theta.ints.any():
        return LINES_AND_STEPS["relu"](draft, node, view)
    _expect_narrow(draft, node, view.tensor)

    def function(codes: IntArray, source: FixedPoint) -> tuple[IntArray, int]:
        frac = max(source.frac, theta.format.frac)
        is_above = codes << (frac - source.frac) > theta.ints << (frac - theta.format.frac)
        return np.where(is_above, codes, 0), source.frac

    return tabled(draft, node, view.tensor, function)


ACTIVATIONS: Mapping[str, Activation] = {
    **LINES_AND_STEPS,
    **{name: _both_sides(name) for name in ("sigmoid", "tanh", "softplus", "softsign")},
    "elu": _elu,
    "selu": _selu,
    "thresholdedrelu": _thresholded_relu,
    "thresholded_relu": _thresholded_relu,
}
