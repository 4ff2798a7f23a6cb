# SPDX-License-Identifier: Apache-2.0
"""Open an ONNX file and turn its protobuf into plain records.

Only this module, the reader of shapes and the constant folder touch the ``onnx`` package, inside functions. The bytes
are parsed as protobuf and nothing else: an archive or a pickle is recognised by its first bytes and refused unopened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import ModelFileError, ToolMissing, UnsupportedError

if TYPE_CHECKING:
    import onnx

_EXPORT = "export the model with torch.onnx.export or brevitas.export.export_qonnx"
# First bytes of files that are given by mistake: offset, bytes, what they are, what to do instead.
_FOREIGN = (
    (0, b"PK\x03\x04", "a zip archive (torch.save writes these; what it holds is not opened)", _EXPORT),
    (0, b"\x80", "a pickle, which is never opened because that runs its code", _EXPORT),
    (0, b"\x89HDF", "an HDF5 file", "convert a Keras model with tf2onnx"),
    (4, b"TFL3", "a TensorFlow Lite file", "convert it with tf2onnx --tflite"),
)


@dataclass(frozen=True)
class Node:
    """One ONNX node. ``name`` is unique in its graph; absent optional inputs are ''."""

    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any]

    def input(self, index: int) -> str:
        """Name of an input; '' when it is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""


@dataclass(frozen=True)
class Graph:
    """What an ONNX file says.

    ``inputs`` maps names to full shapes, the batch first (1 where it is symbolic); ``datatypes`` holds the FINN
    annotations of tensors that have one ("BIPOLAR", "INT4").
    """

    name: str
    nodes: tuple[Node, ...]
    constants: Mapping[str, npt.NDArray[Any]]
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    opset: int
    datatypes: Mapping[str, str] = field(default_factory=dict)


def read_graph(path: Path | str) -> Graph:
    """Read an ONNX file.

    Raises:
        ToolMissing: the ``onnx`` package is not installed.
        ModelFileError: the file is missing, truncated, corrupt or of another kind, or its external data is missing.
        UnsupportedError: an input has symbolic dimensions besides the batch.
    """
    path = Path(path)
    model = parse(path)
    graph = model.graph
    constants = {init.name: _to_array(path, init) for init in graph.initializer}
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    nodes = _unique_names([_node(path, node) for node in graph.node])
    inputs = {v.name: _input_shape(v) for v in graph.input if v.name not in constants}
    outputs = tuple(v.name for v in graph.output)
    if not nodes or not inputs or not outputs:
        raise ModelFileError(
            f"{path}: holds {len(nodes)} nodes, {len(inputs)} inputs and {len(outputs)} outputs; "
            "expected at least one of each; the file is truncated, export it again"
        )
    if graph.sparse_initializer:
        raise UnsupportedError(
            f"{path}: sparse initialiser '{graph.sparse_initializer[0].values.name}'; expected "
            "dense ones; store the weights densely"
        )
    opset = opsets.get("", opsets.get("ai.onnx", 1))
    return Graph(graph.name or path.stem, nodes, constants, inputs, outputs, opset, _datatypes(graph))


def _datatypes(graph: "onnx.GraphProto") -> dict[str, str]:
    return {
        annotation.tensor_name: entry.value
        for annotation in graph.quantization_annotation
        for entry in annotation.quant_parameter_tensor_names
        if entry.key == "finn_datatype"
    }


def parse(path: Path) -> "onnx.ModelProto":
    """The file as protobuf, external data loaded and functions inlined.

    Raises:
        ToolMissing, ModelFileError: as :func:`read_graph`.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise ToolMissing(f"{path}: reading it needs the onnx package; pip install 'slimfab[quant]'") from None
    data = _read_bytes(path)
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError:
        raise ModelFileError(
            f"{path}: is not an ONNX file, or is truncated or corrupt ({len(data)} bytes); "
            "expected an ONNX protobuf; export or download it again"
        ) from None
    _load_external_data(path, model)
    if model.functions:
        model = _inline(path, model)
    return model


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror}); expected an ONNX file") from None
    for offset, magic, kind, remedy in _FOREIGN:
        if data[offset:].startswith(magic):
            raise ModelFileError(f"{path}: is {kind}; expected an ONNX file; {remedy}")
    if not data:
        raise ModelFileError(f"{path}: is empty; expected an ONNX file; export or download it again")
    return data


def _load_external_data(path: Path, model: "onnx.ModelProto") -> None:
    from onnx.external_data_helper import load_external_data_for_model, uses_external_data

    for tensor in model.graph.initializer:
        if not uses_external_data(tensor):
            continue
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        if not (path.parent / location).is_file():
            raise ModelFileError(
                f"{path}: weights of '{tensor.name}' are in '{location}', which is missing; expected "
                "it beside the model; copy it there or export into a single file"
            )
    try:
        load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # onnx raises several unrelated kinds for damaged or escaping paths
        raise ModelFileError(f"{path}: external data cannot be read ({_first_line(error)}); export it again") from None


def _inline(path: Path, model: "onnx.ModelProto") -> "onnx.ModelProto":
    import onnx.inliner

    try:
        inlined: onnx.ModelProto = onnx.inliner.inline_local_functions(model)
    except Exception as error:  # raised by onnx's C++ side, without a common class
        raise ModelFileError(
            f"{path}: its functions cannot be inlined ({_first_line(error)}); export it again"
        ) from None
    return inlined


def _to_array(path: Path, tensor: "onnx.TensorProto") -> npt.NDArray[Any]:
    from onnx import numpy_helper

    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except Exception as error:  # a truncated payload surfaces as ValueError, TypeError or KeyError
        raise ModelFileError(
            f"{path}: tensor '{tensor.name}' is damaged ({_first_line(error)}); the file is "
            "truncated or corrupt, export it again"
        ) from None


def _node(path: Path, proto: "onnx.NodeProto") -> Node:
    import onnx

    attrs: dict[str, Any] = {}
    for attribute in proto.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            attrs[attribute.name] = _to_array(path, attribute.t)
        elif attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            attrs[attribute.name] = None  # control flow is refused by the operator's name
        else:
            value = onnx.helper.get_attribute_value(attribute)
            attrs[attribute.name] = value.decode(errors="replace") if isinstance(value, bytes) else value
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    return Node(proto.name, proto.op_type, domain, tuple(proto.input), tuple(proto.output), attrs)


def _unique_names(nodes: list[Node]) -> tuple[Node, ...]:
    taken: set[str] = set()
    named = []
    for index, node in enumerate(nodes):
        name = node.name if node.name and node.name not in taken else f"{node.name or node.op}_{index}"
        taken.add(name)
        named.append(replace(node, name=name))
    return tuple(named)


def _input_shape(info: "onnx.ValueInfoProto") -> tuple[int, ...]:
    if not info.type.HasField("tensor_type") or not info.type.tensor_type.HasField("shape"):
        raise UnsupportedError(
            f"{info.name}: input has no shape; expected fixed dimensions; re-export with an example input"
        )
    dims = info.type.tensor_type.shape.dim
    shape = [1] if dims else []
    for index, dim in enumerate(dims):
        if dim.dim_value > 0:
            shape[index:] = [dim.dim_value]
        elif index:
            label = dim.dim_param or f"#{index}"
            raise UnsupportedError(
                f"{info.name}: input dimension '{label}' is symbolic; expected a number (only the "
                f"batch may be open); re-export with fixed {_axis_names(len(dims))}"
            )
        shape += [1] if index + 1 < len(dims) else []
    return tuple(shape)


def _axis_names(rank: int) -> str:
    return {2: "features", 3: "dimensions", 4: "H, W"}.get(rank, "dimensions")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
