# SPDX-License-Identifier: Apache-2.0
"""Write a quantised module as a QONNX file, through Brevitas, under the names of its network.

In the file every node is called like the layer it came from, parameters are called like the network's, and a
tensor has the name it has in the network; the wide result that a quantiser reads ends in ``.exact``. Nothing that
torch.export records about the machine (paths, stack traces) is kept.
"""

import ast
import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from hwsim.errors import ToolFailed, ToolMissing, VerifyError
from hwsim.network import Network, Weights
from hwsim.serial import atomic_write
from quant.convert import parameters, to_network
from quant.executor import exact_dtype, exact_forward, on_grid, run_qonnx_bytes
from quant.module import QuantModule

if TYPE_CHECKING:
    import onnx

log = logging.getLogger(__name__)

#: Constant inputs worth a name; the others are numbered.
_ROLES = {("Quant", 1): "scale", ("Quant", 2): "zero_point", ("Quant", 3): "bit_width"}
_SCOPES = "pkg.torch.onnx.name_scopes"
_REPEATS = "slimfab.repeats"


def export(module: QuantModule, path: Path | str) -> Path:
    """Write a QONNX file of batch size 1, cleaned and atomically, after it was executed and compared with torch.

    QONNX executors compute in float32. Where that is too narrow for the module's sums (widths near 16), the
    comparison is left out with a logged warning; the golden network computes such files exactly.

    Returns:
        The path.

    Raises:
        InputError: the module is not calibrated.
        ToolMissing: brevitas, qonnx, onnx or onnxoptimizer is not installed.
        ToolFailed: torch or Brevitas cannot export the module.
        VerifyError: the file does not compute what torch computes.
        OutputError: the file cannot be written; an older one stays as it was.
    """
    network, weights = to_network(module)  # refuses what cannot be exported before anything slow happens
    runner = copy.deepcopy(module).cpu().float().eval()
    _settle(runner)
    model = _named(_cleaned(_exported(runner)), runner)
    data = model.SerializeToString()
    _check(data, module, network, weights)
    atomic_write(path, data)
    return Path(path)


def _check(data: bytes, module: QuantModule, network: Network, weights: Weights) -> None:
    """Execute the file and torch on the smallest, the largest and random inputs."""
    if exact_dtype(network, weights) is not torch.float32:
        log.warning("%s: sums exceed float32, so QONNX execution was not compared with torch", network.name)
        return
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        return
    tensor = network.tensors[network.inputs[0]]
    assert tensor.format is not None
    low, high = tensor.format.min_int, tensor.format.max_int
    corners = [np.full(tensor.shape, value) for value in (low, high, 0)]
    x = np.stack([*corners, np.random.default_rng(0).integers(low, high + 1, tensor.shape)])
    want = exact_forward(module, x)
    got = on_grid(run_qonnx_bytes(data, tensor.format.to_real(x)), network, network.outputs[0])
    if not np.array_equal(got, want):
        raise VerifyError(
            f"{network.name}: QONNX execution gives {int(np.sum(got != want))} of {want.size} other integers than "
            "torch; use the package versions of constraints.txt"
        )


def _settle(module: QuantModule) -> None:
    """Put the parameters on their grids, so that readers with another rounding get the same integers."""
    with torch.no_grad():
        for values, quantiser in parameters(module).values():
            values.copy_(quantiser(values)[0])


def _exported(module: QuantModule) -> "onnx.ModelProto":
    with _quiet():
        try:
            import onnx  # noqa: F401
            import onnxoptimizer  # noqa: F401
            from brevitas.export import export_qonnx
        except ImportError as error:
            raise ToolMissing(f"QONNX export needs {error.name}; pip install 'slimfab[quant]'") from None
        for part in module.modules():
            if hasattr(part, "skip_create_quant_tensor"):
                part.skip_create_quant_tensor = False  # the export reads scales from Brevitas's quantised tensors
        network = module.network
        inputs = tuple(torch.zeros(1, *network.tensors[name].shape) for name in network.inputs)
        try:
            return export_qonnx(
                module,
                args=inputs,
                input_names=list(network.inputs),
                verbose=False,
            )
        except Exception as error:  # torch's exporter raises many types
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ToolFailed(f"{network.name}: Brevitas cannot export it ({reason}); run with plain layers") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's exporter and Brevitas from printing and warning about things the caller cannot change."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "brevitas")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _cleaned(model: "onnx.ModelProto") -> "onnx.ModelProto":
    try:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.util.cleanup import cleanup_model
    except ImportError as error:
        raise ToolMissing(f"QONNX export needs {error.name}; pip install 'slimfab[quant]'") from None
    for node in model.graph.node:
        firsts = [list(node.input).index(tensor) for tensor in node.input]
        node.metadata_props.add(key=_REPEATS, value=str(firsts))
    cleaned = cleanup_model(ModelWrapper(model)).model
    _restore_repeats(cleaned)
    return cleaned


def _restore_repeats(model: "onnx.ModelProto") -> None:
    """``x + x``: qonnx 1.0 renames a tensor only where a node reads it first (``ModelWrapper.rename_tensor``)."""
    graph = model.graph
    known = {value.name for value in (*graph.input, *graph.initializer)} | {t for n in graph.node for t in n.output}
    for node in graph.node:
        firsts = next((ast.literal_eval(p.value) for p in node.metadata_props if p.key == _REPEATS), [])
        for position, first in enumerate(firsts[: len(node.input)]):
            if node.input[position] and node.input[position] not in known:
                node.input[position] = node.input[first]


def _named(model: "onnx.ModelProto", module: QuantModule) -> "onnx.ModelProto":
    names = _new_names(model, module)
    graph = model.graph
    for node in graph.node:
        node.input[:] = [names.get(t, t) for t in node.input]
        node.output[:] = [names.get(t, t) for t in node.output]
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)
        value.doc_string = ""
        del value.metadata_props[:]
    del graph.metadata_props[:], model.metadata_props[:]
    graph.name, graph.doc_string, model.doc_string = module.network.name, "", ""
    del graph.quantization_annotation[:]
    return model


def _new_names(model: "onnx.ModelProto", module: QuantModule) -> dict[str, str]:
    """Old tensor name → new one; nodes are renamed on the way."""
    layers = {key: layer for layer, key in module.steps}
    quantised = module.quantised_tensors()
    names = {value.name: tensor for value, tensor in zip(model.graph.input, module.network.inputs, strict=True)}
    inside: dict[str, onnx.NodeProto] = {}  # layer → its last node so far
    for node in model.graph.node:
        kind, key, role = _origin(node)
        layer = layers[key]
        if kind == "quantisers":
            node.name = f"{layer.name}.quantiser"
            target = f"{layer.output}.quantised" if layer.op == "input" else layer.output
        elif role:
            node.name, target = f"{layer.name}.{role}.quantiser", f"{layer.params[role]}.quantised"
            names[node.input[0]] = layer.params[role]
        else:
            if key in inside:  # an addition of many operands is several nodes; the last one is the layer
                inside[key].name += f".{len(names)}"
                names[inside[key].output[0]] = f"{inside[key].name}.sum"
            inside[key] = node
            node.name = layer.name
            target = f"{layer.output}.exact" if layer.output in quantised else layer.output
        names[node.output[0]] = target
    constants = {value.name for value in model.graph.initializer}
    for node in model.graph.node:
        for index, tensor in enumerate(node.input):
            if tensor in constants and tensor not in names:
                names[tensor] = f"{node.name}.{_ROLES.get((node.op_type, index), index)}"
    return names


def _origin(node: "onnx.NodeProto") -> tuple[str, str, str]:
    """("layers" or "quantisers", key in that dictionary of the module, weight or bias if the node quantises one)."""
    scopes = next((ast.literal_eval(p.value) for p in node.metadata_props if p.key == _SCOPES), [])
    for scope in scopes:
        parts = scope.split(".")
        if len(parts) == 2 and parts[0] in ("layers", "quantisers"):
            inner = [s.rsplit(".", 1)[-1].removesuffix("_quant") for s in scopes if s.endswith("_quant")]
            return parts[0], parts[1], inner[0] if inner and parts[0] == "layers" else ""
    raise ToolFailed(f"{node.op_type}: torch's exporter does not say which layer it belongs to; use torch 2.9 to 2.13")
