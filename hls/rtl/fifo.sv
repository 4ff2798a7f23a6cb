// SPDX-License-Identifier: Apache-2.0
// First in, first out: DEPTH words of WIDTH bits, in LUT RAM where they are few, else in a memory.
//
//   latency  1 cycle: a word that enters in cycle t can leave in cycle t + 1
//   II       1 cycle per word
//
// Both kinds behave alike in every cycle: valid while a word is there, ready while there are fewer than DEPTH.  Both
// handshakes come from registers, so a FIFO also cuts the combinational ready path between two stages.  Synthesis
// chooses between LUT RAM and block RAM for the memory.
`default_nettype none
module fifo #(
  parameter integer WIDTH = 8,
  parameter integer DEPTH = 2    // at least 2; 1 could not pass a word in every cycle
) (
  input  wire             aclk,
  input  wire             aresetn,
  input  wire [WIDTH-1:0] s_axis_tdata,
  input  wire             s_axis_tvalid,
  output wire             s_axis_tready,
  output wire [WIDTH-1:0] m_axis_tdata,
  output wire             m_axis_tvalid,
  input  wire             m_axis_tready
);
  localparam integer FEW = 32;
`ifndef SYNTHESIS
  initial if (DEPTH < 2) $fatal(1, "fifo: DEPTH=%0d; expected at least 2", DEPTH);
`endif
  generate
    if (DEPTH <= FEW) begin : g_few
      fifo_short #(.WIDTH(WIDTH), .DEPTH(DEPTH)) words (
        .aclk(aclk), .aresetn(aresetn),
        .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready),
        .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready));
    end else begin : g_many
      fifo_memory #(.WIDTH(WIDTH), .DEPTH(DEPTH)) words (
        .aclk(aclk), .aresetn(aresetn),
        .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready),
        .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready));
    end
  endgenerate
endmodule
`default_nettype wire
