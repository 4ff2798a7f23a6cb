# SPDX-License-Identifier: Apache-2.0
"""An AXI DMA engine in direct register mode (AMD PG021), its streams joined to the design.

A transfer goes on whenever its status is read, some cycles at a time, so that whoever polls is answered "busy" first.
What the engine adds in cycles are PG021's latencies, before the first word and behind the last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .faults import OF_TRANSFERS, Faults
from .memory import Memory
from .rtl import Design

SLICE_CYCLES = 50_000
LENGTH_BITS = 26
# AMD PG021, "Latency": from the descriptor to the first word, and of the receiving half.
START_CYCLES, STOP_CYCLES = 44, 39
DMACR, DMASR, ADDRESS, ADDRESS_HIGH, LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
RUN, SOFT_RESET = 1, 4
HALTED, IDLE, DONE = 0x1, 0x2, 0x1000
INTERNAL, SLAVE, DECODE = 0x10, 0x20, 0x40
_INTERRUPTS = 0x7000  # bits of DMASR that are cleared by writing 1


@dataclass(frozen=True)
class Widths:
    """Bytes of one beat: of TDATA that carry data, and of the word in memory."""

    data: int
    word: int


class Half:
    """One direction: its registers, and the beats of the transfer at work."""

    def __init__(self, widths: Widths) -> None:
        self.widths = widths
        self.reset()

    def reset(self) -> None:
        """As after power-up."""
        self.control, self.status = 0, HALTED
        self.registers = {ADDRESS: 0, ADDRESS_HIGH: 0, LENGTH: 0}
        self.stop()

    def stop(self) -> None:
        """No transfer is at work."""
        self.memory: np.ndarray | None = None
        self.beats = np.zeros((0, self.widths.data), np.uint8)
        self.moved = 0  # beats

    @property
    def busy(self) -> bool:
        """Whether a transfer is at work."""
        return self.memory is not None

    def done(self) -> None:
        """The transfer has ended well."""
        self.status |= IDLE | DONE
        self.stop()

    def fail(self, bit: int) -> None:
        """The transfer ends with an error; only a reset gets the engine out of it."""
        self.status, self.control = self.status | bit | HALTED, self.control & ~RUN
        self.stop()


class AxiDma:
    """The engine.

    Args:
        spend: is told the cycles that pass.
        patience_cycles: after so many without a beat nothing will come.
    """

    def __init__(
        self,
        memory: Memory,
        sent: Widths,
        received: Widths,
        faults: Faults,
        spend: Callable[[int], None],
        patience_cycles: int,
    ) -> None:
        self._memory, self._faults, self._spend, self._patience = memory, faults, spend, patience_cycles
        self._waited = 0  # cycles without a beat
        self._send, self._receive = Half(sent), Half(received)
        self.design: Design | None = None
        self._fault: str | None = None

    def power_up(self, design: Design) -> None:
        """As after the bitstream has been loaded."""
        self.design, self._fault = design, None
        self._send.reset()
        self._receive.reset()

    def read(self, offset: int) -> int:
        """A register. Reading a status lets a transfer that is at work go on."""
        half, register = self._half(offset)
        if register == DMASR:
            if half.busy:
                self._go_on()
            return half.status
        return half.control if register == DMACR else half.registers.get(register, 0)

    def write(self, offset: int, value: int) -> None:
        """A register. Writing a length starts a transfer."""
        half, register = self._half(offset)
        if register == DMACR:
            self._write_control(half, value)
        elif register == DMASR:
            half.status &= ~(value & _INTERRUPTS)
        elif register == LENGTH and not half.status & HALTED:
            half.registers[LENGTH] = value & ((1 << LENGTH_BITS) - 1)
            self._begin(half)
        elif register in half.registers:
            half.registers[register] = value

    def _half(self, offset: int) -> tuple[Half, int]:
        return (self._receive, offset - 0x30) if offset >= 0x30 else (self._send, offset)

    def _write_control(self, half: Half, value: int) -> None:
        if value & SOFT_RESET:  # of either half resets the engine
            self._send.reset()
            self._receive.reset()
            self._fault = "dead" if self._fault == "dead" else None
            return
        half.control = value
        if value & RUN:
            half.status &= ~HALTED
        elif not half.busy:  # else it halts when the transfer has ended
            half.status |= HALTED

    def _begin(self, half: Half) -> None:
        half.status &= ~IDLE
        self._waited = 0
        size = half.registers[LENGTH]
        address = half.registers[ADDRESS] | half.registers[ADDRESS_HIGH] << 32
        if half is self._send and self._fault != "dead":
            self._fault = self._faults.take(*OF_TRANSFERS)
        memory = self._memory.view(address, size)
        if size == 0:
            half.fail(INTERNAL)
        elif memory is None or (half is self._send and self._fault == "decode_error"):
            half.fail(DECODE)
        else:
            half.memory, half.moved = memory, 0
            beats = -(-size // half.widths.word)
            half.beats = (
                _beats(memory, half.widths) if half is self._send else np.zeros((beats, half.widths.data), "u1")
            )
            if half is self._send:
                self._idle(START_CYCLES)
        if half is self._send and self._fault == "starved":
            half.beats = half.beats[: len(half.beats) // 2]
        if half is self._send and self._fault == "slave_error":
            self._receive.fail(SLAVE)

    def _idle(self, cycles: int) -> None:
        assert self.design is not None
        self.design.idle(cycles)
        self._spend(cycles)

    def _go_on(self) -> None:
        """Some cycles of whatever is at work."""
        assert self.design is not None
        send, receive = self._send, self._receive
        if self._fault in ("hang", "dead") or self._waited > self._patience:
            self._spend(SLICE_CYCLES)
            return
        left, room = send.beats[send.moved :], receive.beats[receive.moved :]
        passed = self.design.stream(left, room, SLICE_CYCLES)
        moved = passed.taken or passed.came
        self._spend(passed.cycles if moved else SLICE_CYCLES)
        self._waited = 0 if moved else self._waited + SLICE_CYCLES
        send.moved += passed.taken
        receive.moved += passed.came
        if send.busy and send.moved == len(send.beats) and self._fault != "starved":
            send.done()
        if receive.busy and passed.came:
            self._received(passed.ended)

    def _received(self, ended: bool) -> None:
        """Beats have come: into memory with them, and see whether that was all."""
        receive = self._receive
        if self._fault == "short_output" and receive.moved > 1 and 2 * receive.moved >= len(receive.beats):
            receive.moved, ended = len(receive.beats) // 2, True
        full = receive.moved == len(receive.beats)
        if not (ended or full):
            return
        assert receive.memory is not None
        if self._fault == "bit_flip":
            receive.beats[receive.moved // 2, 0] ^= 1
        words = receive.memory[: receive.moved * receive.widths.word].reshape(-1, receive.widths.word)
        words[:, : receive.widths.data] = receive.beats[: receive.moved]
        words[:, receive.widths.data :] = 0
        if not ended:
            receive.fail(INTERNAL)  # more bytes than fit
        elif self._fault != "missing_tlast":
            receive.registers[LENGTH] = words.size
            self._idle(STOP_CYCLES)
            receive.done()


def _beats(memory: np.ndarray, widths: Widths) -> np.ndarray:
    """(beats, data bytes) of words in memory; the last one is padded with zeros."""
    missing = -len(memory) % widths.word
    whole = np.concatenate([memory, np.zeros(missing, np.uint8)]) if missing else memory
    return np.ascontiguousarray(whole.reshape(-1, widths.word)[:, : widths.data])
