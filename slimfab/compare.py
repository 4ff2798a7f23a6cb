# SPDX-License-Identifier: Apache-2.0
"""One network on several targets: estimates, metric cards, and which target is best at what.

>>> from slimfab.compare import compare
>>> found = compare(network, ["cpu:cortex-a72", "npu:eyeriss", "fpga:pynq-z2"])
>>> [verdict.text() for verdict in found.verdicts]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from hwsim import targets
from hwsim.card import MetricCard, card
from hwsim.errors import InputError
from hwsim.estimate import Estimate
from hwsim.network import Network
from hwsim.sparsity import Pattern
from hwsim.verdict import QUESTIONS, Verdict, verdict


@dataclass(frozen=True)
class Comparison:
    """Estimates and cards in the order of the targets, and one verdict per question."""

    network: Network
    estimates: tuple[Estimate, ...]
    cards: tuple[MetricCard, ...]
    verdicts: tuple[Verdict, ...]


def compare(
    network: Network, names: Sequence[str], batch: int = 1, accuracy: float | None = None, dataset: str | None = None,
    sparsity: Mapping[str, Pattern] | None = None,
) -> Comparison:  # fmt: skip
    """Estimate a network on targets and say which is best.

    Args:
        names: targets, see `hwsim/targets.py`; all are looked up before the first is estimated.
        accuracy: share of right answers on ``dataset`` for the cards, where it is known.
        sparsity: zeros among the weights of some layers; notes say where they save nothing.

    Raises:
        InputError: no target, an unknown one, one named twice, an accuracy that is no share, or a data set alone.
    """
    if not names:
        raise InputError("targets: got none; expected names such as cpu:cortex-a72; see 'slimfab targets'")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise InputError(f"targets: got {', '.join(twice)} twice; expected each once; remove one")
    if accuracy is not None and not 0 <= accuracy <= 1:
        raise InputError(f"accuracy: got {accuracy:g}; expected a share, 0 to 1")
    if dataset is not None and accuracy is None:
        raise InputError(f"dataset: got '{dataset}' without an accuracy; expected both or none; add the accuracy")
    devices = [targets.parse(name).device for name in names]
    found = targets.compare(network, names, batch, sparsity)
    cards = [card(network, device, one, accuracy, dataset) for device, one in zip(devices, found, strict=True)]
    return Comparison(network, tuple(found), tuple(cards), tuple(verdict(found, field) for field in QUESTIONS))


def parse_options(text: str) -> dict[str, Any]:
    """``width=0.5,classes=10`` as options of a builder; values as YAML reads them.

    Raises:
        InputError: a part is not name=value, or a value is not a number, a word or a truth value.
    """
    options: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = part.partition("=")
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError:
            parsed = None
        if not equals or not name.isidentifier() or not isinstance(parsed, bool | int | float | str):
            raise InputError(f"--set: got '{part}'; expected name=value, such as width=0.5")
        options[name] = parsed
    return options
