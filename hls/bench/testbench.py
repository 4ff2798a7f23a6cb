# SPDX-License-Identifier: Apache-2.0
"""The cases of the bench: a cocotb test module for the top of any emitted folder.

It runs inside the simulator. The environment variable SLIMFAB_BENCH names a folder with the golden beats,
``inputs.npy`` and ``outputs.npy`` ((frames, beats, bytes) of TDATA), and the design's ``manifest.json``.
"""

import itertools
import json
import os
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamSink, AxiStreamSource
from cocotbext.axi.constants import AxiResp

HOME = Path(os.environ["SLIMFAB_BENCH"])
MANIFEST = json.loads((HOME / "manifest.json").read_text())
INPUTS, OUTPUTS = (np.load(HOME / f"{name}.npy") for name in ("inputs", "outputs"))
REGISTERS = {register["name"]: register for register in MANIFEST["registers"]}
BITS = {f"{name}.{bit['name']}": 1 << bit["place"] for name, register in REGISTERS.items() for bit in register["bits"]}
ENABLE, RESET, CLEAR = (BITS[f"control.{name}"] for name in ("enable", "reset", "clear"))
CLOCK_NS = 10
SPAN = max(
    MANIFEST["interval"], *(unit["latency"] for unit in MANIFEST["units"])
)  # cycles; one frame takes some of these
PATIENCE_US = CLOCK_NS * (100 * len(INPUTS) * SPAN + 100_000) // 1000  # of simulated time, for one case
SEED = 1


class Bench:
    """Source, sink and register master around the design, and a witness that writes down every handshake."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        reset = (dut.aclk, dut.aresetn, False)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), *reset)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), *reset)
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), *reset)
        for part in (self.source, self.sink, self.master.read_if, self.master.write_if):
            part.log.setLevel("WARNING")
        self.forget()

    def forget(self) -> None:
        """Start the witness's account anew."""
        self.cycle = 0
        self.entered: list[int] = []
        self.left: list[int] = []
        self.stalls = [0, 0]

    async def start(self) -> None:
        """Clock and first reset."""
        self.dut.aresetn.value = 0
        Clock(self.dut.aclk, CLOCK_NS, unit="ns").start()
        await self.reset()
        cocotb.start_soon(self._witness())

    async def reset(self, cycles: int = 2) -> None:
        """Hold aresetn low for some cycles; what was to be sent or received is forgotten."""
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, cycles)
        self.source.clear()
        self.sink.clear()
        self.dut.aresetn.value = 1
        await RisingEdge(self.dut.aclk)
        self.forget()

    async def _witness(self) -> None:
        dut = self.dut
        while True:
            await RisingEdge(dut.aclk)
            if not dut.aresetn.value:
                continue
            for end, valid, ready, stamps in (
                (0, dut.s_axis_tvalid, dut.s_axis_tready, self.entered),
                (1, dut.m_axis_tvalid, dut.m_axis_tready, self.left),
            ):
                if valid.value and ready.value:
                    stamps.append(self.cycle)
                elif valid.value:
                    self.stalls[end] += 1
            self.cycle += 1

    async def read(self, name: str) -> int:
        """A register by its name."""
        return int(await self.master.read_dword(REGISTERS[name]["offset"]))

    async def write(self, name: str, value: int) -> None:
        """A register by its name."""
        await self.master.write_dword(REGISTERS[name]["offset"], value)

    def send(self, frames: np.ndarray, frames_per_packet: int = 1) -> None:
        """Queue frames, TLAST at the end of every packet."""
        for start in range(0, len(frames), frames_per_packet):
            self.source.send_nowait(frames[start : start + frames_per_packet].tobytes())

    async def expect(self, frames: np.ndarray, frames_per_packet: int = 1) -> None:
        """What comes out must be these frames, TLAST at the end of every packet and nowhere else."""
        for start in range(0, len(frames), frames_per_packet):
            packet = await self.sink.recv()
            wanted = frames[start : start + frames_per_packet].tobytes()
            assert bytes(packet.tdata) == wanted, f"packet {start // frames_per_packet}: wrong bytes"

    async def expect_counters(self, outputs: np.ndarray) -> None:
        """The registers must say what the witness saw since its account began."""
        frames = len(outputs)
        entered = np.array(self.entered).reshape(frames, -1)
        left = np.array(self.left).reshape(frames, -1)
        latencies = left[:, -1] - entered[:, 0]
        wanted = {
            "frames_in": frames,
            "frames_out": frames,
            "latency": latencies[-1],
            "latency_max": latencies.max(),
            "interval": left[-1, -1] - left[-2, -1] if frames > 1 else 0,
            "stall_in": self.stalls[0],
            "stall_out": self.stalls[1],
            "checksum": zlib.crc32(outputs.tobytes()),
            "status": BITS["status.idle"],
        }
        found = {name: await self.read(name) for name in wanted}
        assert found == {name: int(value) for name, value in wanted.items()}


async def started(dut: Any) -> Bench:
    bench = Bench(dut)
    await bench.start()
    return bench


def pauses(probability: float, seed: int) -> Iterator[bool]:
    """Whether to pause, cycle by cycle."""
    chance = random.Random(seed)
    return (chance.random() < probability for _ in itertools.count())


@cocotb.test(timeout_time=PATIENCE_US, timeout_unit="us")
@cocotb.parametrize(idle=[0.0, 0.5], stall=[0.0, 0.5])
async def frames_pass(dut: Any, idle: float, stall: float) -> None:
    """Every byte is golden and every counter right, whatever source and sink do."""
    bench = await started(dut)
    bench.source.set_pause_generator(pauses(idle, SEED))
    bench.sink.set_pause_generator(pauses(stall, SEED + 1))
    bench.send(INPUTS)
    await bench.expect(OUTPUTS)
    await bench.source.wait()
    await bench.expect_counters(OUTPUTS)


@cocotb.test(timeout_time=PATIENCE_US, timeout_unit="us")
async def aresetn_in_flight(dut: Any) -> None:
    """Whenever aresetn falls, and however shortly, the stream after it is golden."""
    bench, chance = await started(dut), random.Random(SEED)
    for round_ in range(6):
        bench.sink.pause = round_ % 2 == 1
        bench.send(INPUTS)
        await ClockCycles(dut.aclk, chance.randrange(1, 3 * SPAN))
        await bench.reset(cycles=round_ % 3 + 1)
    bench.sink.pause = False
    bench.send(INPUTS)
    await bench.expect(OUTPUTS)
    await bench.source.wait()
    await bench.expect_counters(OUTPUTS)


@cocotb.test(timeout_time=PATIENCE_US, timeout_unit="us")
async def reset_register_in_flight(dut: Any) -> None:
    """The reset bit of control takes in what the source still has, and leaves a clean design."""
    bench, chance = await started(dut), random.Random(SEED)
    for _ in range(3):
        bench.send(INPUTS)
        await ClockCycles(dut.aclk, chance.randrange(1, 3 * SPAN))
        await bench.write("control", ENABLE | RESET)
        await bench.source.wait()
        bench.sink.assert_reset()
        bench.sink.clear()
        assert await bench.read("control") == ENABLE | RESET
        assert await bench.read("status") & BITS["status.idle"]
        await bench.write("control", ENABLE | CLEAR)
        bench.forget()
    bench.send(INPUTS)
    await bench.expect(OUTPUTS)
    await bench.source.wait()
    await bench.expect_counters(OUTPUTS)


@cocotb.test(timeout_time=PATIENCE_US, timeout_unit="us")
async def clear_starts_the_counters_anew(dut: Any) -> None:
    """Frames before a clear are forgotten, the design goes on."""
    bench = await started(dut)
    for frames in (INPUTS, INPUTS[:1]):
        await bench.write("control", ENABLE | CLEAR)
        bench.forget()
        bench.send(frames)
        await bench.expect(OUTPUTS[: len(frames)])
        await bench.source.wait()
        await bench.expect_counters(OUTPUTS[: len(frames)])


@cocotb.test(timeout_time=PATIENCE_US, timeout_unit="us")
async def nothing_enters_unless_enabled(dut: Any) -> None:
    """While enable is 0 no beat is taken; what comes after is golden."""
    bench = await started(dut)
    await bench.write("control", 0)
    bench.send(INPUTS)
    await ClockCycles(dut.aclk, 20)
    assert bench.entered == []
    assert await bench.read("frames_in") == 0
    for _ in range(5):  # on and off in the middle of frames
        await bench.write("control", ENABLE)
        await ClockCycles(dut.aclk, 3)
        await bench.write("control", 0)
    await bench.write("control", ENABLE)
    await bench.expect(OUTPUTS)
    await bench.source.wait()
    await bench.expect_counters(OUTPUTS)


@cocotb.test(timeout_time=PATIENCE_US, timeout_unit="us")
async def packets_of_frames(dut: Any) -> None:
    """TLAST ends a packet of as many frames as frames_per_packet says."""
    bench = await started(dut)
    size = len(INPUTS)
    await bench.write("frames_per_packet", size)
    for _ in range(2):
        bench.send(INPUTS, size)
        await bench.expect(OUTPUTS, size)
    await bench.source.wait()
    assert await bench.read("status") == BITS["status.idle"]
    assert await bench.read("frames_out") == 2 * size


@cocotb.test(timeout_time=PATIENCE_US, timeout_unit="us")
async def a_wrong_tlast_is_an_error(dut: Any) -> None:
    """TLAST too early, and a last beat without it, are told apart."""
    bench = await started(dut)
    joined = INPUTS[:2].reshape(2 * INPUTS.shape[1], -1)
    for ends, bit in (([len(joined)], "missing_tlast"), ([1, INPUTS.shape[1], len(joined)], "early_tlast")):
        if ends[0] == INPUTS.shape[1]:
            continue  # a frame of one beat cannot end too early
        for start, stop in zip([0, *ends[:-1]], ends, strict=True):
            bench.source.send_nowait(joined[start:stop].tobytes())
        await bench.expect(OUTPUTS[:2])
        await bench.source.wait()
        assert await bench.read("status") == BITS["status.idle"] | BITS["status.error"] | BITS[f"status.{bit}"]
        await bench.write("control", ENABLE | CLEAR)
        assert await bench.read("status") == BITS["status.idle"]


@cocotb.test(timeout_time=PATIENCE_US, timeout_unit="us")
async def registers_answer(dut: Any) -> None:
    """Identity, strobes, and SLVERR for what is not there or cannot be written."""
    bench = await started(dut)
    network = int(MANIFEST["network_hash"], 16)
    assert (await bench.read("id")).to_bytes(4, "big") == b"SLIM"
    assert await bench.read("network_low") == network & 0xFFFFFFFF
    assert await bench.read("network_high") == network >> 32
    first, second = [await bench.read("cycles_low") for _ in range(2)]
    assert 0 < first < second
    offsets = {register["offset"] for register in MANIFEST["registers"]}
    for offset in sorted({*range(0, 4 * len(offsets) + 16, 4), 0x800, 0xFFC}):
        known = offset in offsets
        response = (await bench.master.read(offset, 4)).resp
        assert response == (AxiResp.OKAY if known else AxiResp.SLVERR), f"read of 0x{offset:x}"
    for register in MANIFEST["registers"]:
        can = register["access"] == "read-write"
        response = (await bench.master.write(register["offset"], bytes(4))).resp
        assert response == (AxiResp.OKAY if can else AxiResp.SLVERR), f"write of {register['name']}"
    assert (await bench.master.write(0xFFC, bytes(4))).resp == AxiResp.SLVERR
    packet = REGISTERS["frames_per_packet"]["offset"]
    await bench.write("frames_per_packet", 0x11223344)
    await bench.master.write(packet + 1, b"\xaa\xbb")  # two strobes of four
    assert await bench.read("frames_per_packet") == 0x11BBAA44


@cocotb.test(timeout_time=PATIENCE_US, timeout_unit="us")
async def register_channels_are_independent(dut: Any) -> None:
    """Address before data, data before address, and masters that are slow to take an answer."""
    bench = await started(dut)
    chance = random.Random(SEED)
    writer, reader = bench.master.write_if, bench.master.read_if
    for address, data, answer in itertools.product((0.0, 0.8), repeat=3):
        channels = (
            (writer.aw_channel, address),
            (writer.w_channel, data),
            (writer.b_channel, answer),
            (reader.ar_channel, address),
            (reader.r_channel, answer),
        )
        for channel, probability in channels:
            channel.set_pause_generator(pauses(probability, chance.randrange(1000)))
        for _ in range(4):
            value = chance.randrange(1 << 32)
            await bench.write("frames_per_packet", value)
            assert await bench.read("frames_per_packet") == value
