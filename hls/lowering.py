# SPDX-License-Identifier: Apache-2.0
"""From a golden network to hls4ml layers whose C++ computes the same integers.

No front end of hls4ml is involved: it would have to guess number formats that we know. Every operator has one row
in :data:`LOWERINGS`; what has none, or cannot be made exact, is refused with the layer's name and a remedy
(docs/decisions/002-network-to-hls4ml.md).
"""

from collections.abc import Callable, Mapping

import numpy as np

from hls import clipping, convolution, elementwise, pooling
from hls.graph import MAX_STREAM_COPIES, Array, Draft, Lowered, Placement, image_shape
from hls.legality import default_design
from hls.mappable import check_mappable, with_assumed_formats
from hwsim.design import Design
from hwsim.errors import InputError, UnsupportedError
from hwsim.network import Layer, Network, check_weights

# Values pass the C++ interface as float64, which holds integers of 53 bits.
MAX_PORT_BITS = 53
BACKENDS = ("Vitis", "Vivado")

LOWERINGS: Mapping[str, Callable[[Draft, Layer], None]] = {
    "input": elementwise.lower_input,
    "output": elementwise.lower_cast,
    "requantise": elementwise.lower_cast,
    "flatten": elementwise.lower_cast,
    "relu": elementwise.lower_relu,
    "clip": clipping.lower_clip,
    "add": elementwise.lower_add,
    "concat": elementwise.lower_concat,
    "batch_norm": elementwise.lower_batch_norm,
    "upsample2d": elementwise.lower_upsample2d,
    "pad2d": elementwise.lower_pad2d,
    "dense": convolution.lower_dense,
    "conv2d": convolution.lower_conv2d,
    "max_pool2d": pooling.lower_max_pool2d,
    "avg_pool2d": pooling.lower_avg_pool2d,
    "global_avg_pool": pooling.lower_global_pool,
    "global_max_pool": pooling.lower_global_pool,
}
REMEDIES: Mapping[str, str] = {
    "softmax": "end the network at the logits, whose argmax is the same",
    "sigmoid": "use relu or clip, or end the network before it and compare with a threshold",
    "tanh": "use relu or clip",
    "leaky_relu": "use relu or clip",
}


def lower(network: Network, weights: Mapping[str, Array], design: Design | None = None) -> Lowered:
    """Write a quantised network as hls4ml layers.

    Args:
        weights: integers of the parameter tensors' formats.
        design: io_type, backend and foldings; :func:`hls.legality.default_design` when omitted.

    Raises:
        UnsupportedError: a layer has no exact form in hls4ml; names it, with a remedy.
        NetworkError: the design belongs to another network, or the network has more than one input or output.
        WeightsError: weights are missing, misshapen or leave their format.
    """
    design = design or default_design(network)
    _check(network, weights, design)
    draft = Draft(network, weights, design)
    for layer in network.layers:
        _lower_layer(draft, layer)
    _check_copies(draft)
    result = Lowered(
        network.name,
        tuple(draft.nodes),
        dict(draft.placements),
        draft.placements[network.inputs[0]],
        draft.placements[network.outputs[0]],
        design,
        tuple(f"{name}: {text}" for name, text in draft.notes),
    )
    if result.output.node == result.input.node:
        raise UnsupportedError(f"{network.name}: got a network that computes nothing; expected at least one layer")
    return result


def _lower_layer(draft: Draft, layer: Layer) -> None:
    if layer.op not in LOWERINGS:
        remedy = REMEDIES.get(layer.op, "replace the layer by relu, or end the network before it")
        raise draft.refuse(layer, layer.op, "hls4ml computes it with tables, never exactly", remedy)
    LOWERINGS[layer.op](draft, layer)


def _check(network: Network, weights: Mapping[str, Array], design: Design) -> None:
    check_mappable(network, design, BACKENDS)
    for layer in network.layers:
        for name in (*layer.outputs, *layer.params.values()):
            fmt = network.tensors[name].format
            if fmt is not None and fmt.width > MAX_PORT_BITS:
                raise UnsupportedError(
                    f"{layer.name}: '{name}' has {fmt.width} bits; expected at most {MAX_PORT_BITS}, which a float64 "
                    "carries through the C++ interface; narrow it with a requantise"
                )
    check_weights(network, weights)


def _check_copies(draft: Draft) -> None:
    if not draft.is_stream:
        return
    for node in draft.nodes:
        readers = sum(source == node.name for other in draft.nodes for source in other.inputs)
        if readers > MAX_STREAM_COPIES:
            raise UnsupportedError(
                f"{node.layer}: its stream has {readers} readers; hls4ml copies a stream at most {MAX_STREAM_COPIES} "
                "times; use io_parallel"
            )


def explain(network: Network, io_type: str = "io_stream") -> dict[str, tuple[str, str]]:
    """What :func:`lower` would do with every layer, float or quantised, without stopping at the first refusal.

    A float network is judged at 8 bits, with unsigned inputs.

    Returns:
        Layer name → ("exact" | "rewritten" | "refused", remark).
    """
    network = network if network.is_quantised else with_assumed_formats(network)
    weights = {name: np.zeros(network.tensors[name].shape, dtype=np.int64) for name in network.parameter_names}
    draft = Draft(network, weights, Design(network.hash, "", 100.0, io_type))
    found = {}
    for layer in network.layers:
        known = len(draft.notes)
        try:
            _lower_layer(draft, layer)
        except InputError as error:
            found[layer.name] = ("refused", str(error).removeprefix(f"{layer.name}: "))
            shape = network.tensors[layer.output].shape
            draft.finish_in_order(Placement("", image_shape(shape), draft.format(layer.output), np.arange(0)), layer)
            continue
        notes = "; ".join(text for _, text in draft.notes[known:])
        found[layer.name] = ("rewritten" if notes else "exact", notes)
    return found


def to_hls_order(values: Array, lowered: Lowered, tensor: str) -> Array:
    """(N, *golden shape) → (N, elements) in the order of the tensor's node."""
    flat = np.asarray(values).reshape(len(values), -1)
    return np.ascontiguousarray(flat[:, lowered.placements[tensor].order])


def from_hls_order(values: Array, lowered: Lowered, tensor: str, shape: tuple[int, ...]) -> Array:
    """(N, elements) of the tensor's node → (N, *golden shape)."""
    golden = np.empty_like(values)
    golden[:, lowered.placements[tensor].order] = values
    return golden.reshape(len(values), *shape)
