# SPDX-License-Identifier: Apache-2.0
"""Import ONNX and QONNX files.

onnx_file       protobuf -> plain records, damaged and foreign files refused
onnx_fold       constant subgraphs -> arrays
onnx_lowering   names -> constants, views of activations, layers
onnx_views, onnx_elementwise, onnx_layers, onnx_pools, onnx_resample, onnx_quant    one handler per operator
onnx_opaque     what is refused -> opaque layers, of the shapes that onnx_shapes finds
settle          quantisers -> the format of every tensor
levels          quantisers of any scale -> layers that say what they do
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from hwsim.errors import ModelFileError, SlimfabError, UnsupportedError
from hwsim.exact import Exact
from hwsim.fixed import FixedPoint
from hwsim.importers import onnx_elementwise, onnx_layers, onnx_pools, onnx_quant, onnx_resample, onnx_views, qonnx
from hwsim.importers.levels import spell_out
from hwsim.importers.onnx_file import Graph, Node, read_graph
from hwsim.importers.onnx_fold import fold
from hwsim.importers.onnx_lowering import Lowering
from hwsim.importers.onnx_opaque import keep_opaque
from hwsim.importers.onnx_shapes import stated_shapes
from hwsim.importers.onnx_values import Value
from hwsim.importers.onnx_views import Handler
from hwsim.importers.settle import settle_formats
from hwsim.integerise import integerise
from hwsim.network import Layer, Network, Tensor, Weights
from hwsim.passes import fold_batch_norm
from hwsim.tabulate import tabulate

_STANDARD: Mapping[str, Handler] = {
    **onnx_views.HANDLERS,
    **onnx_elementwise.HANDLERS,
    **onnx_layers.HANDLERS,
    **onnx_pools.HANDLERS,
    **onnx_resample.HANDLERS,
    **onnx_quant.HANDLERS,
}
_QDQ = "export with QuantizeLinear and DequantizeLinear pairs around float operators (QDQ form)"
_STATIC = "trace the model with example inputs, or simplify the file with onnxsim"
_RECURRENT = "recurrent layers are not mapped; use convolutions or dense layers"
_NORM = "use batch norm, which folds away"
_REMEDIES: Mapping[str, str] = {
    "If": f"control flow is not mapped; {_STATIC}",
    "Loop": f"control flow is not mapped; {_STATIC}",
    "Scan": f"control flow is not mapped; {_STATIC}",
    "ConvTranspose": "use nearest upsampling and a convolution",
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "RNN": _RECURRENT,
    "LayerNormalization": _NORM,
    "InstanceNormalization": _NORM,
    "GroupNormalization": _NORM,
    "LRN": _NORM,
    "Elu": "use relu",
    "Selu": "use relu",
    "Softplus": "use relu",
    "Mish": "use relu or hard swish",
    "Erf": "use relu or hard swish instead of GELU",
    "Gelu": "use relu or hard swish",
    "QLinearConv": _QDQ,
    "QLinearMatMul": _QDQ,
    "ConvInteger": _QDQ,
    "MatMulInteger": _QDQ,
    "DynamicQuantizeLinear": f"scales computed at run time are not mapped; {_QDQ}",
    "FloatQuant": "use integer quantisers (Quant)",
}


def import_onnx(
    path: Path | str, *, input_format: FixedPoint | None = None, fold: bool = True
) -> tuple[Network, Weights]:
    """Read an ONNX or QONNX file.

    Shapes become channels first without the batch; a channels-last model (Transpose at its entry, before Flatten or
    at its exit) takes and gives channels-first data, and the weights of a dense layer behind a channels-last flatten
    are permuted accordingly. Activation tensors keep their ONNX names. A layer is named after its initialisers where
    these are called ``<layer>.weight``, else after its node; its parameters are ``<layer>.weight``, ``.bias``,
    ``.scale`` and ``.shift``. ArgMax and TopK at the very end are left to the host (with a logged warning).

    Quantisers whose scale is one power of two and whose zero point is 0 become fixed point. Weights are then
    integers, and where every quantiser is of that kind the network is integer throughout and equals QONNX execution
    bit for bit. Tensors behind other quantisers keep their width for cost queries and cannot be executed.

    Args:
        input_format: format of inputs that the file itself does not quantise.
        fold: merge batch norms into the layers before them, in networks without quantisers.

    Raises:
        ToolMissing: the ``onnx`` package is not installed.
        ModelFileError: the file is missing, damaged or not ONNX.
        UnsupportedError: an operator or one of its modes is not supported, or dimensions are symbolic; names the node.
        WeightsError: a weight is NaN or infinite.
        FormatError: an exact accumulator needs more than 63 bits.
    """
    return _settled(lower(read_graph(path)), Path(path).stem, input_format, fold)


def import_partly(
    path: Path | str, *, input_format: FixedPoint | None = None, fold: bool = True
) -> tuple[Network, Weights]:
    """Read an ONNX or QONNX file for estimates: as :func:`import_onnx`, but what that refuses becomes opaque.

    Every node that has no layer of ours is kept as an ``opaque`` layer with its shapes, which estimates list as not
    covered (:mod:`hwsim.coverage`). A network with such layers can be neither executed nor quantised nor built.

    Raises:
        UnsupportedError: as :func:`import_onnx`, where the shapes around a refused node are not known.
        FormatError, ModelFileError, ToolMissing, WeightsError: as :func:`import_onnx`.
    """
    otherwise = partial(keep_opaque, stated=stated_shapes(path))
    return _settled(lower(read_graph(path), otherwise), Path(path).stem, input_format, fold)


def _settled(low: Lowering, name: str, input_format: FixedPoint | None, fold: bool) -> tuple[Network, Weights]:
    network, weights = _network(low, name, input_format)
    if fold and all(tensor.format is None and tensor.storage_bits is None for tensor in network.tensors.values()):
        return fold_batch_norm(network, weights)
    return settle_formats(network, weights)


def import_exact(path: Path | str, *, input_format: FixedPoint | None = None) -> Exact:
    """Read a quantised ONNX or QONNX file as an integer network, whatever its scales.

    As :func:`import_onnx`, but quantisers of any scale and zero point, bipolar values and thresholds are exact
    (:func:`hwsim.integerise.integerise`), and activations of few bits become tables (:mod:`hwsim.tabulate`). What
    stands behind the last integers (a softmax, a last scale) is left to the host; so is the input's quantiser where
    ``input_format`` is not given and the file does not say the format.

    Args:
        input_format: format of the inputs' codes, such as ``ap_ufixed<8,0>`` for images in [0, 1).

    Raises:
        UnsupportedError: as :func:`import_onnx`, or a part of the network has no integer form; names the layer.
        FormatError, ModelFileError, ToolMissing, WeightsError: as :func:`import_onnx`.
    """
    low = lower(read_graph(path))
    network, weights = _network(low, Path(path).stem, input_format)
    network, weights = settle_formats(*spell_out(network, weights, low.quantisers))
    return integerise(*tabulate(network, weights))


def _network(low: Lowering, name: str, input_format: FixedPoint | None) -> tuple[Network, Weights]:
    inputs = tuple(low.graph.inputs)
    if input_format is not None:
        low.tensors |= {name: replace(low.tensors[name], format=input_format) for name in inputs}
    outputs = tuple(dict.fromkeys(_output(low, name) for name in low.graph.outputs))
    network = Network(name, tuple(low.layers.values()), low.tensors, inputs, outputs)
    return network, {name: low.weights[name] for name in network.parameter_names}


def lower(graph: Graph, otherwise: Callable[[Lowering, Node, UnsupportedError], None] | None = None) -> Lowering:
    """Turn a graph's nodes into layers, those that no output needs left out.

    Args:
        otherwise: what to do with a node that is refused; by default the refusal is raised.
    """
    low = Lowering(_needed(graph))
    for name, shape in low.graph.inputs.items():
        if not low.uses[name]:
            raise UnsupportedError(
                f"{name}: this input is read by no node that an output needs; expected every input to be "
                "used; remove it from the model"
            )
        if len(shape) < 2:
            raise UnsupportedError(
                f"{name}: input has shape {shape}; expected the batch first, then (F,) or (C, H, W); "
                "re-export with a batch dimension"
            )
        low.layers[name] = Layer(name, "input", (), (name,))
        low.tensors[name] = Tensor(shape[1:])
        low.values[name] = Value(name, shape[1:])
    for node in low.graph.nodes:
        state = low.saved() if otherwise is not None else {}
        try:
            _lower_node(low, node)
        except UnsupportedError as error:
            if otherwise is None:
                raise
            low.restore(state)
            otherwise(low, node, error)
        except SlimfabError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # Nothing checked the node against its operator's specification; what it breaks there ends here.
            raise ModelFileError(
                f"{node.name}: {node.op} is malformed ({type(error).__name__}: {str(error)[:100]}); expected a node "
                "that onnx.checker accepts; export the model again"
            ) from error
    return low


def _needed(graph: Graph) -> Graph:
    """The graph without nodes that contribute to no output."""
    wanted, kept = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    return replace(graph, nodes=tuple(reversed(kept)))


def _lower_node(low: Lowering, node: Node) -> None:
    if all(name in low.constants for name in node.inputs if name):
        given = [low.constants.get(name) for name in node.inputs]
        low.constants.update(zip(node.outputs, fold(node, given, low.graph.opset), strict=False))
        return
    if node.domain == qonnx.CHANNELS_LAST:
        _lower_channels_last(low, node)
        return
    _handler(node)(low, node)


def _handler(node: Node) -> Handler:
    table = {"": _STANDARD}.get(node.domain, onnx_quant.CUSTOM_HANDLERS if node.domain in qonnx.DOMAINS else {})
    if node.op not in table:
        operator = f"{node.domain}.{node.op}" if node.domain else node.op
        remedy = _REMEDIES.get(node.op, "replace it in the model, or end the network before it")
        raise UnsupportedError(f"{node.name}: operator '{operator}' is not supported; {remedy}")
    return table[node.op]


def _lower_channels_last(low: Lowering, node: Node) -> None:
    """The operators of qonnx's channels-last domain are the standard ones between two transpositions."""
    value = low.value(node)
    source, weight = f"{node.name}.channels_first", f"{node.name}.weight"
    low.values[source] = value.transposed((len(value.shape) - 1, *range(len(value.shape) - 1)))
    low.uses[source] = 1
    inputs = [source, *node.inputs[1:]]
    if node.op == "Conv":  # (K, FY, FX, C) in this domain
        low.constants[weight] = low.constant(node, 1, "weight").moved(lambda array: np.moveaxis(array, -1, 1))
        inputs[1] = weight
    _lower_node(low, replace(node, domain="", inputs=tuple(inputs)))
    result = low.values[node.outputs[0]]
    low.values[node.outputs[0]] = result.transposed((*range(1, len(result.shape)), 0))


def _output(low: Lowering, name: str) -> str:
    """The tensor behind a graph output; a trailing Transpose to channels last is undone, one-sized axes are ignored."""
    if name not in low.values:
        state = "is a constant" if name in low.constants else "is written by no node"
        raise ModelFileError(
            f"{name}: this output {state}; expected an activation; the file is truncated or corrupt, export it again"
        )
    value = low.values[name]
    shape = low.shape(value)
    views = [value, value.transposed((2, 0, 1))] if len(value.shape) == 3 else [value]
    squeezed = [extent for extent in shape if extent != 1]
    if not any(v.order is None and [extent for extent in v.shape if extent != 1] == squeezed for v in views):
        raise UnsupportedError(
            f"{name}: the network ends in a Reshape or Transpose from {shape} to {value.shape}; expected "
            "(F,) or (C, H, W); cut the model before it"
        )
    return value.tensor
