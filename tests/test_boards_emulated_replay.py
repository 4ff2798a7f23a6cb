# SPDX-License-Identifier: Apache-2.0
"""Recorded accesses to registers answer the same program once more, and no other."""

import pytest

from boards.driver.errors import BoardError
from boards.emulated.replay import Recorder, Replay


class Counting:
    """A board whose only register counts its reads."""

    def __init__(self) -> None:
        self.value = 0

    def read(self, address: int) -> int:
        self.value += 1
        return address + self.value

    def write(self, address: int, value: int) -> None:
        self.value = value


def recorded() -> Replay:
    recorder = Recorder(Counting())
    recorder.write(4, 7)
    assert [recorder.read(8), recorder.read(8)] == [16, 17]
    return Replay(recorder.accesses)


def test_the_same_program_gets_the_same_answers() -> None:
    replay = recorded()
    replay.write(4, 7)
    assert [replay.read(8), replay.read(8)] == [16, 17]
    with pytest.raises(BoardError, match="got a read of 0x8; expected end"):
        replay.read(8)


def test_another_program_is_told_where_it_differs() -> None:
    with pytest.raises(BoardError, match="got a read of 0x8; expected write 0x4; record again"):
        recorded().read(8)
    with pytest.raises(BoardError, match="got a write to 0x4; expected write 0x4"):
        recorded().write(4, 6)
