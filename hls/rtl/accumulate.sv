// SPDX-License-Identifier: Apache-2.0
// Sums of PIXELS successive pixels of BLOCKS beats each, for every one of LANES channels per beat.
//
//   latency  PIXELS * BLOCKS - 1 + 1 cycles from the first beat in to the last beat out
//   II       PIXELS * BLOCKS cycles per sum of a pixel's channels
//
// With BLOCKS = 1 it sums the positions of one window (behind a sliding_window with GROUPS = BLOCKS), else of the
// whole image.  ACC_WIDTH must hold the sum with its sign.
`default_nettype none
module accumulate #(
  parameter integer LANES     = 1,
  parameter integer IN_WIDTH  = 8,
  parameter integer IN_SIGNED = 1,
  parameter integer ACC_WIDTH = 12,
  parameter integer PIXELS    = 4,
  parameter integer BLOCKS    = 2
) (
  input  wire                       aclk,
  input  wire                       aresetn,
  input  wire [LANES*IN_WIDTH-1:0]  s_axis_tdata,
  input  wire                       s_axis_tvalid,
  output wire                       s_axis_tready,
  output wire [LANES*ACC_WIDTH-1:0] m_axis_tdata,
  output wire                       m_axis_tvalid,
  input  wire                       m_axis_tready
);
`ifndef SYNTHESIS
  initial if (ACC_WIDTH <= IN_WIDTH - IN_SIGNED)
    $fatal(1, "accumulate: ACC_WIDTH=%0d does not hold %0d bits", ACC_WIDTH, IN_WIDTH);
`endif
  localparam integer PW = (PIXELS > 1) ? $clog2(PIXELS) : 1;
  localparam integer BW = (BLOCKS > 1) ? $clog2(BLOCKS) : 1;
  reg [PW-1:0] pixel;
  reg [BW-1:0] block;
  reg          done;
  wire push       = s_axis_tvalid & s_axis_tready;
  wire first      = (pixel == '0);
  wire last       = (pixel == PW'(PIXELS - 1));
  wire block_last = (block == BW'(BLOCKS - 1));
  assign s_axis_tready = ~done | m_axis_tready;
  assign m_axis_tvalid = done;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      pixel <= '0;
      block <= '0;
      done  <= 1'b0;
    end else begin
      if (push) block <= block_last ? '0 : block + 1'b1;
      if (push & block_last) pixel <= last ? '0 : pixel + 1'b1;
      if (s_axis_tready) done <= push & last;
    end
  end

  reg  [LANES*ACC_WIDTH-1:0] sums [0:BLOCKS-1];
  reg  [LANES*ACC_WIDTH-1:0] result;
  wire [LANES*ACC_WIDTH-1:0] old = sums[block];
  wire [LANES*ACC_WIDTH-1:0] sum;
  generate
    for (genvar i = 0; i < LANES; i = i + 1) begin : g_lane
      wire sign = (IN_SIGNED != 0) & s_axis_tdata[i*IN_WIDTH + IN_WIDTH - 1];
      wire signed [IN_WIDTH:0] x = $signed({sign, s_axis_tdata[i*IN_WIDTH +: IN_WIDTH]});
      assign sum[i*ACC_WIDTH +: ACC_WIDTH] = (first ? '0 : old[i*ACC_WIDTH +: ACC_WIDTH]) + ACC_WIDTH'(x);
      wire unused = &{1'b0, x};
    end
  endgenerate
  always_ff @(posedge aclk) if (push) begin
    sums[block] <= sum;
    result      <= sum;
  end
  assign m_axis_tdata = result;
endmodule
`default_nettype wire
