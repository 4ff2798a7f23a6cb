# SPDX-License-Identifier: Apache-2.0
"""The registers of an emitted design, as data: the one place from which hardware, manifest and documentation are made.

``hls/rtl/control.sv`` holds :func:`localparams`, ``docs/registers.md`` holds :func:`table`; a test compares both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

READ_ONLY, READ_WRITE = "read-only", "read-write"  # the words of IP-XACT (IEEE 1685), as in a Vivado hardware handoff
ID = int.from_bytes(b"SLIM", "big")
VERSION = 0x0001_0000  # major, minor


@dataclass(frozen=True)
class Bit:
    """One bit of a register, counted from the lowest."""

    name: str
    place: int
    meaning: str


@dataclass(frozen=True)
class Register:
    """One 32-bit register; ``offset`` is in bytes from the base address."""

    name: str
    offset: int
    access: str
    meaning: str
    bits: tuple[Bit, ...] = ()


_CONTROL = (
    Bit("enable", 0, "take input; 1 after aresetn. A frame that has begun waits while it is 0"),
    Bit("reset", 1, "while 1, the units are held in reset, and input is taken and forgotten"),
    Bit("clear", 2, "writing 1 zeroes counters, checksum and error bits; reads as 0"),
)
_STATUS = (
    Bit("idle", 0, "no frame is on its way"),
    Bit("busy", 1, "some frame is on its way"),
    Bit("error", 2, "one of the error bits that follow"),
    Bit("early_tlast", 3, "TLAST came before the last beat of a packet"),
    Bit("missing_tlast", 4, "the last beat of a packet came without TLAST"),
    Bit("latency_lost", 5, "more frames were on their way than are timed; the latency of some is not known"),
)

REGISTERS: tuple[Register, ...] = (
    Register("id", 0x00, READ_ONLY, "the letters SLIM, the first one in the high byte"),
    Register("version", 0x04, READ_ONLY, "of this register map: major version in the upper half, minor in the lower"),
    Register("network_low", 0x08, READ_ONLY, "network hash, lower 32 bits"),
    Register("network_high", 0x0C, READ_ONLY, "network hash, upper 32 bits"),
    Register("control", 0x10, READ_WRITE, "what the design shall do", _CONTROL),
    Register("status", 0x14, READ_ONLY, "what it does", _STATUS),
    Register(
        "frames_per_packet",
        0x18,
        READ_WRITE,
        "frames between one TLAST and the next, at both ends; 1 after aresetn. Change it while idle",
    ),
    Register("frames_in", 0x1C, READ_ONLY, "frames that came in whole"),
    Register("frames_out", 0x20, READ_ONLY, "frames that left whole"),
    Register("latency", 0x24, READ_ONLY, "cycles from first beat in to last beat out of the last frame that left"),
    Register("latency_max", 0x28, READ_ONLY, "the largest latency"),
    Register("interval", 0x2C, READ_ONLY, "cycles between the last beats of the last two frames that left"),
    Register("stall_in", 0x30, READ_ONLY, "cycles in which input was valid and not ready"),
    Register("stall_out", 0x34, READ_ONLY, "cycles in which output was valid and not ready"),
    Register("checksum", 0x38, READ_ONLY, "CRC-32 of the bytes that left, as zlib.crc32 gives it"),
    Register("cycles_low", 0x3C, READ_ONLY, "cycles since aresetn, lower 32 bits; reading it holds the upper ones"),
    Register("cycles_high", 0x40, READ_ONLY, "the upper 32 bits when cycles_low was last read"),
)
BY_NAME: Mapping[str, Register] = {register.name: register for register in REGISTERS}


def localparams() -> str:
    """The map as SystemVerilog: constants, the offset of every register, the place of every bit."""
    lines = [f"  localparam [31:0] ID_VALUE = 32'h{ID:08x};", f"  localparam [31:0] VERSION_VALUE = 32'h{VERSION:08x};"]
    lines += [f"  localparam [11:0] {one.name.upper()} = 12'h{one.offset:03x};" for one in REGISTERS]
    for one in REGISTERS:
        for bit in one.bits:
            lines.append(f"  localparam integer {one.name.upper()}_{bit.name.upper()} = {bit.place};")
    return "".join(f"{line}\n" for line in lines)


def table() -> str:
    """The map as a table in Markdown."""
    lines = ["| offset | register | access | meaning |", "|---|---|---|---|"]
    for one in REGISTERS:
        lines.append(f"| 0x{one.offset:02X} | `{one.name}` | {one.access} | {one.meaning} |")
        lines += [f"| | bit {bit.place}: `{bit.name}` | | {bit.meaning} |" for bit in one.bits]
    return "".join(f"{line}\n" for line in lines)
