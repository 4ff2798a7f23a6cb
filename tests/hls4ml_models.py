# SPDX-License-Identifier: Apache-2.0
"""hls4ml model graphs for the tests of hls.from_hls4ml, and hls4ml's own C simulation of them."""

import contextlib
import io
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hls4ml
import numpy as np
from hls4ml.model.graph import ModelGraph

from hls.compile import QUICK, compile_project
from hls.csim import _WORKER
from hls.from_hls4ml import from_model_graph
from hls.project import PROJECT_NAME, Project
from hwsim import reference
from hwsim.fixed import FixedPoint

Array = np.ndarray


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """hls4ml prints what it reads and warns about attributes that it overrides."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def from_torch(
    module: Any, shape: tuple[int, ...], folder: Path, backend: str = "Slimfab",
    names: Mapping[str, Mapping[str, Any]] | None = None, io_type: str = "io_parallel", **settings: Any,
) -> Any:  # fmt: skip
    """A converted torch module; ``names`` changes the configuration of layers."""
    with quiet():
        config = hls4ml.utils.config_from_pytorch_model(
            module.eval(), shape, **{"granularity": "name", "backend": backend, **settings}
        )
        update(config, names or {})
        return hls4ml.converters.convert_from_pytorch_model(
            module, hls_config=config, backend=backend, output_dir=str(folder), project_name=PROJECT_NAME,
            io_type=io_type,
        )  # fmt: skip


def from_onnx(
    path: Path, folder: Path, backend: str = "Slimfab", names: Mapping[str, Mapping[str, Any]] | None = None,
    io_type: str = "io_parallel", **settings: Any,
) -> Any:  # fmt: skip
    """A converted QONNX file, cleaned up as hls4ml's documentation says."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
    from qonnx.transformation.gemm_to_matmul import GemmToMatMul
    from qonnx.util.cleanup import cleanup_model

    with quiet():
        model = cleanup_model(ModelWrapper(str(path)))
        if len(model.get_tensor_shape(model.graph.input[0].name)) > 2:
            model = model.transform(ConvertToChannelsLastAndClean())
        model = cleanup_model(model.transform(GemmToMatMul()))
        config = hls4ml.utils.config_from_onnx_model(
            model, **{"granularity": "name", "backend": backend, "default_precision": "fixed<24,8>", **settings}
        )
        update(config, names or {})
        return hls4ml.converters.convert_from_onnx_model(
            model, hls_config=config, backend=backend, output_dir=str(folder), project_name=PROJECT_NAME,
            io_type=io_type,
        )  # fmt: skip


def update(config: dict[str, Any], names: Mapping[str, Mapping[str, Any]]) -> None:
    """Precisions are merged, other keys replaced."""
    for name, changes in names.items():
        layer = config["LayerName"][name]
        layer["Precision"].update(changes.get("Precision", {}))
        layer.update({key: value for key, value in changes.items() if key != "Precision"})


def from_layers(
    layers: Sequence[dict[str, Any]], precisions: Mapping[str, Mapping[str, str]], folder: Path,
    backend: str = "Slimfab", io_type: str = "io_parallel",
) -> Any:  # fmt: skip
    """A graph from the layer dictionaries that hls4ml's front ends make; the input is the first of them.

    hls4ml takes a table's type from the key table_t, and ignores it among the precisions.
    """
    with quiet():
        config = hls4ml.utils.config.create_config(
            output_dir=str(folder), project_name=PROJECT_NAME, backend=backend, io_type=io_type
        )
        named = {
            name: {"Precision": dict(types), **({"table_t": types["table"]} if "table" in types else {})}
            for name, types in precisions.items()
        }
        model = {"Precision": {"default": "fixed<16,6>"}, "ReuseFactor": 1, "Strategy": "Latency"}
        config["HLSConfig"] = {"Model": model, "LayerName": named}
        return ModelGraph.from_layer_list(config, [dict(layer) for layer in layers], [layers[0]["name"]])


def golden(graph: Any, x: Array) -> Array:
    """What the golden executor makes of a Slimfab graph; (N, size) float64."""
    imported = from_model_graph(graph)
    ints = reference.execute(imported.network, imported.weights, imported.enter(x))
    return imported.output.reals(ints)


def c_simulation(graph: Any, x: Array, cache: Path) -> Array:
    """What a Vitis graph's C++ makes of x, compiled by g++ and run in a process of its own; (N, size) float64."""
    folder = Path(graph.config.get_output_dir())
    with quiet():
        graph.write()
    library = compile_project(Project(folder, SimpleNamespace(name="csim")), cache, QUICK)  # type: ignore[arg-type]
    (output,) = graph.get_output_variables()
    np.save(folder / "inputs.npy", x.reshape(len(x), -1).astype(np.float64))
    np.save(folder / "results.npy", np.zeros((len(x), output.size())))
    reader, writer = os.pipe()
    job = {
        "library": str(library.path), "function": f"{PROJECT_NAME}_double", "inputs": str(folder / "inputs.npy"),
        "results": str(folder / "results.npy"), "output_size": output.size(), "trace": [], "start": 0, "stop": len(x),
        "progress": writer,
    }  # fmt: skip
    worker = subprocess.Popen([sys.executable, str(_WORKER), json.dumps(job)], cwd=library.folder, pass_fds=(writer,))
    os.close(writer)
    with os.fdopen(reader, "rb") as progress:
        progress.read()
    assert worker.wait() == 0
    return np.load(folder / "results.npy")


def samples(graph: Any, count: int, seed: int = 0) -> Array:
    """(count, *input shape) float64: all smallest, all largest, 0, one step up and down, and random ones."""
    (variable,) = graph.get_input_variables()
    fmt = FixedPoint.parse(str(variable.type.precision))
    rng = np.random.default_rng(seed)
    ints = rng.integers(fmt.min_int, fmt.max_int + 1, (count, *variable.shape))
    for index, value in enumerate((fmt.min_int, fmt.max_int, 0, max(-1, fmt.min_int), 1)):
        ints[index] = value
    return fmt.to_real(ints)
