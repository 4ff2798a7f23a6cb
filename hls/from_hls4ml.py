# SPDX-License-Identifier: Apache-2.0
"""A golden network from an hls4ml ModelGraph, with the meaning of hls4ml's C simulation kept to the last bit.

    from_hls4ml_types.py        number types and weights
    from_hls4ml_draft.py        the network while it is made; where every element of a tensor went
    from_hls4ml_matrix.py       dense, convolutions: what the accumulator does
    from_hls4ml_pointwise.py    batch normalisation; activations of lines and steps
    from_hls4ml_activations.py  all activations by name; those made of tables
    from_hls4ml_tables.py       hls4ml's tables, entry by entry
    from_hls4ml_pool.py         pooling
    from_hls4ml_shape.py        reshapes, transposes, additions, concatenations, padding, resizing
    from_hls4ml_quantiser.py    HGQ's quantisers
    from_hls4ml_folding.py      reuse factors as PE and SIMD

Reading the graph takes the numbers that hls4ml settled on; it guesses none. Where hls4ml's io_parallel and io_stream
code differ, the meaning is that of io_parallel. A layer whose C++ rounds in a way that no
sequence of exact layers with one cast each can follow is refused with its name, its types and a remedy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hls import from_hls4ml_matrix, from_hls4ml_pool, from_hls4ml_shape
from hls.from_hls4ml_activations import activation, softmax, unary_lut
from hls.from_hls4ml_draft import Draft
from hls.from_hls4ml_folding import foldings
from hls.from_hls4ml_pointwise import batch_norm, quantised_tanh
from hls.from_hls4ml_quantiser import quantiser
from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint, IntArray
from hwsim.network import Network, Weights

Array = npt.NDArray[Any]

BACKEND = "Slimfab"


@dataclass(frozen=True, eq=False)
class Place:
    """Where an hls4ml tensor is: its flattened element i is element ``order[i]`` of the flattened golden ``tensor``.

    ``shape`` is hls4ml's, without the batch.
    """

    tensor: str
    shape: tuple[int, ...]
    format: FixedPoint
    order: IntArray

    def reals(self, ints: Array) -> Array:
        """(N, *golden shape) integers of the tensor → (N, size) float64, flat as hls4ml gives them."""
        return self.format.to_real(ints.reshape(len(ints), -1)[:, self.order])


@dataclass(frozen=True, eq=False)
class Imported:
    """A ModelGraph as a golden network with integer weights, the folding of its layers, and every tensor's place.

    ``places`` are by the name of hls4ml's layer; ``input`` and ``output`` are those at both ends.
    """

    network: Network
    weights: Weights
    folding: Mapping[str, Folding]
    places: Mapping[str, Place]
    input: Place
    output: Place

    def enter(self, reals: Array) -> IntArray:
        """(N, *shape) real numbers as hls4ml takes them → (N, *golden shape) integers of the input's format."""
        ints = self.input.format.quantise(reals.reshape(-1, len(self.input.order)))
        golden = np.empty_like(ints)
        golden[:, self.input.order] = ints
        return golden.reshape(len(ints), *self.network.tensors[self.network.inputs[0]].shape)


def from_model_graph(model: Any) -> Imported:
    """Read a ModelGraph that was converted with ``backend='Slimfab'``.

    Raises:
        UnsupportedError: a layer or type without an exact form, several inputs or outputs, or another back end's
            graph, whose passes move weights about.
    """
    name = model.config.get_project_name()
    if model.config.backend.name != BACKEND:
        raise UnsupportedError(
            f"{name}: got a graph for {model.config.backend.name}; expected one for {BACKEND}; convert with "
            f"backend='{BACKEND}'"
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UnsupportedError(
            f"{name}: got {len(model.inputs)} inputs and {len(model.outputs)} outputs; expected one of each; split the "
            "model"
        )
    draft = Draft(name)
    nodes = list(model.get_layers())
    for node in nodes:
        if node.class_name not in LOWERINGS:
            raise draft.refuse(
                node, f"a layer of kind {node.class_name}", f"one of {', '.join(LOWERINGS)}",
                "replace it, or use hls4ml's Vitis backend",
            )  # fmt: skip
        LOWERINGS[node.class_name](draft, node)
    if draft.views[model.outputs[0]].binary:
        raise UnsupportedError(
            f"{model.outputs[0]}: got a binary output (ap_uint<1> for -1 and 1); expected numbers; end the model "
            "before it"
        )
    places = {
        name: Place(view.tensor, view.shape, draft.format(view.tensor), view.order)
        for name, view in draft.views.items()
    }
    entry, result = places[model.inputs[0]], places[model.outputs[0]]
    network = Network(name, tuple(draft.layers), draft.tensors, (entry.tensor,), (result.tensor,))
    return Imported(network, draft.weights, foldings(network, nodes), places, entry, result)


LOWERINGS: Mapping[str, Callable[[Draft, Any], None]] = {
    **from_hls4ml_shape.LOWERINGS,
    **from_hls4ml_matrix.LOWERINGS,
    **from_hls4ml_pool.LOWERINGS,
    "BatchNormalization": batch_norm,
    "ApplyAlpha": batch_norm,
    "BatchNormalizationQuantizedTanh": quantised_tanh,
    "Activation": activation,
    "ParametrizedActivation": activation,
    "HardActivation": activation,
    "PReLU": activation,
    "TernaryTanh": activation,
    "Softmax": softmax,
    "UnaryLUT": unary_lut,
    "FixedPointQuantizer": quantiser,
}
