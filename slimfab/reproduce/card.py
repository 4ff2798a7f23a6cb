# SPDX-License-Identifier: Apache-2.0
"""What one run of an experiment found: a record that is written as JSON and that tables are made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hwsim import serial
from hwsim.errors import InputError


@dataclass(frozen=True, slots=True)
class Row:
    """One method or control. Accuracies are fractions of the test images; what was not measured is None.

    Attributes:
        macs, params: of the network as it is after the cut.
        epochs: trained after the common base, fine-tuning included; for networks from scratch, all of them.
        base: before anything was removed; ``soft``: at the end of a training that prepares the cut.
        cut: right after removal; ``recalibrated``: with batch norm's statistics taken anew; ``final``: fine-tuned.
        figures: what only this experiment measures, by name.
    """

    name: str
    control: bool = False
    macs: int | None = None
    params: int | None = None
    epochs: int | None = None
    base: float | None = None
    soft: float | None = None
    cut: float | None = None
    recalibrated: float | None = None
    final: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bar:
    """A claim with its measured value and its bound: ``value relation bound``.

    Raises:
        InputError: the relation is neither "<=" nor ">=".
    """

    claim: str
    value: float
    relation: str
    bound: float

    def __post_init__(self) -> None:
        if self.relation not in ("<=", ">="):
            raise InputError(f"bar '{self.claim}': got relation '{self.relation}'; expected '<=' or '>='")

    @property
    def passed(self) -> bool:
        """Whether the claim held; a value that is not a number passes nothing."""
        return self.value <= self.bound if self.relation == "<=" else self.value >= self.bound


@dataclass(frozen=True, slots=True)
class Card:
    """One seed of one experiment at one scale; the test split is read for it alone."""

    experiment: str
    paper: str
    scale: str
    seed: int
    network: str
    dataset: str
    train_images: int
    test_images: int
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...]
    seconds: float
    device: str = "cpu"
    torch: str = ""

    @property
    def passed(self) -> bool:
        """Whether every claim held on this seed."""
        return all(bar.passed for bar in self.bars)

    @property
    def file_name(self) -> str:
        """Where it is kept within a folder of cards."""
        return f"{self.experiment}-{self.scale}-{self.seed}.json"


def save_card(folder: Path | str, card: Card) -> Path:
    """Write a card as JSON; one that is there already is replaced.

    Raises:
        OutputError: the folder cannot be written.
    """
    path = Path(folder) / card.file_name
    serial.write_json(path, card)
    return path


def load_cards(folder: Path | str) -> tuple[Card, ...]:
    """All cards of a folder, by experiment, scale and seed.

    Raises:
        ModelFileError, InputError: a file is damaged or holds unknown keys.
    """
    cards = [serial.from_json(Card, serial.read_json(path), str(path)) for path in Path(folder).glob("*.json")]
    return tuple(sorted(cards, key=lambda card: (card.experiment, card.scale, card.seed)))
