# SPDX-License-Identifier: Apache-2.0
"""The emulated board: one bus with memory, clocks, DMA engine and design, and its own time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .clocks import FAMILIES, Clocks
from .dma import AxiDma, Widths
from .faults import Faults
from .memory import Memory
from .rtl import Design

DESCRIPTION = "emulation.json"
ACCESS_CYCLES = 10  # nominal, of one access to a register: time passes for whoever polls


class Registers(Protocol):
    """Something on the bus."""

    def read(self, offset: int) -> int:
        """A register."""

    def write(self, offset: int, value: int) -> None:
        """A register."""


@dataclass(frozen=True)
class Emulation:
    """What the machine is made of; ``emulation.json`` beside a bundle's files.

    ``library`` is the compiled design of the emitted ``folder``; ``arch`` is "armv7l" or "aarch64"; ``dma`` and
    ``accelerator`` name cells of the handoff; beats have ``*_data`` bytes in words of ``*_word``; no beat
    takes longer than ``patience_cycles``.
    """

    name: str
    arch: str
    library: str
    folder: str
    in_data: int
    in_word: int
    out_data: int
    out_word: int
    dma: str
    accelerator: str
    patience_cycles: int
    memory_bytes: int = 64 << 20


def load(folder: Path | str) -> Emulation:
    """Read ``emulation.json``."""
    return Emulation(**json.loads((Path(folder) / DESCRIPTION).read_text(encoding="utf-8")))


class Board:
    """A board that is on, with nothing in its programmable logic yet. ``seconds`` is how long it has worked."""

    def __init__(self, emulation: Emulation) -> None:
        self.emulation = emulation
        self.faults = Faults()
        self.memory = Memory(emulation.memory_bytes)
        self.clocks = Clocks(FAMILIES[emulation.arch], self.faults)
        self.dma = AxiDma(
            self.memory,
            Widths(emulation.in_data, emulation.in_word),
            Widths(emulation.out_data, emulation.out_word),
            self.faults,
            self.spend,
            emulation.patience_cycles,
        )
        self.seconds = 0.0
        self._design: Design | None = None
        self._regions: list[tuple[int, int, Registers]] = []

    def now(self) -> float:
        """Seconds that the board has worked."""
        return self.seconds

    @property
    def waiting(self) -> int:
        """Faults that have not happened yet, or not wholly."""
        return len(self.faults) + (self.clocks.wrong > 0)

    def spend(self, cycles: int) -> None:
        """Let cycles of the programmable logic's clock pass."""
        self.seconds += cycles / (self.clocks.mhz * 1e6)

    def program(self, addresses: Mapping[str, tuple[int, int]]) -> None:
        """Load the bitstream: the design is fresh from reset.

        Args:
            addresses: base and size of every cell on the bus, by its name.
        """
        if self._design is not None:
            self._design.free()
        self._design = Design(Path(self.emulation.library), Path(self.emulation.folder))
        self.dma.power_up(self._design)
        parts: dict[str, Registers] = {self.emulation.dma: self.dma, self.emulation.accelerator: self._design}
        self._regions = [(*addresses[name], part) for name, part in parts.items() if name in addresses]

    def read(self, address: int) -> int:
        """One 32-bit register, anywhere.  Raises ConnectionError while the fault lasts."""
        part, offset = self._at(address)
        return part.read(offset)

    def write(self, address: int, value: int) -> None:
        """One 32-bit register, anywhere.  Raises ConnectionError while the fault lasts."""
        part, offset = self._at(address)
        part.write(offset, value)

    def _at(self, address: int) -> tuple[Registers, int]:
        if self.faults.take("lost_connection"):
            raise ConnectionResetError("connection reset by the board")
        self.spend(ACCESS_CYCLES)
        for base, size, part in self._regions:
            if base <= address < base + size:
                return part, address - base
        return self.clocks, address
