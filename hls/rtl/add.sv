// SPDX-License-Identifier: Apache-2.0
// The sums of COUNT streams, LANES signed values per beat; a beat passes when all streams have one.
//
//   latency  ceil(log2(COUNT)) cycles
//   II       1 cycle per beat
//
// The streams stand side by side, the first in the low bits.  WIDTH must hold the sum.
`default_nettype none
module add #(
  parameter integer COUNT = 2,
  parameter integer LANES = 1,
  parameter integer WIDTH = 9
) (
  input  wire                         aclk,
  input  wire                         aresetn,
  input  wire [COUNT*LANES*WIDTH-1:0] s_axis_tdata,
  input  wire [COUNT-1:0]             s_axis_tvalid,
  output wire [COUNT-1:0]             s_axis_tready,
  output wire [LANES*WIDTH-1:0]       m_axis_tdata,
  output wire                         m_axis_tvalid,
  input  wire                         m_axis_tready
);
  localparam integer STEPS = $clog2(COUNT);
`ifndef SYNTHESIS
  initial if (COUNT < 2) $fatal(1, "add: COUNT=%0d; expected at least 2", COUNT);
`endif
  reg  [STEPS-1:0] valid_q;
  wire advance = ~m_axis_tvalid | m_axis_tready;
  wire push    = advance & (&s_axis_tvalid);
  assign s_axis_tready = {COUNT{push}};
  assign m_axis_tvalid = valid_q[STEPS-1];
  wire [STEPS-1:0] moving = STEPS'({valid_q, push});
  generate
    for (genvar i = 0; i < STEPS; i = i + 1) begin : g_step
      if (i == 0) begin : g_enter
        always_ff @(posedge aclk) if (!aresetn) valid_q[0] <= 1'b0; else if (advance) valid_q[0] <= push;
      end else begin : g_next
        always_ff @(posedge aclk) if (!aresetn) valid_q[i] <= 1'b0; else if (advance) valid_q[i] <= valid_q[i-1];
      end
    end
    for (genvar i = 0; i < LANES; i = i + 1) begin : g_lane
      wire [COUNT*WIDTH-1:0] terms;
      for (genvar k = 0; k < COUNT; k = k + 1) begin : g_term
        assign terms[k*WIDTH +: WIDTH] = s_axis_tdata[(k*LANES + i)*WIDTH +: WIDTH];
      end
      adder_tree #(.COUNT(COUNT), .WIDTH(WIDTH), .SUM_WIDTH(WIDTH)) tree (
        .aclk(aclk), .enable({STEPS{advance}} & moving), .terms(terms), .sum(m_axis_tdata[i*WIDTH +: WIDTH]));
    end
  endgenerate
endmodule
`default_nettype wire
