# SPDX-License-Identifier: Apache-2.0
"""Exact execution of quantised modules: torch on integers, in a float type that is wide enough.

A float adds integers exactly, in whatever order, as long as every partial sum fits its significand. The formats of
the golden network bound every sum, so the type is chosen by proof.
"""

import copy
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hwsim.errors import FormatError, ModelFileError, NetworkError, ToolMissing
from hwsim.formats import exact_format
from hwsim.network import Layer, Network, Weights
from quant.convert import to_network
from quant.module import QuantModule
from quant.placement import AVERAGES

IntArray = npt.NDArray[np.int64]
#: torch type → bits of its significand, the hidden one included (IEEE 754).
SIGNIFICANDS = {torch.float32: 24, torch.float64: 53}


def exact_forward(module: QuantModule, x: npt.ArrayLike, batch: int = 100) -> IntArray:
    """Run a calibrated module on integers of its input's format, without any rounding error.

    Args:
        x: (N, *shape) integers of the input format.
        batch: images at a time.

    Returns:
        (N, *shape) integers of the output's format in :func:`quant.convert.to_network`.

    Raises:
        NetworkError: the network has several inputs or outputs, or the data are not integers.
        FormatError: a layer's sums exceed 53 bits.
    """
    network, weights = to_network(module)
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise NetworkError(f"{network.name}: expected one input and one output; call the module itself")
    data = np.asarray(x)
    if data.dtype.kind not in "iu":
        raise NetworkError(f"{network.inputs[0]}: got {data.dtype} data; expected integers of the input's format")
    source = network.tensors[network.inputs[0]].format
    assert source is not None
    dtype = exact_dtype(network, weights)
    runner = copy.deepcopy(module).cpu().to(dtype).eval()
    reals = torch.from_numpy(source.to_real(data)).to(dtype)
    with torch.no_grad():
        parts = [runner(part).double().numpy() for part in reals.split(batch)]
    return on_grid(np.concatenate(parts), network, network.outputs[0])


def on_grid(reals: npt.ArrayLike, network: Network, tensor: str) -> IntArray:
    """The integers of real values that must lie on the grid of a tensor's format.

    Raises:
        FormatError: a value lies between two steps or outside the range, so the computation was not exact.
    """
    fmt = network.tensors[tensor].format
    if fmt is None:
        raise FormatError(f"{tensor}: has no number format; quantise the network first")
    ints = fmt.quantise(reals)
    if not np.array_equal(fmt.to_real(ints), np.asarray(reals, dtype=np.float64)):
        raise FormatError(f"{tensor}: values are not on the grid of {fmt}; the computation rounded somewhere")
    return ints


def exact_dtype(network: Network, weights: Weights) -> torch.dtype:
    """The narrowest torch type that computes a quantised network exactly.

    Raises:
        FormatError: a layer needs more than float64 holds; names it.
    """
    needed = significand_bits(network, weights)
    layer = max(needed, key=lambda name: needed[name])
    for dtype, bits in SIGNIFICANDS.items():
        if needed[layer] <= bits:
            return dtype
    raise FormatError(f"{layer}: sums need {needed[layer]} bits; expected at most 53; narrow weights or activations")


def significand_bits(network: Network, weights: Weights) -> dict[str, int]:
    """Bits that a float needs to compute each layer of a quantised network exactly, in any order of additions."""
    return {layer.name: _bits(network, weights, layer) for layer in network.layers}


def _bits(network: Network, weights: Weights, layer: Layer) -> int:
    result = network.tensors[layer.output].format
    assert result is not None
    if layer.op == "input":
        return result.width
    if layer.op in AVERAGES:
        # A sum over the window and one correctly rounded division. The output's rounding is right if the error of
        # the quotient q, at most q * 2**-bits, stays below its distance to the nearest tie that it is not,
        # 1 / (2 * window) output steps (or input steps where those are finer).
        source = network.tensors[layer.inputs[0]].format
        assert source is not None
        window = layer.attrs.get("kernel", network.tensors[layer.inputs[0]].shape[1:])
        largest = max(source.max_int, -source.min_int) * math.prod(window)
        return largest.bit_length() + 1 + max(result.frac - source.frac, 0)
    exact = exact_format(network, layer, weights)
    # Where a bias is added, the sum before it may be twice as large as the sum with it.
    return exact.width - exact.signed + ("bias" in layer.params)


def run_qonnx(path: Path | str, x: npt.ArrayLike, batch: int = 100) -> npt.NDArray[np.float32]:
    """Execute a QONNX file of one input and one output with qonnx's own executor, which computes in float32.

    Args:
        path: a file of batch size 1, as :func:`quant.export.export` writes it.
        x: (N, *shape) real inputs.
        batch: images at a time; the executor starts anew for every node, so larger is faster.

    Returns:
        (N, *shape) real outputs.

    Raises:
        ToolMissing: qonnx is not installed.
        ModelFileError: the file cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: not a readable QONNX file ({error.strerror}); export it again") from None
    return run_qonnx_bytes(data, x, batch, str(path))


def run_qonnx_bytes(
    data: bytes, x: npt.ArrayLike, batch: int = 100, where: str = "QONNX model"
) -> npt.NDArray[np.float32]:
    """Like :func:`run_qonnx`, for a model in memory; ``where`` names it in errors."""
    try:
        from google.protobuf.message import DecodeError
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.change_batchsize import ChangeBatchSize
        from qonnx.transformation.infer_shapes import InferShapes
    except ImportError as error:
        raise ToolMissing(f"QONNX execution needs {error.name}; pip install 'slimfab[quant]'") from None
    try:
        model = ModelWrapper(data)
    except DecodeError:
        raise ModelFileError(f"{where}: not a readable QONNX file ({len(data)} bytes); export it again") from None
    images = np.asarray(x, dtype=np.float32)
    batch = min(batch, max(len(images), 1))
    model = model.transform(ChangeBatchSize(batch)).transform(InferShapes())
    source, result = model.graph.input[0].name, model.graph.output[0].name
    parts = []
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        filled = np.concatenate([part, np.zeros((batch - len(part), *part.shape[1:]), np.float32)])
        parts.append(execute_onnx(model, {source: filled})[result][: len(part)])
    return np.concatenate(parts)
