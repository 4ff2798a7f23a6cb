# SPDX-License-Identifier: Apache-2.0
"""Channel groups of any traced module, of networks that no hardware model knows among them.

torch.export runs the module's own ``forward``; labels travel along (:mod:`prune.labels`), and what they cut becomes the
same :class:`ChannelGroup` as elsewhere, with positions in parameters of the module.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from hwsim.errors import UnsupportedError
from hwsim.importers.torch import quiet
from prune.groups import OTHER_GROUP, ChannelGroup, Member
from prune.label_rules import GETITEM, RULES
from prune.labels import Book, Labels, Touch, compressed, varying

BATCHED = 2  # images traced: a batch of one would be squeezed away


@dataclass(frozen=True, slots=True)
class Traced:
    """What may go from a module: ``groups`` can be cut, ``frozen`` cannot and say why.

    ``selected`` holds the batch norms whose inputs are gathered by index when their own channels go.
    """

    groups: tuple[ChannelGroup, ...]
    frozen: tuple[ChannelGroup, ...]
    selected: tuple[str, ...]


def trace(model: nn.Module, example: Sequence[torch.Tensor], *, select: Sequence[str] = ()) -> Traced:
    """The channel groups of a module.

    Args:
        example: inputs of the module, with a batch of at least two.
        select: batch norms, by module path, that choose among their input's channels by themselves, as in
            pre-activation networks, where Network Slimming gathers them by index.

    Raises:
        UnsupportedError: torch.export cannot follow the module.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with quiet(), torch.no_grad():
            program = torch.export.export(model, tuple(example), strict=False)
    except Exception as error:  # torch.export raises dozens of types; all mean that it cannot follow the module
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnsupportedError(
            f"{type(model).__name__}: torch.export cannot follow it ({reason}); remove branches that depend on data"
        ) from error
    finally:
        for module, mode in modes:
            module.training = mode
    walk = _Walk(program, frozenset(select))
    for node in program.graph.nodes:
        walk.visit(node)
    return _groups(walk.book, tuple(select))


class _Walk:
    """Carries labels from node to node."""

    def __init__(self, program: Any, select: frozenset[str]) -> None:
        signature = program.graph_signature
        self.parameters = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self.book, self.select = Book(), select
        self.values: dict[str, Any] = {}
        self.elements: dict[str, str] = {}  # node -> parameter that is read element by element

    def visit(self, node: Any) -> None:
        if node.op == "placeholder":
            if node.name not in self.parameters:
                self.values[node.name] = self._opaque(node, "network input")
        elif node.op == "output":
            for value in node.all_input_nodes:
                labels = self.labels(value)
                for one in labels if isinstance(labels, list) else [labels]:
                    self.book.freeze(one, "network output")
        elif node.op == "call_function":
            self.values[node.name] = self._call(node)

    def labels(self, node: Any) -> Any:
        """Of an activation, or of a parameter that an operator reads like one, element by element."""
        if node.name not in self.values:
            name = self.parameters.get(node.name)
            if name is None:
                self.values[node.name] = self._opaque(node, "constant")
            else:
                shape = tuple(node.meta["val"].shape)
                labels = self.book.elements.setdefault(name, self.book.fresh(int(np.prod(shape))).reshape(shape))
                self.values[node.name] = labels
                self.elements[node.name] = name
        return self.values[node.name]

    def _call(self, node: Any) -> Any:
        target = "getitem" if node.target is GETITEM else str(node.target).split(".")[1].rstrip("_")
        call = Call(self, node, target)
        if not call.readers and not isinstance(node.meta.get("val"), torch.Tensor | list | tuple):
            return None  # an assertion
        if target in RULES and all(not isinstance(s.meta.get("val"), torch.SymInt) for s in node.all_input_nodes):
            tensors = [s for s in node.all_input_nodes if isinstance(s.meta.get("val"), torch.Tensor | list | tuple)]
            if tensors:
                if any(source.name in self.elements for source in tensors[:1]):
                    self.elements[node.name] = self.elements[tensors[0].name]
                return RULES[target](call)
        for source in node.all_input_nodes:
            if isinstance(source.meta.get("val"), torch.Tensor | list | tuple):
                labels = self.labels(source)
                for one in labels if isinstance(labels, list) else [labels]:
                    call.freeze(one, f"operator '{target}' has no rule")
        return self._opaque(node, f"operator '{target}' has no rule")

    def _opaque(self, node: Any, reason: str) -> Any:
        """One label for everything, which must stay."""
        value = node.meta.get("val")
        values = list(value) if isinstance(value, list | tuple) else [value]
        found = []
        for one in values:
            label = self.book.fresh(1)
            self.book.freeze(label, reason)
            found.append(label.reshape([1] * len(getattr(one, "shape", ()))))
        return found if isinstance(value, list | tuple) else found[0]


class Call:
    """One ATen call as rules see it."""

    def __init__(self, walk: _Walk, node: Any, target: str) -> None:
        self.walk, self.node, self.target, self.book = walk, node, target, walk.book
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        self.layer = stack[-1][0] if stack else ""
        self.readers = bool(node.users)

    @property
    def value(self) -> Any:
        """Example of the result."""
        return self.node.meta["val"]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return tuple(int(extent) for extent in self.value.shape)

    @property
    def selects(self) -> bool:
        """Whether this batch norm chooses channels by itself."""
        return self.layer in self.walk.select

    def arg(self, position: int, default: Any = None, keyword: str | None = None) -> Any:
        """An argument by position or keyword."""
        if position < len(self.node.args):
            return self.node.args[position]
        return self.node.kwargs.get(keyword, default) if keyword else default

    def given(self, position: int) -> bool:
        """Whether an optional parameter is there."""
        return hasattr(self.arg(position), "name")

    def is_tensor(self, position: int) -> bool:
        """Whether an argument is a tensor."""
        argument = self.arg(position)
        return hasattr(argument, "meta") and isinstance(argument.meta.get("val"), torch.Tensor)

    def labels(self, position: int) -> Any:
        """Labels of an argument."""
        return self.walk.labels(self.arg(position))

    def labels_of(self, value: Any) -> Labels:
        """Labels of a value within a list of arguments."""
        return np.asarray(self.walk.labels(value))

    def extents(self, value: Any) -> tuple[int, ...]:
        """Shape of a value."""
        return tuple(int(extent) for extent in value.meta["val"].shape)

    def shape_of(self, position: int) -> tuple[int, ...]:
        """Shape of an argument."""
        return self.extents(self.arg(position))

    def element_wise(self, position: int) -> bool:
        """Whether an argument is a parameter, or moved parts of one."""
        return self.arg(position).name in self.walk.elements

    def freeze(self, labels: Labels, reason: str) -> None:
        """Forbid removal, naming this layer."""
        self.book.freeze(labels, f"{self.layer or 'forward'} {reason}" if self.layer not in reason else reason)

    def frozen(self, reason: str) -> Labels:
        """A new label that must stay."""
        label = self.book.fresh(1)
        self.book.freeze(label, reason)
        return label

    def touch(self, kind: str, role: str, position: int, axis: int, labels: Labels) -> None:
        """Record that a parameter is cut; weights that are computed keep what they read and make."""
        name = self.walk.parameters.get(self.arg(position).name)
        if name is None:
            self.freeze(labels, "has weights that are computed")
        else:
            self.book.touch(kind, self.layer, role, name, axis, labels)


def _groups(book: Book, selected: tuple[str, ...]) -> Traced:
    root = book.roots()
    touches = [*book.touches, *_element_touches(book, root)]
    reasons = book.reasons(root)
    makers: dict[int, Counter[str]] = {}
    for touch in touches:
        if touch.kind == "producer" and touch.role in ("weight", "scale"):
            for label in root[touch.labels].tolist():
                makers.setdefault(label, Counter())[touch.layer] += 1
    keys: dict[Any, int] = {}
    group_of, unit_of = np.full(book.count, -1), np.full(book.count, -1)
    widths: Counter[int] = Counter()
    for label in sorted(makers):
        group = keys.setdefault((tuple(makers[label].items()), reasons.get(label, "")), len(keys))
        group_of[label], unit_of[label] = group, widths[group]
        widths[group] += 1
    members: list[dict[str, list[Member]]] = [{"producer": [], "follower": [], "consumer": []} for _ in keys]
    for touch in touches:
        where = group_of[root[touch.labels]]
        for group in np.unique(where[where >= 0]).tolist():
            index = np.where(where == group, unit_of[root[touch.labels]], OTHER_GROUP)
            member = Member(touch.layer, touch.role, touch.tensor, touch.axis, tuple(index.tolist()))
            if member not in members[group][touch.kind]:
                members[group][touch.kind].append(member)
    names: Counter[str] = Counter()
    made = []
    for number, (layers, reason) in enumerate(keys):
        names[layers[0][0]] += 1
        first = layers[0][0] if names[layers[0][0]] == 1 else f"{layers[0][0]}#{names[layers[0][0]]}"
        parts = (tuple(part) for part in members[number].values())
        made.append(ChannelGroup(first, widths[number], *parts, dict(layers), reason))
    return Traced(tuple(g for g in made if not g.frozen), tuple(g for g in made if g.frozen), selected)


def _element_touches(book: Book, root: Labels) -> list[Touch]:
    """Parameters that were added or multiplied: the axis along which their elements took labels of channels."""
    made = {label for touch in book.touches for label in root[touch.labels].tolist()}
    found = []
    for name, labels in book.elements.items():
        seen = root[labels]
        known = np.isin(seen, list(made))
        if not known.any():
            continue
        axes, path = varying(compressed(seen)), name.rpartition(".")[0]
        if len(axes) == 1:
            line = np.moveaxis(seen, axes[0], 0).reshape(seen.shape[axes[0]], -1)[:, 0]
            found.append(Touch("follower", path, "other", name, axes[0], line))
        else:
            book.freeze(labels, f"{name} is read along several axes")
    return found
