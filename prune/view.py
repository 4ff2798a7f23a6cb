# SPDX-License-Identifier: Apache-2.0
"""A module as one pruning step sees it: its network, its groups, its weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from hwsim.errors import UnsupportedError
from hwsim.importers.torch import import_torch
from hwsim.network import Network, Weights
from hwsim.passes import fold_batch_norm
from prune.budget import Counts
from prune.choice import Choice
from prune.criteria import Context
from prune.cut import shrink_network
from prune.groups import ChannelGroup, channel_groups, find_group
from prune.surgery import NORMS, check_surgery, shrink


@dataclass(frozen=True, slots=True)
class View:
    """``network`` keeps batch norm; ``groups`` are those that may lose channels."""

    model: nn.Module
    network: Network
    weights: Weights
    groups: tuple[ChannelGroup, ...]
    context: Context

    def deployed(self, bits: int | None) -> Network:
        """The network to be costed: batch norm folded, at the asked number of bits."""
        folded, _ = fold_batch_norm(self.network, self.weights)
        return folded if bits is None else folded.with_bits(bits)

    @property
    def shape(self) -> tuple[int, ...]:
        """Input shape without the batch."""
        return self.network.tensors[self.network.inputs[0]].shape

    def cut(self, kept: Mapping[str, tuple[int, ...]], model: nn.Module) -> tuple["View", Choice]:
        """The view of ``model``, which has this view's shapes, without the units that are not kept; and the choice.

        Groups and weights of the result are those before the cut; :func:`look_again` takes them anew.

        Raises:
            UnsupportedError: the smaller module cannot be run.
        """
        choice = Choice(self.network.hash, self.shape, dict(kept))
        small = shrink(model, self.network, choice)
        network = shrink_network(self.network, choice)
        try_forward(small, network)
        return replace(self, model=small, network=network), choice


def look(model: nn.Module, shape: tuple[int, ...], skip: Sequence[str] = (), *, streams: bool = True) -> View:
    """Import a module and find its groups.

    Args:
        skip: layers whose channels stay, with all that are coupled to them.
        streams: whether channels that several layers make together, as those of a residual stream, may go.
    """
    network, weights = import_torch(model, shape, fold=False)
    groups = channel_groups(network)
    kept_whole = {find_group(groups, name).name for name in skip}
    chosen = tuple(g for g in groups if g.name not in kept_whole and (streams or len(g.layers) == 1))
    return _view(model, network, weights, chosen)


def look_again(model: nn.Module, first: View, counts: Counts) -> View:
    """The view of the module that ``first`` became when its groups were cut to ``counts``.

    Raises:
        UnsupportedError: channels are coupled otherwise than before.
    """
    network, weights = import_torch(model, first.shape, fold=False)
    named = {group.name: group for group in channel_groups(network)}
    expected = {group.name: (group.layers, counts[group.name]) for group in first.groups}
    found = {name: (named[name].layers, named[name].width) for name in expected if name in named}
    if found != expected:
        odd = next(name for name, group in expected.items() if found.get(name) != group)
        raise UnsupportedError(
            f"{odd}: its channels are coupled otherwise after the first step; use schedule one_shot or skip it"
        )
    return _view(model, network, weights, tuple(named[group.name] for group in first.groups))


def _view(model: nn.Module, network: Network, weights: Weights, groups: tuple[ChannelGroup, ...]) -> View:
    check_surgery(model, network, groups)
    return View(model, network, weights, groups, Context(weights, _gammas(model, network)))


def _gammas(model: nn.Module, network: Network) -> dict[str, np.ndarray]:
    gammas = {}
    for layer in network.layers:
        if layer.op == "batch_norm":
            norm = model.get_submodule(layer.params["scale"].rpartition(".")[0])
            if isinstance(norm, NORMS) and norm.affine:
                gammas[layer.params["scale"]] = norm.weight.detach().cpu().float().numpy()
    return gammas


@torch.no_grad()
def try_forward(model: nn.Module, network: Network) -> None:
    """Run two images through the small module: a ``forward`` that counts on the old widths is found here."""
    modes = {module: module.training for module in model.modules()}
    parameter = next(model.parameters())
    x = torch.zeros(2, *network.tensors[network.inputs[0]].shape, device=parameter.device, dtype=parameter.dtype)
    got: object
    try:
        got = tuple(model.eval()(x).shape)
    except RuntimeError as error:
        got = str(error).splitlines()[0]
    finally:
        for module, mode in modes.items():
            module.training = mode
    expected = (2, *network.tensors[network.outputs[0]].shape)
    if got != expected:
        raise UnsupportedError(
            f"{network.name}: forward of the pruned module gives {got}; expected {expected}; write sizes in forward "
            "as x.flatten(1) or x.shape[1] instead of numbers, or skip the layers before"
        )
