# SPDX-License-Identifier: Apache-2.0
"""Small ONNX files for the tests of the importer, and what onnxruntime and qonnx say they compute."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hwsim.importers.onnx import import_onnx
from hwsim.network import Network
from hwsim.reference import execute

Array = np.ndarray
node = helper.make_node

# onnxruntime sums in float32, the reference in float64: 2**-24 per operation over at most some hundred terms.
FLOAT32_TOLERANCE = 1e-5


def floats(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def write(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, Any] | None = None,
    shape: Sequence[int | str] = (1, 3, 6, 6),
    *,
    opset: int = 17,
    inputs: Mapping[str, Sequence[int | str]] | None = None,
    outputs: Sequence[str] = ("y",),
    domains: Sequence[str] = (),
) -> Path:
    """A file that computes ``y`` from ``x`` (batch first)."""
    wanted = inputs or {"x": shape}
    arrays = {name: np.asarray(value) for name, value in (constants or {}).items()}
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims)) for name, dims in wanted.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def by_onnxruntime(path: Path, x: Array) -> Array:
    """(N, …) outputs, one image at a time because the files have batch 1."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (name,) = [info.name for info in session.get_inputs()]
    return np.concatenate([session.run(None, {name: x[i : i + 1].astype(np.float32)})[0] for i in range(len(x))])


def by_qonnx(path: Path, x: Array, batch: int = 1) -> Array:
    """(N, …) outputs of qonnx's own execution, as many images at a time as the file has in a batch."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.util.cleanup import cleanup_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # qonnx's own, about shapes that it does not know
        model = ModelWrapper(str(path))
        if not model.check_all_tensor_shapes_specified():
            model = cleanup_model(model)
        constants = {init.name for init in model.graph.initializer}
        given = next(info.name for info in model.graph.input if info.name not in constants)
        found = model.graph.output[0].name
        parts = [x[i : i + batch].astype(np.float32) for i in range(0, len(x), batch)]
        return np.concatenate([execute_onnx(model, {given: part})[found] for part in parts])


def check_float(path: Path, *, images: int = 3, scale: float = 2.0, channels_last: bool = False) -> Network:
    """Import a file and compare its float execution with onnxruntime; returns the network."""
    network, weights = import_onnx(path, fold=False)
    x = floats(images, *network.tensors[network.inputs[0]].shape, seed=1) * scale
    theirs = by_onnxruntime(path, x.transpose(0, 2, 3, 1) if channels_last else x)
    ours = execute(network, weights, x)
    limit = FLOAT32_TOLERANCE * max(1.0, float(np.abs(theirs).max()))
    np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, rtol=0, atol=limit)
    return network


def ops_of(network: Network) -> list[str]:
    """The operators in execution order, the input left out."""
    return [layer.op for layer in network.layers if layer.op != "input"]
