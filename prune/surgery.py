# SPDX-License-Identifier: Apache-2.0
"""Physical removal of channels from the caller's own ``nn.Module``.

A copy of the module is edited in place of a rebuilt one: its class, its ``forward`` and its parameter names stay, only
parameters get smaller and the sizes that ``Conv2d``, ``Linear`` and batch norm keep as attributes follow. Modules are
found by the parameter names that the importer carried into the network.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hwsim.errors import UnsupportedError
from hwsim.network import Network
from prune.choice import Choice
from prune.cut import check_maskable, removed_positions, silenced_positions
from prune.groups import ChannelGroup, channel_groups

Marks = Mapping[tuple[str, int], npt.NDArray[np.bool_]]  # (parameter, axis) -> which positions go

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
KNOWN = (nn.Conv2d, nn.Linear, *NORMS)


def shrink(model: nn.Module, network: Network, choice: Choice) -> nn.Module:
    """A copy of ``model`` without the channels that ``choice`` drops; ``model`` is left alone.

    Args:
        model: a plain module, on any device.
        network: its import with batch norm kept (``import_torch(model, shape, fold=False)``).

    Raises:
        InputError: the choice does not fit the network.
        UnsupportedError: a parameter to be cut is shared, or is not held by a Conv2d, Linear or batch norm.
    """
    groups = channel_groups(network)
    check_surgery(model, network, groups)
    small = copy.deepcopy(model)
    for path, marks in _by_module(removed_positions(groups, choice)).items():
        _cut_module(small.get_submodule(path), marks)
    return small


def mask(model: nn.Module, network: Network, choice: Choice) -> nn.Module:
    """A copy of ``model`` at full size in which the dropped channels are silent; computes what :func:`shrink` computes.

    Filters, biases, γ and β are zeroed together: behind a zero filter alone, batch norm still emits β - γμ/σ.

    Raises:
        InputError: a dropped channel passes an operator with f(0) != 0, or the choice does not fit the network.
        UnsupportedError: as for :func:`shrink`.
    """
    groups = channel_groups(network)
    check_surgery(model, network, groups)
    check_maskable(network, choice)
    masked = copy.deepcopy(model)
    for path, marks in _by_module(silenced_positions(groups, choice)).items():
        _silence_module(masked.get_submodule(path), marks)
    return masked


def check_surgery(model: nn.Module, network: Network, groups: Sequence[ChannelGroup]) -> None:
    """Refuse, by name, what cannot be cut.

    Raises:
        UnsupportedError: a prunable parameter is shared or not held by a module whose sizes we know.
    """
    uses: dict[str, str] = {}
    for layer in network.layers:
        for tensor in layer.params.values():
            if uses.setdefault(tensor, layer.name) != layer.name:
                uses[tensor] = f"{uses[tensor]}, {layer.name}"
    names = _names_by_parameter(model)
    for tensor in dict.fromkeys(m.tensor for g in groups for m in g.members if m.role):
        if ", " in uses[tensor]:
            raise UnsupportedError(
                f"{tensor}: used by several layers ({uses[tensor]}); channels of shared weights cannot be removed; "
                "give each layer its own module"
            )
        if len(names.get(tensor, ())) > 1:
            raise UnsupportedError(
                f"{tensor}: one parameter held by {len(names[tensor])} modules ({', '.join(names[tensor])}); channels "
                "of shared weights cannot be removed; give each layer its own module"
            )
        _check_holder(model, tensor)


def _names_by_parameter(model: nn.Module) -> dict[str, list[str]]:
    """For every parameter name: one name per module object that holds the same parameter."""
    holders: dict[int, dict[int, str]] = {}  # parameter -> holder -> name
    owner = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for leaf, parameter in module.named_parameters(recurse=False):
            name = f"{path}.{leaf}" if path else leaf
            owner[name] = id(parameter)
            holders.setdefault(id(parameter), {}).setdefault(id(module), name)
    return {name: list(holders[parameter].values()) for name, parameter in owner.items()}


def _check_holder(model: nn.Module, tensor: str) -> None:
    path, _, leaf = tensor.rpartition(".")
    try:
        holder = model.get_submodule(path)
    except AttributeError:
        raise UnsupportedError(
            f"{tensor}: the model has no module '{path}'; pass the model that was imported"
        ) from None
    if not isinstance(holder, KNOWN) or getattr(holder, leaf, None) is None:
        raise UnsupportedError(
            f"{tensor}: held by {type(holder).__name__}; expected torch.nn.Conv2d, Linear, BatchNorm1d or BatchNorm2d; "
            "move it into one of them"
        )
    if leaf not in holder._parameters and leaf not in holder._buffers:
        raise UnsupportedError(
            f"{tensor}: computed by a parametrisation of {type(holder).__name__}; expected a plain parameter; call "
            "torch.nn.utils.parametrize.remove_parametrizations first"
        )


def _by_module(marks: Marks) -> dict[str, Marks]:
    """Marks per module path, with the parameter's own name in place of the full one."""
    found: dict[str, Any] = {}
    for (tensor, axis), mark in marks.items():
        path, _, leaf = tensor.rpartition(".")
        found.setdefault(path, {})[leaf, axis] = mark
    return found


def _cut_module(module: nn.Module, marks: Marks) -> None:
    if isinstance(module, NORMS):
        stays = ~next(iter(marks.values()))  # scale and shift always lose the same channels
        for name in ("weight", "bias", "running_mean", "running_var"):
            _keep(module, name, 0, stays)
        module.num_features = int(stays.sum())
        return
    depthwise = isinstance(module, nn.Conv2d) and module.groups > 1 and module.weight.shape[1] == 1
    for (name, axis), goes in marks.items():
        _keep(module, name, axis, ~goes)
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Conv2d):
        if depthwise:  # as many groups as input channels
            module.groups = len(module.weight) // (module.out_channels // module.groups)
        module.out_channels = module.weight.shape[0]
        module.in_channels = module.weight.shape[1] * module.groups


def _keep(module: nn.Module, name: str, axis: int, stays: npt.NDArray[np.bool_]) -> None:
    old = getattr(module, name)
    if old is None:
        return
    with torch.no_grad():
        new = old.index_select(axis, torch.from_numpy(np.flatnonzero(stays)).to(old.device)).clone()
    setattr(module, name, nn.Parameter(new, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else new)


@torch.no_grad()
def _silence_module(module: nn.Module, marks: Marks) -> None:
    if isinstance(module, NORMS):
        goes = next(iter(marks.values()))
        # Without γ and β the running mean is what a zero input would still show.
        names = ("weight", "bias") if module.affine else ("running_mean",)
        marks = {(name, 0): goes for name in names}
    for (name, axis), goes in marks.items():
        value = getattr(module, name)
        value.index_fill_(axis, torch.from_numpy(np.flatnonzero(goes)).to(value.device), 0.0)
