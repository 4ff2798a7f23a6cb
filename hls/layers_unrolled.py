# SPDX-License-Identifier: Apache-2.0
"""Dense layers and convolutions with the strategy "distributed_arithmetic": all products at once, out of adders."""

from dataclasses import replace

from hls.dataflow import Draft, Stream, arrival_order, image_of
from hls.templates.matrix_vector import accumulator
from hls.templates.operands import Operands
from hls.templates.unrolled import unrolled
from hwsim.design import Folding
from hwsim.formats import exact_format
from hwsim.network import Layer

STRATEGY = "distributed_arithmetic"


def lower_unrolled(draft: Draft, layer: Layer, stream: Stream, operands: Operands, folding: Folding) -> None:
    """One whole vector after the other; its ``simd`` values per cycle are collected first.

    Raises:
        UnsupportedError: ``pe`` is not all output channels, or there is a matrix per group.
        ToolMissing: da4ml is not installed.
    """
    count, rows, columns = operands.matrices.shape
    if count > 1:
        raise draft.refuse(layer, f"{count} groups", "one matrix", "choose strategy resource")
    if folding.pe != rows:
        raise draft.refuse(layer, f"pe={folding.pe} with strategy {STRATEGY}", f"pe={rows}, all output channels",
                           "unroll the layer, or choose strategy resource")  # fmt: skip
    stream = draft.with_lanes(layer, stream, columns)
    # Here the structure depends on the weights anyway, so that the accumulator may, too.
    exact = accumulator(layer.name, exact_format(draft.network, layer, draft.weights))
    wire = draft.wire(f"{layer.name}_unrolled", rows * exact.width)
    operands, image = replace(operands, exact=exact), image_of(draft.network.tensors[layer.output].shape)
    draft.units.append(unrolled(wire, layer.name, (stream.wire, wire), operands, stream.beats))
    draft.finish(layer, Stream(wire, exact, rows, image, arrival_order(image)))
