// SPDX-License-Identifier: Apache-2.0
// Marks the last of every BEATS beats with TLAST.
//
//   latency  0 cycles
//   II       1 cycle per beat
`default_nettype none
module frame_last #(
  parameter integer WIDTH = 8,
  parameter integer BEATS = 4
) (
  input  wire             aclk,
  input  wire             aresetn,
  input  wire [WIDTH-1:0] s_axis_tdata,
  input  wire             s_axis_tvalid,
  output wire             s_axis_tready,
  output wire [WIDTH-1:0] m_axis_tdata,
  output wire             m_axis_tvalid,
  output wire             m_axis_tlast,
  input  wire             m_axis_tready
);
  localparam integer BW = (BEATS > 1) ? $clog2(BEATS) : 1;
  reg [BW-1:0] beat;
  assign s_axis_tready = m_axis_tready;
  assign m_axis_tdata  = s_axis_tdata;
  assign m_axis_tvalid = s_axis_tvalid;
  assign m_axis_tlast  = (beat == BW'(BEATS - 1));

  always_ff @(posedge aclk) begin
    if (!aresetn) beat <= '0;
    else if (m_axis_tvalid & m_axis_tready) beat <= m_axis_tlast ? '0 : beat + 1'b1;
  end
endmodule
`default_nettype wire
