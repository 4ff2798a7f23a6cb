# SPDX-License-Identifier: Apache-2.0
"""The Verilog module ``slimfab_kernel``: the accelerator as an XRT kernel, with data movers of its own.

One AXI4-Lite port of 8 KiB has the accelerator's registers (docs/registers.md) in its lower half and, above them, those
of ``hls/rtl/data_mover.sv``, which are AXI DMA's. One memory port is read and one is written. Programs start
and watch it through these registers ("user-managed", AMD UG1393 and UG1700, "Creating User-Managed RTL Kernels").
"""

import textwrap
from collections.abc import Mapping

from boards.manifest import Port
from boards.vivado.accelerator import Accelerator
from boards.vivado.block_design import LENGTH_BITS
from boards.vivado.shell import NAME as SHELL
from hls.templates import sources

NAME = "slimfab_kernel"
CONTROL, SEND, RECEIVE = "s_axi_control", "m_axi_send", "m_axi_receive"
MOVER = 0x1000  # where the data mover's registers begin
RANGE = 2 * MOVER
MAX_BURST_BYTES, MAX_BURST_BEATS = 4096, 64
#: Register → offset, bits, and the memory port that it is an address for.
ARGUMENTS: Mapping[str, tuple[int, int, str]] = {
    "send": (MOVER + 0x18, 64, SEND),
    "send_bytes": (MOVER + 0x28, 32, ""),
    "receive": (MOVER + 0x48, 64, RECEIVE),
    "receive_bytes": (MOVER + 0x58, 32, ""),
}
_ADDRESS_BITS = RANGE.bit_length() - 1
#: A signal's name, its bits, and whether it comes in.
Signals = tuple[tuple[str, int, bool], ...]
_BUS: Signals = (
    ("awaddr", _ADDRESS_BITS, True), ("awprot", 3, True), ("awvalid", 1, True), ("awready", 1, False),
    ("wdata", 32, True), ("wstrb", 4, True), ("wvalid", 1, True), ("wready", 1, False),
    ("bresp", 2, False), ("bvalid", 1, False), ("bready", 1, True),
    ("araddr", _ADDRESS_BITS, True), ("arprot", 3, True), ("arvalid", 1, True), ("arready", 1, False),
    ("rdata", 32, False), ("rresp", 2, False), ("rvalid", 1, False), ("rready", 1, True),
)  # fmt: skip
#: What both halves behind the split have in common, and its bits.
_SHARED = {
    "awaddr": _ADDRESS_BITS - 1, "araddr": _ADDRESS_BITS - 1, "awprot": 3, "arprot": 3, "wdata": 32, "wstrb": 4,
}  # fmt: skip


def modules() -> tuple[str, ...]:
    """Modules of ``hls/rtl`` that the kernel needs beside the accelerator's own files."""
    return sources({"axi_lite_split", "data_mover"})


def memory_bytes(port: Port) -> int:
    """Width of the memory port for a stream: its words, 32 bits at least."""
    return max(4, port.word_bytes)


def text(accelerator: Accelerator) -> str:
    """The module's Verilog; plain Verilog-2001, as Vivado's IP packager wants its top."""
    source, result = accelerator.input, accelerator.output
    ports = {CONTROL: _BUS, SEND: _read(source), RECEIVE: _write(result)}
    sizes = {
        "IN_BYTES": memory_bytes(source), "IN_WORD": source.word_bytes, "IN_BURST": _burst(source),
        "OUT_BYTES": memory_bytes(result), "OUT_WORD": result.word_bytes, "OUT_BURST": _burst(result),
        "LENGTH": LENGTH_BITS,
    }  # fmt: skip
    clocked = {"aclk": "ap_clk", "aresetn": "ap_rst_n"}
    upper = {f"s_axi_{one}": f"{CONTROL}_{one}" for one, _, _ in _BUS}
    lower = {f"m_axi_{one}": f"bus_{one}" for one, _, _ in _BUS}
    memory = {
        f"m_axi_{one}": f"{name}_{one}" for name in (SEND, RECEIVE) for one, _, _ in ports[name] if one != "rlast"
    }
    return "\n".join([
        f"// {NAME}: network {accelerator.network_hash} between two buffers of a card's memory.",
        "`default_nettype none",
        f"module {NAME} (",
        "  input  wire ap_clk,",
        "  input  wire ap_rst_n,",
        *_declared(ports),
        ");",
        *(f"  wire [{_SHARED.get(name, 2 * bits) - 1}:0] bus_{name};" for name, bits, _ in _BUS),
        f"  wire [{8 * source.word_bytes - 1}:0] in_tdata;",
        "  wire in_tvalid, in_tready, in_tlast;",
        f"  wire [{8 * result.word_bytes - 1}:0] out_tdata;",
        "  wire out_tvalid, out_tready, out_tlast;",
        f"  wire unused = &{{1'b0, {SEND}_rlast}};",
        f"  axi_lite_split #(.ADDRESS_WIDTH({_ADDRESS_BITS})) u_split (",
        *_joined(clocked | upper | lower),
        f"  {SHELL} u_{SHELL} (",
        *_joined(clocked | _half(0) | _stream("s_axis", "in") | _stream("m_axis", "out")),
        "  data_mover #(",
        f"    {', '.join(f'.{key}({value})' for key, value in sizes.items())}",
        "  ) u_mover (",
        *_joined(clocked | _half(1) | memory | _stream("m_axis", "in") | _stream("s_axis", "out")),
        "endmodule",
        "`default_nettype wire\n",
    ])  # fmt: skip


def _read(port: Port) -> Signals:
    return (
        ("arvalid", 1, False), ("arready", 1, True), ("araddr", 64, False), ("arlen", 8, False),
        ("rvalid", 1, True), ("rready", 1, False), ("rdata", 8 * memory_bytes(port), True), ("rresp", 2, True),
        ("rlast", 1, True),
    )  # fmt: skip


def _write(port: Port) -> Signals:
    return (
        ("awvalid", 1, False), ("awready", 1, True), ("awaddr", 64, False), ("awlen", 8, False),
        ("wvalid", 1, False), ("wready", 1, True), ("wdata", 8 * memory_bytes(port), False),
        ("wstrb", memory_bytes(port), False), ("wlast", 1, False),
        ("bvalid", 1, True), ("bready", 1, False), ("bresp", 2, True),
    )  # fmt: skip


def _burst(port: Port) -> int:
    return min(MAX_BURST_BEATS, MAX_BURST_BYTES // memory_bytes(port))


def _declared(ports: Mapping[str, Signals]) -> list[str]:
    lines = [
        f"  {'input ' if comes else 'output'} wire {f'[{bits - 1}:0] ' if bits > 1 else ''}{port}_{name},"
        for port, signals in ports.items()
        for name, bits, comes in signals
    ]
    return [*lines[:-1], lines[-1].rstrip(",")]


def _half(half: int) -> dict[str, str]:
    """One subordinate's ends of the wires behind the split."""
    places = {
        name: "" if name in _SHARED else f"[{half}]" if bits == 1 else f"[{bits * half + bits - 1}:{bits * half}]"
        for name, bits, _ in _BUS
    }
    return {f"s_axi_{name}": f"bus_{name}{place}" for name, place in places.items()}


def _stream(port: str, wires: str) -> dict[str, str]:
    return {f"{port}_{one}": f"{wires}_{one}" for one in ("tdata", "tvalid", "tlast", "tready")}


def _joined(wires: Mapping[str, str]) -> list[str]:
    words = ", ".join(f".{port}({wire})" for port, wire in wires.items())
    return textwrap.wrap(f"{words});", 112, initial_indent="    ", subsequent_indent="    ")
