# SPDX-License-Identifier: Apache-2.0
"""The text of an emitted design: its units joined by wires (core), and what the outside sees (top).

core is all that computes. top puts the registers of :mod:`hls.registers` around it; it is plain Verilog, because
Vivado's IP packager takes no SystemVerilog file as the top (AMD UG1118, "Top-Level HDL Requirements").
"""

import textwrap
from collections.abc import Collection

from hls.dataflow import Dataflow, Stream
from hls.templates.unit import Unit

TOP = "top"
CORE = "core"
MAX_STAMPS = 1024  # frames that are timed at once; 32 bits each

#: The ports of the registers' AXI4-Lite bus.
BUS = """
  input  wire [11:0] s_axi_awaddr,
  input  wire [2:0] s_axi_awprot,
  input  wire s_axi_awvalid,
  output wire s_axi_awready,
  input  wire [31:0] s_axi_wdata,
  input  wire [3:0] s_axi_wstrb,
  input  wire s_axi_wvalid,
  output wire s_axi_wready,
  output wire [1:0] s_axi_bresp,
  output wire s_axi_bvalid,
  input  wire s_axi_bready,
  input  wire [11:0] s_axi_araddr,
  input  wire [2:0] s_axi_arprot,
  input  wire s_axi_arvalid,
  output wire s_axi_arready,
  output wire [31:0] s_axi_rdata,
  output wire [1:0] s_axi_rresp,
  output wire s_axi_rvalid,
  input  wire s_axi_rready,
"""
BUS_SIGNALS = tuple(line.split()[-1].rstrip(",") for line in BUS.strip().splitlines())


def data_bytes(stream: Stream) -> int:
    """AXI4-Stream's TDATA is whole bytes."""
    return -(-stream.format.width * stream.lanes // 8)


def frames_on_the_way(dataflow: Dataflow) -> int:
    """More frames than the design can hold at once, as a power of two: what FIFOs store and what is being computed."""
    held = 1
    for unit in dataflow.units:
        held += unit.timing.latency // unit.timing.interval + 1
        held += int(unit.parameters.get("DEPTH", 0)) // unit.timing.beats_in
    return int(min(1 << held.bit_length(), MAX_STAMPS))


def tap_file(wire: str) -> str:
    """Where a simulation writes the beats of a wire that is tapped, in the folder it runs in."""
    return f"{wire}.beats"


def core(dataflow: Dataflow, taps: Collection[str] = ()) -> str:
    """Module core: the units between an AXI4-Stream in and one out, TLAST at the end of every image.

    Args:
        taps: wires whose beats a simulation shall write down, see :func:`tap_file`.
    """
    source, result = dataflow.input, dataflow.output
    in_bits, out_bits = source.format.width * source.lanes, result.format.width * result.lanes
    lines = [
        *_header(dataflow),
        "`default_nettype none",
        f"module {CORE} (",
        "  input  wire aclk,",
        "  input  wire aresetn,",
        f"  input  wire [{8 * data_bytes(source) - 1}:0] s_axis_tdata,",
        "  input  wire s_axis_tvalid,",
        "  output wire s_axis_tready,",
        f"  output wire [{8 * data_bytes(result) - 1}:0] m_axis_tdata,",
        "  output wire m_axis_tvalid,",
        "  output wire m_axis_tlast,",
        "  input  wire m_axis_tready",
        ");",
    ]
    for name, width in dataflow.wires.items():
        lines += [f"  wire [{width - 1}:0] w_{name};", f"  wire v_{name}, r_{name};"]
    lines += [
        f"  assign w_{source.wire} = s_axis_tdata[{in_bits - 1}:0];",
        f"  assign v_{source.wire} = s_axis_tvalid;",
        f"  assign s_axis_tready = r_{source.wire};",
    ]
    if in_bits % 8:
        lines.append("  wire unused = &{1'b0, s_axis_tdata};")
    for unit in dataflow.units:
        lines += _instance(unit)
    lines += [
        f'  tap #(.WIDTH({dataflow.wires[wire]}), .FILE("{tap_file(wire)}")) t_{wire} (.aclk(aclk), .aresetn(aresetn), '
        f".axis_tdata(w_{wire}), .axis_tvalid(v_{wire}), .axis_tready(r_{wire}));"
        for wire in taps
    ]
    padding = 8 * data_bytes(result) - out_bits
    last = f"{{{padding}'d0, w_{result.wire}}}" if padding else f"w_{result.wire}"
    lines += [
        f"  frame_last #(.WIDTH({8 * data_bytes(result)}), .BEATS({result.beats})) u_last (",
        "    .aclk(aclk), .aresetn(aresetn),",
        f"    .s_axis_tdata({last}), .s_axis_tvalid(v_{result.wire}), .s_axis_tready(r_{result.wire}),",
        "    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tlast(m_axis_tlast),",
        "    .m_axis_tready(m_axis_tready));",
        "endmodule",
        "`default_nettype wire",
    ]
    return "\n".join(lines) + "\n"


def top(dataflow: Dataflow) -> str:
    """Module top: the core and its registers, with port names that Vivado's IP packager recognises."""
    source, result = dataflow.input, dataflow.output
    parameters = (
        f".NETWORK(64'h{dataflow.network_hash}), .BEATS_IN({source.beats}), .OUT_BYTES({data_bytes(result)}), "
        f".STAMPS({frames_on_the_way(dataflow)})"
    )
    bus = ", ".join(f".{name}({name})" for name in BUS_SIGNALS)
    lines = [
        *_header(dataflow),
        "// Registers: manifest.json.",
        "`default_nettype none",
        f"module {TOP} (",
        '  (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 aclk CLK" *)',
        '  (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axi:s_axis:m_axis, ASSOCIATED_RESET aresetn" *)',
        "  input  wire aclk,",
        '  (* X_INTERFACE_INFO = "xilinx.com:signal:reset:1.0 aresetn RST" *)',
        '  (* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)',
        "  input  wire aresetn,",
        BUS.strip("\n"),
        f"  input  wire [{8 * data_bytes(source) - 1}:0] s_axis_tdata,",
        "  input  wire s_axis_tvalid,",
        "  output wire s_axis_tready,",
        "  input  wire s_axis_tlast,",
        f"  output wire [{8 * data_bytes(result) - 1}:0] m_axis_tdata,",
        "  output wire m_axis_tvalid,",
        "  input  wire m_axis_tready,",
        "  output wire m_axis_tlast",
        ");",
        "  wire core_aresetn, in_valid, in_ready, out_valid, out_ready, out_last;",
        "  control #(",
        f"    {parameters}",
        "  ) u_control (",
        "    .aclk(aclk), .aresetn(aresetn),",
        *textwrap.wrap(f"{bus},", 112, initial_indent="    ", subsequent_indent="    "),
        "    .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready), .s_axis_tlast(s_axis_tlast),",
        "    .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready), .m_axis_tlast(m_axis_tlast),",
        "    .core_aresetn(core_aresetn), .core_s_axis_tvalid(in_valid), .core_s_axis_tready(in_ready),",
        "    .core_m_axis_tdata(m_axis_tdata), .core_m_axis_tvalid(out_valid), .core_m_axis_tready(out_ready),",
        "    .core_m_axis_tlast(out_last));",
        f"  {CORE} u_core (",
        "    .aclk(aclk), .aresetn(core_aresetn),",
        "    .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(in_valid), .s_axis_tready(in_ready),",
        "    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(out_valid), .m_axis_tready(out_ready),",
        "    .m_axis_tlast(out_last));",
        "endmodule",
        "`default_nettype wire",
    ]
    return "\n".join(lines) + "\n"


def _header(dataflow: Dataflow) -> list[str]:
    source, result = dataflow.input, dataflow.output
    return [
        f"// {dataflow.name}: generated from network {dataflow.network_hash}.",
        f"// In: {source.lanes} x {source.format} per beat, {source.beats} beats per image.",
        f"// Out: {result.lanes} x {result.format} per beat, {result.beats} beats per image, TLAST on the last.",
        f"// The slowest unit takes {dataflow.interval} cycles per image.",
    ]


def _instance(unit: Unit) -> list[str]:
    parameters = ", ".join(f".{name}({value})" for name, value in unit.parameters.items())
    return [
        f"  // {unit.layer}: latency {unit.timing.latency}, interval {unit.timing.interval} cycles",
        f"  {unit.module} #(",
        *textwrap.wrap(parameters, 112, initial_indent="    ", subsequent_indent="    "),
        f"  ) u_{unit.name} (",
        "    .aclk(aclk), .aresetn(aresetn),",
        f"    {_side('s', unit.inputs)},",
        f"    {_side('m', unit.outputs)});",
    ]


def _side(end: str, wires: tuple[str, ...]) -> str:
    """The ports of one side: several wires side by side, the first in the low bits."""
    signals = (("tdata", "w"), ("tvalid", "v"), ("tready", "r"))
    joined = {signal: ", ".join(f"{prefix}_{wire}" for wire in reversed(wires)) for signal, prefix in signals}
    return ", ".join(
        f".{end}_axis_{signal}({{{names}}})" if len(wires) > 1 else f".{end}_axis_{signal}({names})"
        for signal, names in joined.items()
    )
