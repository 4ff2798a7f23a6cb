# SPDX-License-Identifier: Apache-2.0
"""The golden executor: what a network computes, on integers, batched.

Every layer computes its exact result (:mod:`hwsim.kernels`) and casts it once to the format of its output tensor.
Torch, QONNX, hls4ml's C simulation, RTL and boards are compared with this module by ``==``. A network without
formats runs in float64, where a tensor that has a format is rounded to its grid.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from hwsim import ops
from hwsim.errors import InputError, NetworkError, UnsupportedError
from hwsim.kernels import KERNELS, Array, Kernel, Value
from hwsim.network import Layer, Network, Tensor, check_weights

_BATCH = 32  # images at a time: the unfolded windows of a layer then stay near the size of a cache


def execute(network: Network, weights: Mapping[str, Array], x: npt.ArrayLike, batch: int = _BATCH) -> Array:
    """Run a single-input, single-output network.

    Args:
        x: (N, *shape): integers of the input's format when the network is quantised, real numbers otherwise.
        batch: images processed at a time.

    Returns:
        (N, *shape) of the output: int64 integers of its format, or float64.

    Raises:
        NetworkError: the input has the wrong shape or leaves its format.
        UnsupportedError: a layer has no exact integer form, or a tensor's quantisation is not fixed point.
        WeightsError: weights are missing, misshapen or not finite.
    """
    _expect_single(network)
    parts = [values[network.outputs[0]] for values in _batches(network, weights, x, batch, keep=set(network.outputs))]
    return np.concatenate(parts)


def trace(network: Network, weights: Mapping[str, Array], x: npt.ArrayLike, batch: int = _BATCH) -> dict[str, Array]:
    """Like :func:`execute`, but returns every activation tensor by name."""
    _expect_single(network)
    keep = {tensor for layer in network.layers for tensor in layer.outputs}
    parts = list(_batches(network, weights, x, batch, keep))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _expect_single(network: Network) -> None:
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise UnsupportedError(
            f"{network.name}: has {len(network.inputs)} inputs and {len(network.outputs)} outputs; "
            "the executor takes one of each; split the network"
        )


def _batches(
    network: Network, weights: Mapping[str, Array], x: npt.ArrayLike, batch: int, keep: set[str]
) -> Iterator[dict[str, Array]]:
    if batch < 1:
        raise InputError(f"batch: got {batch}; expected at least 1")
    check_weights(network, weights)
    data = _checked_input(network, np.asarray(x))
    params = {name: _parameter(network, name, weights[name]) for name in network.parameter_names}
    last_use = {tensor: i for i, layer in enumerate(network.layers) for tensor in layer.inputs}
    for start in range(0, max(len(data), 1), batch):
        yield _run(network, params, data[start : start + batch], last_use, keep)


def _run(
    network: Network, params: Mapping[str, Value], data: Array, last_use: Mapping[str, int], keep: set[str]
) -> dict[str, Array]:
    values: dict[str, Array] = {}
    for index, layer in enumerate(network.layers):
        if layer.op == "input":
            values[layer.output] = data
        else:
            inputs = [Value(values[t], _frac(network, t)) for t in layer.inputs]
            kernel = _kernel(network, layer)
            result = kernel(layer, inputs, {role: params[name] for role, name in layer.params.items()})
            values[layer.output] = _cast(network, layer, result)
        for tensor in layer.inputs:
            if last_use[tensor] == index and tensor not in keep:
                values.pop(tensor, None)
    return {name: array for name, array in values.items() if name in keep}


def _kernel(network: Network, layer: Layer) -> Kernel:
    if layer.op == ops.OPAQUE:
        raise UnsupportedError(
            f"{layer.name}: operator '{layer.attrs['operator']}' is not supported; its costs can be listed as not "
            "covered, but it cannot be executed; replace it in the model"
        )
    if network.is_quantised and not ops.OPS[layer.op].exact:
        raise UnsupportedError(
            f"{layer.name}: {layer.op} has no exact integer form; end the network before it "
            "(argmax of the logits is the same as of a softmax) or use relu or clip"
        )
    return KERNELS[layer.op]


def _frac(network: Network, tensor: str) -> int:
    fmt = network.tensors[tensor].format
    return fmt.frac if network.is_quantised and fmt is not None else 0


def _parameter(network: Network, name: str, array: Array) -> Value:
    fmt = network.tensors[name].format
    if network.is_quantised and fmt is not None:
        return Value(array.astype(np.int64), fmt.frac)
    return Value(fmt.to_real(array) if fmt is not None else array.astype(np.float64))


def _checked_input(network: Network, x: Array) -> Array:
    tensor = network.tensors[network.inputs[0]]
    if x.shape[1:] != tensor.shape:
        raise NetworkError(
            f"{network.inputs[0]}: got data of shape {x.shape}; expected (N, {', '.join(map(str, tensor.shape))})"
        )
    for name, other in network.tensors.items():
        if other.format is None and other.storage_bits is not None:
            raise UnsupportedError(
                f"{name}: is quantised to {other.storage_bits} bits with a scale that is no power "
                "of two; it can be costed but not executed; retrain with power-of-two scales"
            )
    if not network.is_quantised:
        return _to_grid(tensor, x.astype(np.float64))
    if x.dtype.kind not in "iu":
        raise NetworkError(
            f"{network.inputs[0]}: got {x.dtype} data; expected integers of {tensor.format}; "
            "quantise with the input's format first"
        )
    assert tensor.format is not None
    if x.size and (x.min() < tensor.format.min_int or x.max() > tensor.format.max_int):
        raise NetworkError(f"{network.inputs[0]}: data {x.min()}..{x.max()} leave {tensor.format}")
    return x.astype(np.int64)


def _cast(network: Network, layer: Layer, result: Value) -> Array:
    tensor = network.tensors[layer.output]
    if not network.is_quantised:
        return _to_grid(tensor, result.array / result.divisor if result.divisor != 1 else result.array)
    assert tensor.format is not None
    if result.divisor != 1:
        return tensor.format.cast_ratio(result.array, result.divisor, result.frac)
    return tensor.format.cast(result.array, result.frac)


def _to_grid(tensor: Tensor, reals: Array) -> Array:
    return reals if tensor.format is None else tensor.format.to_real(tensor.format.quantise(reals))
