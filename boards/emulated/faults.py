# SPDX-License-Identifier: Apache-2.0
"""Faults on demand: what boards, cables and bitstreams do when they fail."""

from __future__ import annotations

from collections import deque

#: Name → what happens, to the next transfer or the next access.
KINDS = {
    "hang": "the accelerator takes and gives nothing until the DMA engine is reset",
    "dead": "the same, and a reset of the DMA engine does not help: the bitstream must be loaded again",
    "missing_tlast": "all bytes come, but no TLAST ends the transfer",
    "short_output": "TLAST comes after half of the bytes",
    "bit_flip": "one bit changes on its way to memory",
    "starved": "only half of the input arrives",
    "slave_error": "memory refuses the DMA engine's write",
    "decode_error": "the DMA engine finds no memory where it shall read",
    "wrong_clock": "the clock runs at twice what is set while a bitstream is loaded the next time",
    "lost_connection": "one access to a register is not answered",
}
OF_TRANSFERS = tuple(kind for kind in KINDS if kind not in ("wrong_clock", "lost_connection"))


class Faults:
    """Faults that wait for their occasion, first come first served."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, int]] = deque()

    def inject(self, kind: str, after: int = 0) -> None:
        """Let one fault happen, ``after`` occasions have passed well.

        Raises:
            ValueError: a kind that is none of :data:`KINDS`.
        """
        if kind not in KINDS:
            raise ValueError(f"faults: got {kind!r}; expected one of {', '.join(KINDS)}")
        self._waiting.append((kind, after))

    def take(self, *kinds: str) -> str | None:
        """The first waiting fault, if it is of these kinds; it happens once."""
        if not self._waiting or self._waiting[0][0] not in kinds:
            return None
        kind, after = self._waiting.popleft()
        if after > 0:
            self._waiting.appendleft((kind, after - 1))
            return None
        return kind

    def __len__(self) -> int:
        return len(self._waiting)
