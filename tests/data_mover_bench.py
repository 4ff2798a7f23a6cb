# SPDX-License-Identifier: Apache-2.0
"""Cases for ``data_mover_top.sv``, run by cocotb inside the simulator: a memory, two streams and a register master."""

import json
import os
import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiRamRead,
    AxiRamWrite,
    AxiReadBus,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
    AxiWriteBus,
)
from cocotbext.axi.constants import AxiResp

SIZES = json.loads(os.environ["SLIMFAB_MOVER"])
IN_BYTES, IN_WORD, IN_BURST = (SIZES[f"IN_{name}"] for name in ("BYTES", "WORD", "BURST"))
OUT_BYTES, OUT_WORD, OUT_BURST = (SIZES[f"OUT_{name}"] for name in ("BYTES", "WORD", "BURST"))
MEMORY = 1 << 15
CONTROL, STATUS, ADDRESS, ADDRESS_HIGH, LENGTH, RECEIVE = 0x00, 0x04, 0x18, 0x1C, 0x28, 0x30
RUN, RESET = 1, 4
HALTED, IDLE, INTERNAL, SLAVE, DECODE, COMPLETE = 0x1, 0x2, 0x10, 0x20, 0x40, 0x1000
PATIENCE_US = 2000


class Bench:
    """Everything around the mover, and a witness of its bursts."""

    def __init__(self, dut: Any, seed: int = 1) -> None:
        self.dut, self.random = dut, random.Random(seed)
        reset = (dut.aclk, dut.aresetn, False)
        self.memory = bytearray(self.random.randbytes(MEMORY))
        self.read_port = AxiRamRead(AxiReadBus.from_prefix(dut, "m_axi"), *reset, size=MEMORY)
        self.write_port = AxiRamWrite(AxiWriteBus.from_prefix(dut, "m_axi"), *reset, size=MEMORY)
        self.read_port.write(0, bytes(self.memory))
        self.write_port.write(0, bytes(self.memory))
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), *reset)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), *reset)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), *reset)
        parts = (self.read_port, self.write_port, self.master.read_if, self.master.write_if, self.sink, self.source)
        for part in parts:
            part.log.setLevel("WARNING")
        self.bursts: dict[str, list[tuple[int, int]]] = {"ar": [], "aw": []}

    async def start(self, idle: float = 0.0, stall: float = 0.0) -> None:
        """Clock and reset; then pauses of what gives and of what takes, with these probabilities."""
        dut = self.dut
        dut.aresetn.value = 0
        dut.trouble.value = 0
        Clock(dut.aclk, 10, unit="ns").start()
        await ClockCycles(dut.aclk, 3)
        dut.aresetn.value = 1
        await RisingEdge(dut.aclk)
        cocotb.start_soon(self._witness())
        gives = (self.read_port.r_channel, self.write_port.b_channel, self.source)
        takes = (self.read_port.ar_channel, self.write_port.aw_channel, self.write_port.w_channel, self.sink)
        for parts, chance in ((gives, idle), (takes, stall)):
            for part in parts:
                if chance:
                    part.set_pause_generator(self._pauses(chance))
        for half in (0, RECEIVE):
            await self.put(half + CONTROL, RUN)

    def _pauses(self, chance: float) -> Any:
        while True:
            yield self.random.random() < chance

    async def _witness(self) -> None:
        """Every burst lies within 4 KiB, is no longer than asked for, and aligned; nothing valid is taken back."""
        dut = self.dut
        rules = {"ar": (IN_BYTES, IN_BURST), "aw": (OUT_BYTES, OUT_BURST)}
        waiting: dict[str, tuple[int, int]] = {}
        while True:
            await RisingEdge(dut.aclk)
            for channel, (size, limit) in rules.items():
                valid, ready = (getattr(dut, f"m_axi_{channel}{end}") for end in ("valid", "ready"))
                if not valid.value:
                    assert channel not in waiting, f"{channel}valid was taken back"
                    continue
                burst = (
                    int(getattr(dut, f"m_axi_{channel}addr").value),
                    int(getattr(dut, f"m_axi_{channel}len").value) + 1,
                )
                assert waiting.setdefault(channel, burst) == burst, f"{channel} changed while it waited"
                address, beats = burst
                assert address % size == 0
                assert beats <= limit
                assert address // 4096 == (address + beats * size - 1) // 4096, f"{channel} crosses 4 KiB"
                if ready.value:
                    self.bursts[channel].append(waiting.pop(channel))

    async def put(self, offset: int, value: int) -> None:
        """Write a register that is there."""
        answer = await self.master.write(offset, value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY

    async def get(self, offset: int) -> int:
        """Read a register that is there."""
        answer = await self.master.read(offset, 4)
        assert answer.resp == AxiResp.OKAY
        return int.from_bytes(answer.data, "little")

    async def begin(self, half: int, address: int, length: int) -> None:
        """Start a transfer."""
        await self.put(half + ADDRESS, address & 0xFFFF_FFFF)
        await self.put(half + ADDRESS_HIGH, address >> 32)
        await self.put(half + LENGTH, length)

    async def ended(self, half: int) -> int:
        """The status when nothing more happens."""

        async def poll() -> int:
            while True:
                status = await self.get(half + STATUS)
                if status & (IDLE | HALTED):
                    return status

        return await with_timeout(cocotb.start_soon(poll()), PATIENCE_US, "us")

    async def send(self, address: int, length: int) -> int:
        """A buffer of memory through the stream, compared; the status."""
        await self.begin(0, address, length)
        frame = await with_timeout(cocotb.start_soon(self.sink.recv()), PATIENCE_US, "us")
        assert bytes(frame.tdata) == bytes(self.memory[address : address + length])
        return await self.ended(0)

    async def receive(self, address: int, length: int, sent: int) -> int:
        """Bytes of the stream into a buffer, all of memory compared; the status."""
        data = self.random.randbytes(sent)
        before = bytearray(self.write_port.read(0, MEMORY))
        await self.begin(RECEIVE, address, length)
        await self.source.send(AxiStreamFrame(data))
        status = await self.ended(RECEIVE)
        stored = min(sent, length)
        before[address : address + stored] = data[:stored]
        assert bytearray(self.write_port.read(0, MEMORY)) == before
        assert await self.get(RECEIVE + LENGTH) == stored
        return status


def buffers(word: int, size: int, burst: int) -> list[tuple[int, int]]:
    """Addresses and bytes: at a page, within a burst, a beat before a page ends; beats and bursts and a word beside."""
    page, within, before = 0x1000, 0x2000 + size * (burst // 2 + 1), 0x3000 - size
    whole = size * burst
    several = 2 * whole + size - word
    return [
        (page, word), (before, 2 * size), (within, max(word, size - word)), (page, whole), (before, whole + word),
        (within, whole), (within, whole - size // 2 * (word < size)), (before, several), (within, several),
    ]  # fmt: skip


@cocotb.test
@cocotb.parametrize(idle=[0.0, 0.5], stall=[0.0, 0.5])
async def buffers_are_sent(dut: Any, idle: float, stall: float) -> None:
    """Data and TLAST, whatever pauses; the sink cuts its frames at TLAST."""
    bench = Bench(dut)
    await bench.start(idle, stall)
    sizes = buffers(IN_WORD, IN_BYTES, IN_BURST)
    for address, length in sizes:
        assert await bench.send(address, length) == IDLE | COMPLETE
    assert bench.sink.empty()
    asked = sum(beats for _, beats in bench.bursts["ar"])
    assert asked == sum(-(-length // IN_BYTES) for _, length in sizes)  # no beat more than hold the buffers


@cocotb.test
@cocotb.parametrize(idle=[0.0, 0.5], stall=[0.0, 0.5])
async def packets_are_received(dut: Any, idle: float, stall: float) -> None:
    """Into buffers of their size, and into larger ones, whatever pauses; nothing beside them is written."""
    bench = Bench(dut)
    await bench.start(idle, stall)
    for index, (address, sent) in enumerate(buffers(OUT_WORD, OUT_BYTES, OUT_BURST)):
        length = sent + index % 3 * OUT_WORD
        assert await bench.receive(address, length, sent) == IDLE | COMPLETE


@cocotb.test
async def a_word_leaves_in_every_cycle(dut: Any) -> None:
    """Both directions at once, memory and streams without pauses: bursts overlap."""
    bench = Bench(dut)
    await bench.start()
    words = 256
    for half, address, word in ((RECEIVE, 0x4000, OUT_WORD), (0, 0x2000, IN_WORD)):
        await bench.begin(half, address, words * word)
    await bench.source.send(AxiStreamFrame(bench.random.randbytes(words * OUT_WORD)))
    seen: dict[str, list[int]] = {"m_axis": [], "s_axis": []}
    for cycle in range(2 * words):
        await RisingEdge(dut.aclk)
        for end, stamps in seen.items():
            if getattr(dut, f"{end}_tvalid").value and getattr(dut, f"{end}_tready").value:
                stamps.append(cycle)
    assert [len(stamps) for stamps in seen.values()] == [words, words]
    # cocotbext-axi's memory itself pauses for some cycles between bursts.
    pauses = 4 * words // min(IN_BURST, OUT_BURST)
    for stamps in seen.values():
        assert stamps[-1] - stamps[0] < words + pauses


@cocotb.test
async def a_buffer_that_is_too_short_is_an_error(dut: Any) -> None:
    """The buffer is full, nothing behind it is written, and the engine stands until it is reset."""
    bench = Bench(dut)
    await bench.start()
    length = 3 * OUT_BYTES
    assert await bench.receive(0x2000, length, length + OUT_WORD) == HALTED | INTERNAL
    await recovers(bench)


@cocotb.test
async def wrong_transfers_are_errors(dut: Any) -> None:
    """No length, part of a word, an address within a beat: nothing is asked of memory."""
    bench = Bench(dut)
    await bench.start()
    for half, size, word in ((0, IN_BYTES, IN_WORD), (RECEIVE, OUT_BYTES, OUT_WORD)):
        wrong = [(0x1000, 0), (0x1000 + size // 2, size)] + ([(0x1000, word + word // 2)] if word > 1 else [])
        for address, length in wrong:
            await bench.begin(half, address, length)
            assert await bench.ended(half) == HALTED | INTERNAL
            await bench.put(half + CONTROL, RUN)
    assert bench.bursts == {"ar": [], "aw": []}
    await recovers(bench)


@cocotb.test
@cocotb.parametrize(answer=[(2, SLAVE), (3, DECODE)])
async def what_memory_refuses_is_an_error(dut: Any, answer: tuple[int, int]) -> None:
    """SLVERR and DECERR have bits of their own."""
    bench = Bench(dut)
    await bench.start()
    dut.trouble.value = answer[0]
    assert await bench.send(0x1000, 4 * IN_BYTES) == HALTED | answer[1]
    assert await bench.receive(0x1000, 4 * OUT_BYTES, 4 * OUT_BYTES) == HALTED | answer[1]
    dut.trouble.value = 0
    await recovers(bench)


@cocotb.test
async def resets_at_any_time(dut: Any) -> None:
    """In the middle of both directions, with pauses everywhere; memory has been answered, and transfers are right."""
    bench = Bench(dut)
    await bench.start(0.3, 0.3)
    for cycles in (0, 3, 9, 17, 31, 64, 100):
        await bench.begin(RECEIVE, 0x4000, 2048)
        await bench.begin(0, 0x1000, 2048)
        sending = cocotb.start_soon(bench.source.send(AxiStreamFrame(bytes(1024))))
        await ClockCycles(dut.aclk, cycles + 1)
        await bench.put(RECEIVE + CONTROL, RESET)
        await sending
        await settled(bench)
        assert await bench.get(STATUS) == await bench.get(RECEIVE + STATUS) == HALTED
        await recovers(bench)


@cocotb.test
async def other_registers_are_refused(dut: Any) -> None:
    """SLVERR, nothing changes; half a register cannot be written."""
    bench = Bench(dut)
    await bench.start()
    for offset in (0x08, 0x2C, 0x30 + 0x2C, 0xFFC):
        assert (await bench.master.read(offset, 4)).resp == AxiResp.SLVERR
        assert (await bench.master.write(offset, bytes(4))).resp == AxiResp.SLVERR
    assert (await bench.master.write(CONTROL, b"\0")).resp == AxiResp.SLVERR
    assert await bench.get(CONTROL) == RUN
    await bench.put(ADDRESS, 0x1234_5678)
    await bench.put(RECEIVE + ADDRESS_HIGH, 0x9ABC_DEF0)
    assert await bench.get(ADDRESS) == 0x1234_5678
    assert await bench.get(RECEIVE + ADDRESS_HIGH) == 0x9ABC_DEF0
    await bench.put(CONTROL, 0)
    assert await bench.get(STATUS) == HALTED
    await bench.put(LENGTH, IN_BYTES)  # a halted half does not move
    await ClockCycles(dut.aclk, 20)
    assert not bench.bursts["ar"]


async def settled(bench: Bench) -> None:
    """Until a reset is over; streams forget what was on its way."""
    for half in (0, RECEIVE):
        for _ in range(1000):
            if not await bench.get(half + CONTROL) & RESET:
                break
        else:
            raise AssertionError("the reset does not end")
    for stream in (bench.source, bench.sink):
        stream.assert_reset(True)
    await ClockCycles(bench.dut.aclk, 2)
    for stream in (bench.source, bench.sink):
        stream.assert_reset(False)


async def recovers(bench: Bench) -> None:
    """After a reset both directions are right again."""
    await bench.put(CONTROL, RESET)
    await settled(bench)
    for half in (0, RECEIVE):
        await bench.put(half + CONTROL, RUN)
    assert await bench.send(0x1800, 5 * IN_BYTES) == IDLE | COMPLETE
    assert await bench.receive(0x4800, 5 * OUT_BYTES, 5 * OUT_BYTES - OUT_WORD) == IDLE | COMPLETE
