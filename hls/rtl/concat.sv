// SPDX-License-Identifier: Apache-2.0
// Joins the channels of COUNT images: of every pixel the beats of the first, then of the second, and so on.
//
//   latency  1 cycle
//   II       1 cycle per beat, the sum of BEATS per pixel
//
// The streams stand side by side, the first in the low bits; so do the numbers of beats per pixel, 16 bits each.
`default_nettype none
module concat #(
  parameter integer            COUNT = 2,
  parameter integer            WIDTH = 8,               // bits per beat
  parameter integer            MOST  = 2,               // the largest of BEATS
  parameter [16*COUNT-1:0]     BEATS = {COUNT{16'd2}}
) (
  input  wire                   aclk,
  input  wire                   aresetn,
  input  wire [COUNT*WIDTH-1:0] s_axis_tdata,
  input  wire [COUNT-1:0]       s_axis_tvalid,
  output wire [COUNT-1:0]       s_axis_tready,
  output wire [WIDTH-1:0]       m_axis_tdata,
  output wire                   m_axis_tvalid,
  input  wire                   m_axis_tready
);
`ifndef SYNTHESIS
  initial if (COUNT < 2) $fatal(1, "concat: COUNT=%0d; expected at least 2", COUNT);
`endif
  localparam integer BW = $clog2(MOST + 1);
  reg  [COUNT-1:0] turn;   // whose beats pass: one bit
  reg  [BW-1:0]    beat;
  reg              valid;
  reg  [WIDTH-1:0] result;
  wire [COUNT-1:0] last;
  wire advance = ~valid | m_axis_tready;
  wire given   = |(turn & s_axis_tvalid);
  wire ends    = |(turn & last);
  assign s_axis_tready = turn & {COUNT{advance}};
  assign m_axis_tvalid = valid;
  assign m_axis_tdata  = result;

  wire [WIDTH-1:0] chosen;
  generate
    for (genvar i = 0; i < COUNT; i = i + 1) begin : g_last
      assign last[i] = (beat == BW'(BEATS[i*16 +: 16] - 16'd1));
    end
    for (genvar j = 0; j < WIDTH; j = j + 1) begin : g_bit
      wire [COUNT-1:0] bits;
      for (genvar i = 0; i < COUNT; i = i + 1) begin : g_stream
        assign bits[i] = s_axis_tdata[i*WIDTH + j];
      end
      assign chosen[j] = |(turn & bits);
    end
  endgenerate

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      turn  <= COUNT'(1);
      beat  <= '0;
      valid <= 1'b0;
    end else if (advance) begin
      valid <= given;
      if (given) beat <= ends ? '0 : beat + 1'b1;
      if (given & ends) turn <= {turn[COUNT-2:0], turn[COUNT-1]};
    end
  end
  always_ff @(posedge aclk) if (advance) result <= chosen;
endmodule
`default_nettype wire
