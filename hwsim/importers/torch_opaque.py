# SPDX-License-Identifier: Apache-2.0
"""Torch calls that cannot be layers of ours, kept as opaque layers with their shapes, as onnx_opaque.py keeps nodes."""

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from hwsim import ops
from hwsim.errors import UnsupportedError
from hwsim.importers.aten import Draft
from hwsim.importers.products import Shape, torch_macs
from hwsim.network import Layer, Tensor

Parts = dict[str, dict[int, str]]


def keep_opaque(draft: Draft, node: Any, name: str, error: UnsupportedError, batch: int, parts: Parts) -> None:
    """Append opaque layers for a refused call, one for each of its results that something reads.

    The first has the call's products and constants. Calls of weights alone are left out: whoever reads them is opaque.

    Args:
        name: what the layer is called.
        batch: images of the example that the module was traced with.
        parts: tensors of the results of calls that have several, by torch value and position; grows.

    Raises:
        UnsupportedError: the refusal, where a result is no tensor.
    """
    if node.target is operator.getitem and node.args[0].name in parts:
        draft.bind(node.name, parts[node.args[0].name][node.args[1]])
        return
    sources = list(dict.fromkeys(draft.env[source.name] for source in node.all_input_nodes if source.name in draft.env))
    if not sources:
        return
    results = {position: tuple(value.shape) for position, value in _results(node) if hasattr(value, "shape")}
    if not results:
        raise error
    kind = str(node.target).removeprefix("aten.").partition(".")[0]
    whole = torch_macs(kind, [_shapes(argument) for argument in node.args], next(iter(results.values())))
    macs = None if whole is None else whole // batch
    parts[node.name] = {}
    for position, shape in results.items():
        layer = draft.unique(name)
        attrs: dict[str, Any] = {
            "operator": kind,
            "shape": _without_batch(shape, batch),
            "macs": 0 if parts[node.name] else macs,
            "reason": str(error).removeprefix(f"{name}: "),
        }
        params = {} if parts[node.name] else _weights(draft, node, layer)
        draft.tensors[layer] = Tensor(attrs["shape"])
        draft.layers.append(Layer(layer, ops.OPAQUE, tuple(sources), (layer,), attrs, params))
        parts[node.name][position] = layer
    draft.bind(node.name, next(iter(parts[node.name].values())))


def _results(node: Any) -> Iterator[tuple[int, Any]]:
    """The results that somebody reads, with their positions."""
    value = node.meta.get("val")
    if not isinstance(value, tuple | list):
        yield 0, value
        return
    read = {user.args[1] for user in node.users if user.target is operator.getitem}
    yield from ((position, one) for position, one in enumerate(value) if position in read)


def _shapes(argument: Any) -> Any:
    """An argument with every tensor replaced by its full shape."""
    if isinstance(argument, tuple | list):
        return [_shapes(one) for one in argument]
    value: Any = getattr(argument, "meta", {}).get("val")
    return tuple(int(extent) for extent in value.shape) if hasattr(value, "shape") else argument


def _without_batch(shape: Shape, batch: int) -> Shape:
    """The shape of one image, wherever the batch went."""
    for axis, extent in enumerate(shape):
        if extent % batch == 0:
            rest = (*shape[:axis], *((extent // batch,) if axis or extent > batch else ()), *shape[axis + 1 :])
            return tuple(int(extent) for extent in rest) or (1,)
    return tuple(int(extent) for extent in shape) or (1,)


def _weights(draft: Draft, node: Any, layer: str) -> dict[str, str]:
    """All parameters that the call reads as one vector, filed in the draft."""
    arrays = [draft.parameters[source.name][1] for source in node.all_input_nodes if source.name in draft.parameters]
    if not sum(array.size for array in arrays):
        return {}
    name = f"{layer}.constants"
    draft.weights[name] = np.concatenate([array.reshape(-1) for array in arrays])
    draft.tensors[name] = Tensor(draft.weights[name].shape)
    return {"constants": name}
