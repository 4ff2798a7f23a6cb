# SPDX-License-Identifier: Apache-2.0
"""One interface for everything that claims to compute a network: integers in, integers out.

An executor has ``predict(x)``; one that can look inside also has ``trace(x)``, which gives tensors by their golden
names, as many as it knows.
"""

import contextlib
import copy
import io
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hls import csim
from hls.compile import FAST, Library, compile_project
from hls.csim import Progress, to_ints
from hls.lowering import lower
from hls.project import write_project
from hwsim import reference
from hwsim.design import Design
from hwsim.errors import FormatError, ModelFileError, NetworkError, ToolMissing, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Network

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[Any]


class Executor(Protocol):
    """Anything that computes a network on integers."""

    def predict(self, x: npt.ArrayLike) -> Array:
        """(N, *input shape) integers of the input's format → (N, *output shape) integers of the output's."""
        ...


@runtime_checkable
class Tracer(Protocol):
    """An executor that also gives the tensors in between."""

    def trace(self, x: npt.ArrayLike) -> Mapping[str, Array]:
        """Integers of every tensor it knows, by golden name."""
        ...


class GoldenExecutor:
    """The golden executor, :mod:`hwsim.reference`."""

    def __init__(self, network: Network, weights: Mapping[str, Array], progress: Progress | None = None) -> None:
        self.network, self.weights, self.progress = network, weights, progress

    def predict(self, x: npt.ArrayLike) -> Array:
        """See :class:`Executor`."""
        images, parts = np.asarray(x), []
        for start in range(0, max(len(images), 1), 100):
            parts.append(reference.execute(self.network, self.weights, images[start : start + 100]))
            if self.progress is not None:
                self.progress(min(start + 100, len(images)), len(images))
        return np.concatenate(parts)

    def trace(self, x: npt.ArrayLike) -> Mapping[str, Array]:
        """See :class:`Tracer`."""
        return reference.trace(self.network, self.weights, x)


class CsimExecutor:
    """hls4ml's generated C++, compiled by g++ on first use and kept by content.

    Args:
        folder: where the hls4ml project is written; replaced if it exists.
        design: see :func:`hls.lowering.lower`.
        cache: folder of compiled libraries; the user's cache folder by default.
        optimise: options of g++, :data:`hls.compile.FAST` or :data:`hls.compile.QUICK`.
        workers: processes that share the images.

    Raises:
        UnsupportedError: the network has no exact form in hls4ml.
        OutputError: the folder cannot be written.
    """

    def __init__(
        self,
        network: Network,
        weights: Mapping[str, Array],
        folder: Path | str,
        design: Design | None = None,
        *,
        cache: Path | None = None,
        optimise: tuple[str, ...] = FAST,
        workers: int = 2,
        progress: Progress | None = None,
    ) -> None:
        self.network, self.cache, self.optimise = network, cache, optimise
        self.workers, self.progress = workers, progress
        self.project = write_project(lower(network, weights, design), folder, for_synthesis=False)

    def compile(self) -> Library:
        """The compiled library of the project as it is."""
        return compile_project(self.project, self.cache, self.optimise)

    def predict(self, x: npt.ArrayLike) -> Array:
        """See :class:`Executor`."""
        return csim.predict(self.compile(), self.network, x, workers=self.workers, progress=self.progress)

    def trace(self, x: npt.ArrayLike) -> Mapping[str, Array]:
        """See :class:`Tracer`. Compiles a second library, whose C++ also records every tensor."""
        traced = self.project.folder.with_name(self.project.folder.name + "-trace")
        project = write_project(self.project.lowered, traced, trace=True, for_synthesis=False)
        return csim.trace(compile_project(project, self.cache, self.optimise), self.network, x)


class TorchExecutor:
    """A quantised torch module that takes and returns real numbers.

    Outputs are checked to lie on the grid of the network's output: a module that computes in float32 may leave it
    where sums exceed 24 bits; give it in float64 then.
    """

    def __init__(self, module: "torch.nn.Module", network: Network, batch: int = 100) -> None:
        self.module, self.network, self.batch = module, network, batch

    def predict(self, x: npt.ArrayLike) -> Array:
        """See :class:`Executor`.

        Raises:
            NetworkError: an output is not on the grid.
        """
        import torch

        first = next(self.module.parameters(), None)
        dtype = first.dtype if first is not None else torch.float32
        reals = torch.from_numpy(format_of(self.network, self.network.inputs[0]).to_real(x)).to(dtype)
        was_training = self.module.training
        self.module.eval()
        try:
            with torch.no_grad():
                parts = [self.module(part).double().numpy() for part in torch.split(reals, self.batch)]
        finally:
            self.module.train(was_training)
        tensor = self.network.outputs[0]
        return to_ints(np.concatenate(parts), format_of(self.network, tensor), tensor)


class QonnxExecutor:
    """A QONNX file, executed node by node with qonnx, many images at a time.

    The batch dimension of the file (1) is widened for the execution. Tensors are recognised by name where the file
    uses the golden names, as :func:`quant.export.export` does.
    """

    def __init__(self, path: Path | str, network: Network, batch: int = 100, progress: Progress | None = None) -> None:
        self.path, self.network, self.batch, self.progress = Path(path), network, batch, progress
        self._model = _load(self.path)
        if len(self._model.graph.input) != 1 or len(self._model.graph.output) != 1:
            raise NetworkError(f"{self.path}: expected one input and one output; export a single-input network")

    def predict(self, x: npt.ArrayLike) -> Array:
        """See :class:`Executor`.

        Raises:
            NetworkError: an output is not on the output's grid.
        """
        name, tensor = self._model.graph.output[0].name, self.network.outputs[0]
        parts = [context[name] for context in self._contexts(np.asarray(x))]
        return to_ints(np.concatenate(parts), format_of(self.network, tensor), tensor)

    def trace(self, x: npt.ArrayLike) -> Mapping[str, Array]:
        """See :class:`Tracer`: the tensors whose names file and network share."""
        contexts = list(self._contexts(np.asarray(x)))
        found = {}
        for layer in self.network.layers:
            for tensor in layer.outputs:
                if tensor in contexts[0]:
                    reals = np.concatenate([context[tensor] for context in contexts])
                    with contextlib.suppress(NetworkError):  # the file's float32 left the grid: nothing to compare
                        found[tensor] = to_ints(reals, format_of(self.network, tensor), tensor)
        return found

    def _contexts(self, images: Array) -> Iterator[Mapping[str, Array]]:
        from qonnx.core.onnx_exec import execute_onnx

        reals = format_of(self.network, self.network.inputs[0]).to_real(images).astype(np.float32)
        name = self._model.graph.input[0].name
        for start in range(0, len(reals), self.batch):
            part = reals[start : start + self.batch]
            model = _widened(self._model, len(part))
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")  # qonnx warns about its own opset table
                yield execute_onnx(model, {name: part}, return_full_exec_context=True)
            if self.progress is not None:
                self.progress(start + len(part), len(reals))


def format_of(network: Network, tensor: str) -> FixedPoint:
    """The number format of a tensor that must have one."""
    fmt = network.tensors[tensor].format
    if fmt is None:
        raise FormatError(f"{tensor}: has no number format; quantise the network first")
    return fmt


def _load(path: Path) -> Any:
    try:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.util.cleanup import cleanup_model
    except ImportError as error:
        raise ToolMissing(f"qonnx is not installed ({error}); pip install 'slimfab[hls]'") from error
    if not path.is_file():
        raise ModelFileError(f"{path}: no such file; export the network first")
    try:
        model = ModelWrapper(str(path))
        # Clean-up gives every tensor a new name, so it is only for files without shapes.
        return model if model.check_all_tensor_shapes_specified() else cleanup_model(model)
    except Exception as error:  # onnx and protobuf raise many types on damaged files
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelFileError(f"{path}: not a readable QONNX file ({reason}); export it again") from error


def _widened(model: Any, batch: int) -> Any:
    """A copy of the file's graph for ``batch`` images instead of one."""
    from onnx import numpy_helper

    wide = copy.deepcopy(model)
    graph = wide.graph
    constants = {item.name: item for item in graph.initializer}
    batched = {graph.input[0].name}
    for node in graph.node:
        if not batched.intersection(node.input):
            continue
        batched.update(node.output)
        if node.op_type == "Reshape":
            shape = numpy_helper.to_array(constants[node.input[1]]).copy()
            shape[0] = batch
            constants[node.input[1]].CopyFrom(numpy_helper.from_array(shape, node.input[1]))
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.name in batched:
            extents = value.type.tensor_type.shape.dim
            if not extents or extents[0].dim_value != 1:
                raise UnsupportedError(f"{value.name}: its first extent is not a batch of 1; export with batch size 1")
            extents[0].dim_value = batch
    return wide
