# SPDX-License-Identifier: Apache-2.0
"""A fully unrolled product with a constant matrix: adders alone, one whole vector per cycle, as a module of its own.

Its text is generated: other weights are other adders, another depth, and other hardware. That is what makes it small,
and why new weights need a new compilation here, and nowhere else.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hls.adders import adder_stages
from hls.templates.operands import Operands
from hls.templates.unit import Array, Unit
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow

_INPUT, _SUM, _DIFFERENCE, _CONSTANT = -1, 0, 1, 5  # opcodes of da4ml's products (da4ml/types.py, CombLogic.__call__)


def unrolled(name: str, layer: str, wires: tuple[str, str], operands: Operands, vectors: int) -> Unit:
    """A product with an integer matrix plus a bias; all columns come in one beat, all rows leave in one.

    Args:
        wires: in and out.
        operands: one matrix.
        vectors: products per image.

    Raises:
        ToolMissing: da4ml is not installed.
        UnsupportedError: weights or results too wide for it; see :func:`hls.adders.product`.
    """
    (matrix,), (bias,), source, exact = operands.matrices, operands.bias, operands.source, operands.exact
    left = exact.frac - source.frac - operands.weight.frac
    stages = adder_stages(layer, matrix, (source, operands.weight, exact))
    aligned = bias.astype(np.int64) << (exact.frac - operands.offset.frac)
    timing = dataflow.unrolled(vectors, len(stages))
    lines = [
        *_head(name, layer, matrix.shape, source, exact, timing.latency - vectors + 1),
        *_inputs(stages[0], source),
    ]
    for place, stage in enumerate(stages):
        lines += _adders(stage, place)
        if place + 1 < len(stages):
            lines += _registers(stage, stages[place + 1], place)
    lines += [*_results(stages[-1], len(stages) - 1, left, aligned, exact), "endmodule", "`default_nettype wire"]
    text = "\n".join(lines) + "\n"
    return Unit(name, name, layer, {}, timing, (wires[0],), (wires[1],), sources={f"{name}.sv": text})


def _head(
    name: str, layer: str, shape: tuple[int, ...], source: FixedPoint, exact: FixedPoint, steps: int
) -> list[str]:
    rows, columns = shape
    return [
        f"// {layer}: {rows} exact sums of {columns} products with constants, out of adders that da4ml found.",
        "//",
        f"//   latency  {steps} cycles",
        "//   II       1 cycle per vector",
        "`default_nettype none",
        f"module {name} (",
        "  input  wire aclk,",
        "  input  wire aresetn,",
        f"  input  wire [{columns * source.width - 1}:0] s_axis_tdata,",
        "  input  wire s_axis_tvalid,",
        "  output wire s_axis_tready,",
        f"  output wire [{rows * exact.width - 1}:0] m_axis_tdata,",
        "  output wire m_axis_tvalid,",
        "  input  wire m_axis_tready",
        ");",
        f"  reg  [{steps - 1}:0] valid_q;",
        "  wire advance = ~m_axis_tvalid | m_axis_tready;",
        "  assign s_axis_tready = advance;",
        f"  assign m_axis_tvalid = valid_q[{steps - 1}];",
        "  always_ff @(posedge aclk) begin",
        "    if (!aresetn) valid_q <= '0;",
        f"    else if (advance) valid_q <= {{valid_q[{steps - 2}:0], s_axis_tvalid}};",
        "  end",
    ]


def _inputs(stage: Any, source: FixedPoint) -> list[str]:
    """The registers of the inputs that are not multiplied by zeros alone."""
    sign = "" if source.signed else "1'b0, "
    values = {
        _name(stage, 0, node): f"{{{sign}s_axis_tdata[{op.id0 * source.width} +: {source.width}]}}"
        for node, op in enumerate(stage.ops)
        if op.opcode == _INPUT
    }
    widths = dict.fromkeys(values, source.width + (not source.signed))
    return ["  wire unused = &{1'b0, s_axis_tdata};", *_clocked(widths, values)]


def _registers(stage: Any, following: Any, place: int) -> list[str]:
    """What a stage hands to the next one."""
    nodes = [(node, op) for node, op in enumerate(following.ops) if op.opcode == _INPUT and not _is_zero(op)]
    values = {_name(following, place + 1, node): _name(stage, place, stage.out_idxs[op.id0]) for node, op in nodes}
    widths = {_name(following, place + 1, node): _width(op) for node, op in nodes}
    return _clocked(widths, values)


def _adders(stage: Any, place: int) -> Iterator[str]:
    """One line per addition."""
    for node, op in enumerate(stage.ops):
        if op.opcode in (_INPUT, _CONSTANT):
            continue
        width, frac = _width(op), _frac(op)
        terms = (
            _shifted(_name(stage, place, term), frac - _frac(stage.ops[term]) + power, width)
            for term, power in ((op.id0, 0), (op.id1, op.data))
        )
        operator = {_SUM: " + ", _DIFFERENCE: " - "}[op.opcode]
        yield f"  wire signed [{width - 1}:0] {_name(stage, place, node)} = {operator.join(terms)};"


def _results(stage: Any, place: int, left: int, bias: Array, exact: FixedPoint) -> Iterator[str]:
    """A register for every sum, and one for the sum and its bias."""
    sums: dict[str, str] = {}
    for row, (node, shift, negative) in enumerate(zip(stage.out_idxs, stage.out_shifts, stage.out_negs, strict=True)):
        op = stage.ops[node]
        exponent = 0 if _is_zero(op) else shift - _frac(op) + left
        term = _shifted(_name(stage, place, node), exponent, exact.width)
        sums[f"sum{row}"] = f"-({term})" if negative else term  # -8'(x) would be a cast to -8 bits
    mask = (1 << exact.width) - 1
    results = {f"y{row}": f"sum{row} + {exact.width}'h{int(value) & mask:x}" for row, value in enumerate(bias)}
    yield from _clocked(dict.fromkeys(sums, exact.width), sums)
    yield from _clocked(dict.fromkeys(results, exact.width), results)
    for row in range(len(bias)):
        yield f"  assign m_axis_tdata[{row * exact.width} +: {exact.width}] = y{row};"


def _clocked(widths: Mapping[str, int], values: Mapping[str, str]) -> list[str]:
    """Registers that take values while the pipeline advances."""
    if not values:
        return []
    return [
        *(f"  reg signed [{width - 1}:0] {name};" for name, width in widths.items()),
        "  always_ff @(posedge aclk) if (advance) begin",
        *(f"    {name} <= {value};" for name, value in values.items()),
        "  end",
    ]


def _shifted(name: str, exponent: int, width: int) -> str:
    return f"({width}'({name}) <<< {exponent})" if exponent else f"{width}'({name})"


def _name(stage: Any, place: int, node: int) -> str:
    op = stage.ops[node]
    if _is_zero(op):
        return "1'sd0"
    return f"r{place}_{op.id0}" if op.opcode == _INPUT else f"n{place}_{node}"


def _is_zero(op: Any) -> bool:
    return bool(op.qint.min == op.qint.max == 0)


def _frac(op: Any) -> int:
    """Fractional bits of a node; da4ml's numbers are integers times a power of two, its step."""
    return -int(math.log2(op.qint.step))


def _width(op: Any) -> int:
    """Bits of a node in two's complement."""
    low, high = int(op.qint.min / op.qint.step), int(op.qint.max / op.qint.step)
    return max(high.bit_length(), (~low).bit_length() if low < 0 else 0) + 1
