# SPDX-License-Identifier: Apache-2.0
"""Transfers through pynq's AXI DMA driver that end: with all bytes, or in time with the cause.

pynq starts the transfers. Its own ``wait`` polls for ever and ``stop`` may, so waiting and resetting are done here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import BoardStuck, DmaError, DmaTimeout, ShortTransfer
from .registers import DMACR, DMASR, ERROR_MASK, ERRORS, HALTED, IDLE, LENGTH, RECEIVE, RUN, SEND, SOFT_RESET

_MAX_POLLS = 1000  # of a bit that the engine sets within some cycles


class Transfers:
    """Pairs of transfers through one DMA engine, one at a time.

    Args:
        dma: pynq's driver of the engine, a ``pynq.lib.DMA``.
        now: seconds that pass; where the board is emulated, its own.
    """

    def __init__(self, dma: Any, now: Callable[[], float]) -> None:
        self.dma, self._now = dma, now
        self._read = dma.mmio.read
        self.max_bytes: int = dma.buffer_max_size

    def start(self, source: Any, target: Any) -> None:
        """Send one buffer and receive into another, whole; returns at once. The receiver is armed first."""
        self.dma.recvchannel.transfer(target)
        self.dma.sendchannel.transfer(source)

    def wait(self, expected: int, timeout_s: float) -> None:
        """Until all bytes have been received.

        Raises:
            DmaTimeout: they have not within ``timeout_s``; says what the engine was doing.
            DmaError: the engine stopped.
            ShortTransfer: the transfer ended with other than ``expected`` bytes.
        """
        read = self._read
        end = self._now() + timeout_s
        while True:
            received = read(RECEIVE + DMASR)
            if received & (IDLE | ERROR_MASK):
                break
            sent = read(SEND + DMASR)
            if sent & ERROR_MASK:
                raise DmaError(f"dma: send stopped: {decoded(sent)}; expected idle; run again")
            if self._now() > end:
                raise DmaTimeout(
                    f"dma: nothing more came within {timeout_s:.3g} s: send {decoded(sent)}, "
                    f"receive {decoded(received)}; expected {expected} bytes"
                )
        if received & ERROR_MASK:
            raise DmaError(f"dma: receive stopped: {decoded(received)}; expected idle; run again")
        moved = read(RECEIVE + LENGTH)
        if moved != expected:
            raise ShortTransfer(f"dma: got {moved} bytes; expected {expected}; TLAST came early, run again")

    def reset(self) -> None:
        """Abort both transfers and start anew; memory that was sent or received into may be used again.

        Raises:
            BoardStuck: the engine does not come out of its reset.
        """
        self.dma.mmio.write(SEND + DMACR, SOFT_RESET)  # resets both halves (PG021, "MM2S_DMACR")
        self._until(SEND + DMACR, SOFT_RESET, 0)
        self._until(RECEIVE + DMACR, SOFT_RESET, 0)
        for half, channel in ((SEND, self.dma.sendchannel), (RECEIVE, self.dma.recvchannel)):
            self.dma.mmio.write(half + DMACR, RUN)
            self._until(half + DMASR, HALTED, 0)
            channel.start()

    def _until(self, offset: int, mask: int, value: int) -> None:
        for _ in range(_MAX_POLLS):
            if self._read(offset) & mask == value:
                return
        raise BoardStuck(f"dma: register 0x{offset:02x} is stuck at 0x{self._read(offset):x}; load the bitstream again")


def decoded(status: int) -> str:
    """A DMASR in words."""
    found = [text for bit, text in ERRORS.items() if status & bit]
    found += [word for bit, word in ((HALTED, "halted"), (IDLE, "idle")) if status & bit]
    return ", ".join(found) or "busy"
