# SPDX-License-Identifier: Apache-2.0
"""Shapes of values in an ONNX file: what it states, and what a node makes of the shapes that it reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.importers.onnx_file import Graph, Node, parse
from hwsim.importers.qonnx import Array

if TYPE_CHECKING:
    import onnx

Shape = tuple[int, ...]


def stated_shapes(path: Path | str) -> dict[str, Shape]:
    """Full shapes, the batch first, of the values whose every extent the file states.

    Raises:
        ToolMissing, ModelFileError: as :func:`hwsim.importers.onnx_file.read_graph`.
    """
    graph = parse(Path(path)).graph
    return _known((*graph.input, *graph.value_info, *graph.output))


def inferred_shapes(
    node: Node, graph: Graph, shapes: Mapping[str, Shape], constants: Mapping[str, Array]
) -> dict[str, Shape]:
    """Full shapes of a node's outputs as onnx infers them; without those that it cannot.

    Args:
        shapes: of the activations that the node reads.
        constants: the values of its other inputs.
    """
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    try:
        attrs: dict[str, Any] = {name: _attribute(value) for name, value in node.attrs.items()}
        single = helper.make_node(node.op, node.inputs, node.outputs, domain=node.domain, **attrs)
        given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
        fixed = [numpy_helper.from_array(array, name) for name, array in constants.items()]
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.outputs if name]
        opsets = [helper.make_opsetid("", graph.opset), *([helper.make_opsetid(node.domain, 1)] if node.domain else [])]
        made = helper.make_graph([single], "node", given, results, fixed)
        model = shape_inference.infer_shapes(helper.make_model(made, opset_imports=opsets), data_prop=True)
    except Exception:  # onnx's C++ side raises several kinds; then nothing is known
        return {}
    return _known((*model.graph.value_info, *model.graph.output))


def _attribute(value: object) -> object:
    from onnx import numpy_helper

    return numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value


def _known(infos: "tuple[onnx.ValueInfoProto, ...]") -> dict[str, Shape]:
    found = {}
    for info in infos:
        tensor = info.type.tensor_type
        if tensor.HasField("shape") and all(dim.dim_value > 0 for dim in tensor.shape.dim):
            found[info.name] = tuple(dim.dim_value for dim in tensor.shape.dim)
    return found
