# SPDX-License-Identifier: Apache-2.0
"""What was decided: which units of which group stay, and how that came about.

A choice and a weight file are the whole saved result: the module is rebuilt from the caller's own builder, never
unpickled.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hwsim import serial
from hwsim.errors import InputError
from hwsim.registry import suggest
from prune.groups import ChannelGroup


@dataclass(frozen=True, slots=True)
class Choice:
    """The units that stay, per group; groups that are not named stay whole.

    ``network_hash`` is :attr:`hwsim.network.Network.hash` of the unpruned network with batch norm kept, and
    ``example_shape`` the input shape it was traced with. ``budget`` holds what was asked for, per cost field.
    """

    network_hash: str
    example_shape: tuple[int, ...]
    kept: Mapping[str, tuple[int, ...]]
    criterion: str = ""
    allocator: str = ""
    schedule: str = ""
    budget: Mapping[str, float | str] = field(default_factory=dict)
    align: int = 1
    seed: int = 0


def save_choice(path: Path | str, choice: Choice) -> None:
    """Write a choice as JSON."""
    serial.write_json(path, choice)


def load_choice(path: Path | str) -> Choice:
    """Read what :func:`save_choice` wrote.

    Raises:
        ModelFileError, InputError: the file is missing, damaged, or holds unknown keys.
    """
    return serial.from_json(Choice, serial.read_json(path), str(path))


def check_choice(groups: Sequence[ChannelGroup], choice: Choice) -> None:
    """Check that every named group exists and keeps a non-empty, ascending set of its units.

    Raises:
        InputError: naming the group.
    """
    by_name = {group.name: group for group in groups}
    for name, kept in choice.kept.items():
        if name not in by_name:
            raise InputError(f"choice: unknown or unprunable channel group '{name}'; {suggest(name, by_name)}")
        width = by_name[name].width
        if not kept:
            raise InputError(f"{name}: the choice keeps none of {width} channels; expected at least 1")
        if list(kept) != sorted(set(kept)) or kept[0] < 0 or kept[-1] >= width:
            raise InputError(f"{name}: kept={list(kept)[:8]}; expected ascending channel numbers below {width}")


def compose(first: Choice, second: Choice) -> Choice:
    """The choice that does ``first`` and then ``second``, which was made on the result of ``first``."""
    kept = dict(first.kept)
    for name, units in second.kept.items():
        kept[name] = tuple(first.kept[name][unit] for unit in units) if name in first.kept else units
    return replace(second, network_hash=first.network_hash, kept=kept)


def widths(groups: Iterable[ChannelGroup], counts: Mapping[str, int]) -> dict[str, int]:
    """Output channels per layer, for :meth:`Network.with_widths`, when group g keeps ``counts[g]`` of its units.

    A layer may feed several groups (where an add meets a concat); groups that are not named stay whole.
    """
    lost: Counter[str] = Counter()
    whole: dict[str, int] = {}
    for group in groups:
        for member in group.producers:
            whole[member.layer] = len(member.index)
        for layer, channels in group.multiplicity.items():
            lost[layer] += channels * (group.width - counts.get(group.name, group.width))
    return {layer: whole[layer] - lost[layer] for layer in whole if lost[layer]}
