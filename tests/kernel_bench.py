# SPDX-License-Identifier: Apache-2.0
"""Cases for a kernel between two memories, run by cocotb: the golden images, as a host program would run them."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiRamRead, AxiRamWrite, AxiReadBus, AxiWriteBus

HOME = Path(os.environ["SLIMFAB_KERNEL"])
JOB = json.loads((HOME / "job.json").read_text())
INPUTS, OUTPUTS = ((HOME / f"{name}.bin").read_bytes() for name in ("inputs", "outputs"))
MOVER, IMAGES = JOB["mover"], JOB["images"]
SEND, RECEIVE = MOVER, MOVER + 0x30
SOURCE, TARGET, MEMORY = 0x1000, 0x8000, 1 << 16
IDLE, HALTED, COMPLETE, INTERNAL, RESET = 0x2, 0x1, 0x1000, 0x10, 0x4


@cocotb.test
async def golden_images_through_memory(dut: Any) -> None:
    """Registers of both halves, twice the same images, results and checksum; nothing beside the result is written.

    Then a transfer that fails half-way: after the steps of docs/boards.md nothing of it is in the next result.
    """
    dut.ap_rst_n.value = 0
    Clock(dut.ap_clk, 10, unit="ns").start()
    reset = (dut.ap_clk, dut.ap_rst_n, False)
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi_control"), *reset)
    source = AxiRamRead(AxiReadBus.from_prefix(dut, "m_axi_send"), *reset, size=MEMORY)
    target = AxiRamWrite(AxiWriteBus.from_prefix(dut, "m_axi_receive"), *reset, size=MEMORY)
    for part in (master.read_if, master.write_if, source, target):
        part.log.setLevel("WARNING")
    await ClockCycles(dut.ap_clk, 4)
    dut.ap_rst_n.value = 1
    await ClockCycles(dut.ap_clk, 2)
    source.write(SOURCE, INPUTS)

    async def get(offset: int) -> int:
        return await master.read_dword(offset)

    async def put(offset: int, value: int) -> None:
        await master.write_dword(offset, value)

    names = {name: offset for name, offset in JOB["registers"].items()}
    assert await get(names["id"]) == 0x534C494D
    assert f"{await get(names['network_high']):08x}{await get(names['network_low']):08x}" == JOB["network"]
    await put(names["frames_per_packet"], IMAGES)

    async def transfer(place: int, room: int) -> int:
        """Send the inputs and receive into ``room`` bytes at ``place``: the status in the end."""
        for half in (SEND, RECEIVE):
            await put(half, 1)
        for half, address, size in ((RECEIVE, place, room), (SEND, SOURCE, len(INPUTS))):
            await put(half + 0x18, address)
            await put(half + 0x1C, 0)
            await put(half + 0x28, size)
        for _ in range(5000):
            status = await get(RECEIVE + 0x04)
            if status & (IDLE | HALTED):
                break
        return status

    for turn in (1, 2):
        place = TARGET + turn * 0x1000 - 0x40
        assert await transfer(place, len(OUTPUTS)) == IDLE | COMPLETE
        assert await get(RECEIVE + 0x28) == len(OUTPUTS)
        assert target.read(place, len(OUTPUTS)) == OUTPUTS
        assert not any(target.read(place + len(OUTPUTS), 64))
        assert await get(names["frames_out"]) == turn * IMAGES
    expected = np.frombuffer(OUTPUTS, np.uint8).reshape(-1, JOB["word_bytes"])[:, : JOB["data_bytes"]].tobytes()
    assert await get(names["checksum"]) == zlib.crc32(2 * expected)
    assert await get(names["status"]) == 1  # idle, no error

    assert await transfer(TARGET, JOB["word_bytes"]) & (HALTED | INTERNAL) == HALTED | INTERNAL
    await put(names["control"], 3)
    await put(SEND, RESET)
    while await get(SEND) & RESET or await get(RECEIVE) & RESET:
        pass
    await put(names["control"], 5)
    assert await transfer(TARGET, len(OUTPUTS)) == IDLE | COMPLETE
    assert target.read(TARGET, len(OUTPUTS)) == OUTPUTS
    assert await get(names["checksum"]) == zlib.crc32(expected)
