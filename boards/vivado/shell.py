# SPDX-License-Identifier: Apache-2.0
"""The Verilog module ``accelerator``: what a block design sees, with words as wide as AXI DMA has them.

For emitted SystemVerilog it holds all of ``top``. For an hls4ml network, which stands beside it as an IP of its own, it
holds the same registers, counters and TLAST, and offers a pair of streams to the network: one driver serves both.
"""

import textwrap

from boards.manifest import Port
from boards.vivado.accelerator import RTL, Accelerator
from hls.templates import sources
from hls.verilog import BUS, BUS_SIGNALS
from hwsim.fixed import FixedPoint

NAME = "accelerator"
STAMPS = 64  # images on their way whose latency is timed; more only sets a status bit
_BUS_NET = ", ".join(f".{name}({name})" for name in BUS_SIGNALS)


def data_bits(port: Port) -> int:
    """Width of a beat without the words' padding: whole bytes."""
    return 8 * -(-FixedPoint.parse(port.format).width * port.lanes // 8)


def modules(accelerator: Accelerator) -> tuple[str, ...]:
    """Modules of ``hls/rtl`` that the shell needs beside the accelerator's own files."""
    return () if accelerator.flow == RTL else sources({"control", "frame_last"})


def text(accelerator: Accelerator) -> str:
    """The module's Verilog; plain Verilog-2001, as Vivado's IP packager wants its top."""
    body = _around_top(accelerator) if accelerator.flow == RTL else _around_streams(accelerator)
    return "\n".join([*_head(accelerator), *body, "endmodule", "`default_nettype wire"]) + "\n"


def _head(accelerator: Accelerator) -> list[str]:
    source, result = accelerator.input, accelerator.output
    streams = "s_axi:s_axis:m_axis" if accelerator.flow == RTL else "s_axi:s_axis:m_axis:to_core:from_core"
    ports = [
        '  (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 aclk CLK" *)',
        f'  (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF {streams}, ASSOCIATED_RESET aresetn" *)',
        "  input  wire aclk,",
        '  (* X_INTERFACE_INFO = "xilinx.com:signal:reset:1.0 aresetn RST" *)',
        '  (* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)',
        "  input  wire aresetn,",
        BUS.strip("\n"),
        *_stream("input ", "output", "s_axis", 8 * source.word_bytes, last=True),
        *_stream("output", "input ", "m_axis", 8 * result.word_bytes, last=True),
    ]
    if accelerator.flow != RTL:
        ports += [
            '  (* X_INTERFACE_INFO = "xilinx.com:signal:reset:1.0 core_aresetn RST" *)',
            '  (* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)',
            "  output wire core_aresetn,",
            *_stream("output", "input ", "to_core", data_bits(source), last=False),
            *_stream("input ", "output", "from_core", data_bits(result), last=False),
        ]
    ports[-1] = ports[-1].rstrip(",")
    return [
        f"// {NAME}: network {accelerator.network_hash} behind AXI DMA.",
        f"// In: {source.lanes} x {source.format} in words of {source.word_bytes} bytes, {source.beats} per image.",
        f"// Out: {result.lanes} x {result.format} in words of {result.word_bytes} bytes, {result.beats} per image.",
        "`default_nettype none",
        f"module {NAME} (",
        *ports,
        ");",
    ]


def _stream(data: str, ready: str, name: str, width: int, *, last: bool) -> list[str]:
    lines = [f"  {data} wire [{width - 1}:0] {name}_tdata,", f"  {data} wire {name}_tvalid,"]
    if last:
        lines.append(f"  {data} wire {name}_tlast,")
    return [*lines, f"  {ready} wire {name}_tready,"]


def _around_top(accelerator: Accelerator) -> list[str]:
    source, result = accelerator.input, accelerator.output
    return [
        *_unused(source),
        f"  wire [{data_bits(result) - 1}:0] result;",
        f"  assign m_axis_tdata = {_padded('result', result)};",
        "  top u_top (",
        "    .aclk(aclk), .aresetn(aresetn),",
        *textwrap.wrap(f"{_BUS_NET},", 112, initial_indent="    ", subsequent_indent="    "),
        f"    .s_axis_tdata(s_axis_tdata[{data_bits(source) - 1}:0]), .s_axis_tvalid(s_axis_tvalid),",
        "    .s_axis_tready(s_axis_tready), .s_axis_tlast(s_axis_tlast),",
        "    .m_axis_tdata(result), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready),",
        "    .m_axis_tlast(m_axis_tlast));",
    ]


def _around_streams(accelerator: Accelerator) -> list[str]:
    source, result = accelerator.input, accelerator.output
    bits = data_bits(result)
    return [
        *_unused(source),
        f"  wire [{bits - 1}:0] result;",
        "  wire valid, ready, last;",
        f"  assign to_core_tdata = s_axis_tdata[{data_bits(source) - 1}:0];",
        f"  assign m_axis_tdata = {_padded('result', result)};",
        f"  frame_last #(.WIDTH({bits}), .BEATS({result.beats})) u_last (",
        "    .aclk(aclk), .aresetn(core_aresetn),",
        "    .s_axis_tdata(from_core_tdata), .s_axis_tvalid(from_core_tvalid), .s_axis_tready(from_core_tready),",
        "    .m_axis_tdata(result), .m_axis_tvalid(valid), .m_axis_tlast(last), .m_axis_tready(ready));",
        "  control #(",
        f"    .NETWORK(64'h{accelerator.network_hash}), .BEATS_IN({source.beats}), .OUT_BYTES({bits // 8}), "
        f".STAMPS({STAMPS})",
        "  ) u_control (",
        "    .aclk(aclk), .aresetn(aresetn),",
        *textwrap.wrap(f"{_BUS_NET},", 112, initial_indent="    ", subsequent_indent="    "),
        "    .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready), .s_axis_tlast(s_axis_tlast),",
        "    .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready), .m_axis_tlast(m_axis_tlast),",
        "    .core_aresetn(core_aresetn), .core_s_axis_tvalid(to_core_tvalid), .core_s_axis_tready(to_core_tready),",
        "    .core_m_axis_tdata(result), .core_m_axis_tvalid(valid), .core_m_axis_tready(ready),",
        "    .core_m_axis_tlast(last));",
    ]


def _unused(port: Port) -> list[str]:
    used, width = data_bits(port), 8 * port.word_bytes
    return [f"  wire unused = &{{1'b0, s_axis_tdata[{width - 1}:{used}]}};"] if used < width else []


def _padded(signal: str, port: Port) -> str:
    padding = 8 * port.word_bytes - data_bits(port)
    return f"{{{padding}'d0, {signal}}}" if padding else signal
