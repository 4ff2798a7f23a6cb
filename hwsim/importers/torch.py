# SPDX-License-Identifier: Apache-2.0
"""A float ``torch.nn.Module`` as a :class:`Network`, through ``torch.export``.

torch.export runs the user's own ``forward`` with example data, so functional calls, Python control flow and
sub-modules of any kind become one flat list of ATen calls that still know their module path and parameter names
(docs/decisions/001-torch-export.md). Every ATen call has one row in ``aten.py``; what has none is refused by name.
"""

import contextlib
import io
import logging
import operator
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import InputError, UnsupportedError
from hwsim.importers.aten import ALIASES, ATEN, COPIES, REMEDIES, Call, Draft
from hwsim.importers.torch_opaque import keep_opaque
from hwsim.network import Layer, Network, Tensor, Weights, check_weights
from hwsim.passes import fold_batch_norm

if TYPE_CHECKING:
    import torch

_BATCH = 7  # a number nobody writes into a view, so that a view that mixes images is noticed


def import_torch(
    module: "torch.nn.Module", example_shape: Sequence[int], *, fold: bool = True, name: str | None = None
) -> tuple[Network, Weights]:
    """Import a module in evaluation mode.

    Args:
        module: takes one float tensor (N, *example_shape) and returns one tensor (N, …).
        example_shape: input shape without the batch, channels first.
        fold: merge batch norms into the layers before them. Unfolded, a batch norm's scale and shift tensors carry
            the torch names of its weight and bias, and hold the values with the running statistics applied.
        name: name of the network; the module's class by default.

    Returns:
        The float network and its float32 weights, keyed by torch parameter names.

    Raises:
        UnsupportedError: torch.export refuses the module, or a call has no operator of ours; names the call.
        WeightsError: a weight is NaN or infinite.
    """
    title = name or type(module).__name__
    program = _export(module, tuple(example_shape), title)
    draft = Draft(title, _parameters(program))
    for node in program.graph.nodes:
        _translate(draft, node)
    return _finished(draft, fold)


def import_torch_partly(
    module: "torch.nn.Module", example_shape: Sequence[int], *, fold: bool = True, name: str | None = None
) -> tuple[Network, Weights]:
    """Import a module for estimates: as :func:`import_torch`, but calls that it refuses become opaque layers.

    Estimates list them as not covered (:mod:`hwsim.coverage`); a network with such layers can be neither executed nor
    quantised nor built.

    Raises:
        UnsupportedError: torch.export refuses the module, or it has several inputs or outputs.
        WeightsError: a weight is NaN or infinite.
    """
    title = name or type(module).__name__
    program = _export(module, tuple(example_shape), title)
    draft = Draft(title, _parameters(program))
    parts: dict[str, dict[int, str]] = {}
    for node in program.graph.nodes:
        known = len(draft.layers), dict(draft.tensors), dict(draft.weights)
        try:
            _translate(draft, node)
        except UnsupportedError as error:
            if node.op != "call_function":
                raise
            draft.layers, draft.tensors, draft.weights = draft.layers[: known[0]], known[1], known[2]
            keep_opaque(draft, node, _layer_name(draft, node), error, _BATCH, parts)
    return _finished(draft, fold)


def _finished(draft: Draft, fold: bool) -> tuple[Network, Weights]:
    title = draft.title
    network = Network(title, tuple(draft.layers), draft.used_tensors(), ("input",), ("output",))
    weights = {n: draft.weights[n] for n in network.parameter_names}
    check_weights(network, weights)
    return fold_batch_norm(network, weights) if fold else (network, weights)


@dataclass(frozen=True)
class Refusal:
    """A call that cannot be imported: the layer it would have become, the torch operator, and why.

    ``position`` is the number of imported layers before it.
    """

    name: str
    operator: str
    shape: tuple[int, ...]
    reason: str
    position: int


def survey_torch(
    module: "torch.nn.Module", example_shape: Sequence[int]
) -> tuple[tuple[Layer, ...], dict[str, Tensor], tuple[Refusal, ...]]:
    """Everything :func:`import_torch` would say about a module, without stopping at the first refusal.

    Returns:
        The layers that can be imported (batch norms kept), all tensors, and the refused calls in order.

    Raises:
        UnsupportedError: torch.export itself refuses the module.
    """
    title = type(module).__name__
    program = _export(module, tuple(example_shape), title)
    draft = Draft(title, _parameters(program))
    refusals = []
    for node in program.graph.nodes:
        try:
            _translate(draft, node)
        except UnsupportedError as error:
            shape = _stand_in(draft, node)
            if str(node.target) != "<built-in function getitem>":
                operator = str(node.target).removeprefix("aten.").partition(".")[0]
                name = _layer_name(draft, node)
                refusals.append(Refusal(name, operator, shape, str(error), len(draft.layers)))
    return tuple(draft.layers), dict(draft.tensors), tuple(refusals)


def _stand_in(draft: Draft, node: Any) -> tuple[int, ...]:
    """Let later calls read the result of a refused one."""
    value = node.meta.get("val")
    shape = tuple(int(extent) for extent in value.shape[1:]) if hasattr(value, "shape") else ()
    draft.tensors[node.name] = Tensor(shape)
    draft.bind(node.name, node.name)
    return shape


def _export(module: "torch.nn.Module", shape: tuple[int, ...], title: str) -> Any:
    import torch

    if not shape or any(not isinstance(extent, int) or extent < 1 for extent in shape):
        raise InputError(f"{title}: input shape {shape}; expected positive whole numbers such as (1, 28, 28)")
    was_training = {part: part.training for part in module.modules()}
    module.eval()
    first = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))
    example = torch.zeros(_BATCH, *shape, dtype=first.dtype, device=first.device)
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(module, (example,), strict=False)
    except Exception as error:  # torch.export raises dozens of types; all mean that it cannot follow the module
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnsupportedError(
            f"{title}: torch.export cannot follow it with input {(_BATCH, *shape)} ({reason}); check the input shape "
            "and remove branches that depend on data"
        ) from error
    finally:
        for part, flag in was_training.items():  # each by itself: a user may have frozen some
            part.training = flag


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Torch warns, logs and prints whole graphs when it refuses a module; the caller gets one line instead."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _parameters(program: Any) -> dict[str, tuple[str, np.ndarray]]:
    """Placeholder name → (torch name, array) of all parameters, buffers and constants."""
    signature = program.graph_signature
    found = {}
    tables = (
        (signature.inputs_to_parameters, program.state_dict),
        (signature.inputs_to_buffers, {**program.constants, **program.state_dict}),
        (signature.inputs_to_lifted_tensor_constants, program.constants),
    )
    for placeholders, values in tables:
        for placeholder, torch_name in placeholders.items():
            array = values[torch_name].detach().cpu().float().numpy()
            found[placeholder] = (torch_name, array.copy())  # the module may be trained on
    return found


def _translate(draft: Draft, node: Any) -> None:
    if node.op == "placeholder":
        if node.name not in draft.parameters:
            _add_input(draft, node)
    elif node.op == "output":
        _add_output(draft, node)
    elif node.op == "call_function":
        _call(draft, node)


def _add_input(draft: Draft, node: Any) -> None:
    if draft.layers:
        raise UnsupportedError(f"{draft.title}: takes a second input '{node.name}'; expected one; split the network")
    draft.tensors["input"] = Tensor(tuple(node.meta["val"].shape[1:]))
    draft.layers.append(Layer("input", "input", (), ("input",)))
    draft.bind(node.name, "input")


def _add_output(draft: Draft, node: Any) -> None:
    results = node.args[0]
    if len(results) != 1 or getattr(results[0], "name", None) not in draft.env:
        raise UnsupportedError(
            f"{draft.title}: returns {len(results)} values; expected one tensor computed from the input"
        )
    source = draft.env[results[0].name]
    draft.tensors["output"] = Tensor(draft.tensors[source].shape)
    draft.layers.append(Layer("output", "output", (source,), ("output",)))


def _call(draft: Draft, node: Any) -> None:
    target = str(node.target)
    in_place = target.split(".")[1].endswith("_") if target.startswith("aten.") else False
    key = target.replace("_.", ".", 1) if in_place else target
    if not node.users and not in_place:
        return  # an assertion, or a result that nobody reads
    call = Call(draft, node, _layer_name(draft, node))
    if key in ALIASES or key in COPIES or _is_first_result(node):
        draft.bind(node.name, call.tensor(0), None if key in COPIES else node.args[0].name)
        return
    if not node.all_input_nodes:
        return  # a constant, such as an LSTM's first state: whoever reads it decides
    if not any(source.name in draft.env for source in node.all_input_nodes):
        raise call.refuse(f"{target} of weights or constants alone", "compute it once and store it as a parameter")
    if key not in ATEN:
        operator = key.split(".")[1] if "." in key else key
        remedy = REMEDIES.get(operator, "replace it in the model, or end the network before it")
        raise UnsupportedError(f"{call.name}: torch operator '{operator}' is not supported; {remedy}")
    value = call.value
    if value.dim() < 2 or value.shape[0] != _BATCH:
        raise UnsupportedError(
            f"{call.name}: {target} gives shape {tuple(value.shape)} for a batch of {_BATCH}; it mixes images; keep "
            "the batch as the first axis"
        )
    result = ATEN[key](call)
    # What returns its argument is a view of it; a concatenation, which takes a list, always copies.
    is_view = in_place or (result in draft.env.values() and hasattr(node.args[0], "name"))
    if in_place:
        _write_in_place(draft, call, result)
    draft.bind(node.name, result, node.args[0].name if is_view else None)


def _is_first_result(node: Any) -> bool:
    """Whether a call takes the values, not the indices, of a max pool that returns both."""
    return node.target is operator.getitem and str(node.args[0].target) in ATEN and node.args[1] == 0


def _write_in_place(draft: Draft, call: Call, result: str) -> None:
    """Later readers of the argument see the result, as they do in torch; views of it are refused."""
    old = call.tensor(0)
    producer = next((layer for layer in draft.layers if old in layer.outputs), None)
    aliased = producer is not None and producer.op == "flatten"
    aliased |= any(layer.op == "flatten" and old in layer.inputs for layer in draft.layers)
    if aliased:
        raise UnsupportedError(f"{call.name}: writes in place into a tensor that was reshaped; use inplace=False")
    written = draft.memory[call.node.args[0].name]
    for value, memory in draft.memory.items():
        if memory == written:
            draft.env[value] = result


def _layer_name(draft: Draft, node: Any) -> str:
    """The module's path where a torch.nn module made the call, else path and operation; unique."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, cls = stack[-1] if stack else ("", "")
    cls = cls if isinstance(cls, str) else f"{cls.__module__}.{cls.__qualname__}"
    operation = str(node.target).split(".")[1].strip("_") if "." in str(node.target) else node.name
    leaf = cls.startswith("torch.nn.modules.") and not cls.endswith(("Sequential", "ModuleList"))
    base = path if leaf and path else ".".join(part for part in (path, operation) if part)
    return draft.unique(base)
