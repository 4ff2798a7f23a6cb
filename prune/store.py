# SPDX-License-Identifier: Apache-2.0
"""A pruned module on disk: the choice as JSON and the weights as safetensors. Nothing is ever unpickled.

The module itself is not stored. It is built by the caller's own builder at full size, cut by the choice, and filled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn

from hwsim import serial
from hwsim.errors import InputError, ModelFileError, WeightsError
from hwsim.importers.torch import import_torch
from prune.choice import Choice, load_choice, save_choice
from prune.surgery import shrink
from prune.traced import PrunedModule, shrink_traced
from prune.tracer import Traced, trace

CHOICE_FILE = "choice.json"
WEIGHTS_FILE = "weights.safetensors"


def save(folder: Path | str, module: nn.Module, choice: Choice) -> None:
    """Write ``choice.json`` and ``weights.safetensors`` into ``folder``; each completely or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    serial.atomic_write(Path(folder) / WEIGHTS_FILE, safetensors.torch.save(state))
    save_choice(Path(folder) / CHOICE_FILE, choice)


def rebuild(builder: Callable[[], nn.Module], choice: Choice | Path | str, weights: Path | str) -> nn.Module:
    """The saved module again: ``builder()`` at full size, shrunk by the choice, with the saved weights.

    Raises:
        InputError: the builder makes another network than the one that was pruned.
        WeightsError: the weight file belongs to other shapes.
        ModelFileError: a file is missing or damaged.
    """
    if not isinstance(choice, Choice):
        choice = load_choice(choice)
    model = builder()
    network, _ = import_torch(model, choice.example_shape, fold=False)
    if network.hash != choice.network_hash:
        raise InputError(
            f"{network.name}: the builder makes network {network.hash}; the choice was made for {choice.network_hash}; "
            "use the builder and options of the pruned model"
        )
    return _filled(shrink(model, network, choice), weights)


@dataclass(frozen=True, slots=True)
class TracedChoice:
    """What :func:`prune.prune_traced` decided: units per group, norms that choose by index, and the groups' widths."""

    kept: Mapping[str, tuple[int, ...]]
    selected: tuple[str, ...]
    widths: Mapping[str, int]


def save_traced(folder: Path | str, pruned: PrunedModule) -> None:
    """Write ``choice.json`` and ``weights.safetensors`` into ``folder``.

    Raises:
        OutputError: the folder cannot be written.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in pruned.module.state_dict().items()}
    serial.atomic_write(Path(folder) / WEIGHTS_FILE, safetensors.torch.save(state))
    serial.write_json(
        Path(folder) / CHOICE_FILE, TracedChoice(pruned.kept, pruned.traced.selected, widths(pruned.traced))
    )


def rebuild_traced(builder: Callable[[], nn.Module], example: Sequence[torch.Tensor], folder: Path | str) -> nn.Module:
    """What :func:`save_traced` wrote: ``builder()`` at full size, shrunk by the choice, with the saved weights.

    Args:
        example: inputs like those of the pruning.

    Raises:
        InputError: the builder makes a module with other groups.
        WeightsError, ModelFileError: the weights belong to other shapes, or a file is missing or damaged.
    """
    path = Path(folder) / CHOICE_FILE
    choice = serial.from_json(TracedChoice, serial.read_json(path), str(path))
    model = builder()
    traced = trace(model, example, select=choice.selected)
    if widths(traced) != dict(choice.widths):
        odd = sorted(name for name, _ in widths(traced).items() ^ choice.widths.items())
        raise InputError(
            f"{odd[0]}: the builder makes other channels than the choice was made for; use the builder of the "
            "pruned model"
        )
    small = shrink_traced(model, traced, choice.kept)
    return _filled(small, Path(folder) / WEIGHTS_FILE)


def widths(traced: Traced) -> dict[str, int]:
    """Units of every group that may be cut."""
    return {group.name: group.width for group in traced.groups}


def _filled(small: nn.Module, weights: Path | str) -> nn.Module:
    state = _load(weights)
    try:
        small.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise WeightsError(
            f"{weights}: does not fit the choice ({lines[-1]}); load the weights saved with it"
        ) from error
    return small


def _load(path: Path | str) -> dict[str, torch.Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise ModelFileError(
            f"{path}: not a readable safetensors file ({error}); pickles are never loaded; write it with prune.save"
        ) from error
