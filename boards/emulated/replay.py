# SPDX-License-Identifier: Apache-2.0
"""What a program said to the board's registers and was answered, and a board that answers it once more at once.

A processor beside a real board has its caches to itself; the simulation of one in the same process empties them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from boards.driver.errors import BoardError

#: "read" or "write", the address, and the value that was read or written.
Access = tuple[str, int, int]


class Bus(Protocol):
    """Registers by their addresses."""

    def read(self, address: int) -> int:
        """A register."""

    def write(self, address: int, value: int) -> None:
        """A register."""


class Recorder:
    """Passes everything on to the board, and keeps it in ``accesses``."""

    def __init__(self, board: Bus) -> None:
        self._board = board
        self.accesses: list[Access] = []

    def read(self, address: int) -> int:
        """A register of the board."""
        value = self._board.read(address)
        self.accesses.append(("read", address, value))
        return value

    def write(self, address: int, value: int) -> None:
        """A register of the board."""
        self._board.write(address, value)
        self.accesses.append(("write", address, value))


class Replay:
    """Answers as the board did, as long as it is asked the same. No memory is touched.

    Raises:
        BoardError: another access than the next one that was recorded.
    """

    def __init__(self, accesses: list[Access]) -> None:
        self._next = iter(accesses)

    def read(self, address: int) -> int:
        """What the board answered."""
        kind, place, value = next(self._next, ("end", 0, 0))
        if kind != "read" or place != address:
            raise BoardError(f"replay: got a read of 0x{address:x}; expected {kind} 0x{place:x}; record again")
        return value

    def write(self, address: int, value: int) -> None:
        """Nothing happens."""
        if (wanted := next(self._next, ("end", 0, 0))) != ("write", address, value):
            kind, place, _ = wanted
            raise BoardError(f"replay: got a write to 0x{address:x}; expected {kind} 0x{place:x}; record again")


@contextmanager
def in_place_of_board(device: Any, bus: Bus) -> Iterator[None]:
    """The registers of an ``EmulatedDevice`` are another's for a while; its memory stays."""
    board = device.board
    device.board = bus
    try:
        yield
    finally:
        device.board = board
