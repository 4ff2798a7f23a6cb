// SPDX-License-Identifier: Apache-2.0
// Gives every beat to COUNT readers, each of which takes it when it is ready.
//
//   latency  0 cycles
//   II       1 cycle per beat, when all readers are ready
//
// The readers stand side by side, the first in the low bits.  `fork` is a keyword, hence the name.
`default_nettype none
module stream_fork #(
  parameter integer WIDTH = 8,
  parameter integer COUNT = 2
) (
  input  wire                   aclk,
  input  wire                   aresetn,
  input  wire [WIDTH-1:0]       s_axis_tdata,
  input  wire                   s_axis_tvalid,
  output wire                   s_axis_tready,
  output wire [COUNT*WIDTH-1:0] m_axis_tdata,
  output wire [COUNT-1:0]       m_axis_tvalid,
  input  wire [COUNT-1:0]       m_axis_tready
);
  reg [COUNT-1:0] taken;   // who has the present beat already
  assign m_axis_tdata  = {COUNT{s_axis_tdata}};
  assign m_axis_tvalid = {COUNT{s_axis_tvalid}} & ~taken;
  assign s_axis_tready = &(taken | m_axis_tready);

  always_ff @(posedge aclk) begin
    if (!aresetn) taken <= '0;
    else if (s_axis_tvalid) taken <= s_axis_tready ? '0 : taken | m_axis_tready;
  end
endmodule
`default_nettype wire
