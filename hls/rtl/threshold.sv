// SPDX-License-Identifier: Apache-2.0
// Staircases of LANES channels per beat: y = start + slope * (how many of a channel's STEPS thresholds x reaches).
//
//   latency  4 + ceil(log2(STEPS)) + ceil(log2(1 + CW)) cycles, where a count has CW = ceil(log2(STEPS + 1)) bits
//   II       1 cycle per beat
//
// Channels come round every BLOCKS beats; word b of a memory belongs to block b, its first lane in the low bits.  A
// threshold is given as its distance from the smallest input (0 is always reached, 2**IN_WIDTH never), a start in the
// format of the result, which must hold every y.  Thresholds may come in any order.  The count is multiplied bit by
// bit, without a DSP block.
`default_nettype none
module threshold #(
  parameter integer LANES          = 2,
  parameter integer BLOCKS         = 4,
  parameter integer STEPS          = 3,
  parameter integer IN_WIDTH       = 8,
  parameter integer IN_SIGNED      = 1,
  parameter integer S_WIDTH        = 2,
  parameter integer S_SIGNED       = 1,
  parameter integer SHIFT          = 0,    // slopes are shifted left to the binary point of the start
  parameter integer OUT_WIDTH      = 6,
  parameter         MEMORY         = "auto",
  parameter         THRESHOLD_FILE = "none",
  parameter         SLOPE_FILE     = "none",
  parameter         START_FILE     = "none"
) (
  input  wire                       aclk,
  input  wire                       aresetn,
  input  wire [LANES*IN_WIDTH-1:0]  s_axis_tdata,
  input  wire                       s_axis_tvalid,
  output wire                       s_axis_tready,
  output wire [LANES*OUT_WIDTH-1:0] m_axis_tdata,
  output wire                       m_axis_tvalid,
  input  wire                       m_axis_tready
);
`ifndef SYNTHESIS
  initial if (STEPS < 1) $fatal(1, "threshold: STEPS=%0d; expected at least 1", STEPS);
`endif
  localparam integer TREE = $clog2(STEPS);               // levels of the tree that counts
  localparam integer CW   = $clog2(STEPS + 1);
  localparam integer TW   = IN_WIDTH + 1;
  localparam integer SUM  = OUT_WIDTH + $clog2(CW + 1);
  localparam integer BW   = (BLOCKS > 1) ? $clog2(BLOCKS) : 1;
  localparam integer QW   = (TREE + 1) * BW;
  localparam integer LAST = TREE + $clog2(CW + 1) + 3;   // the last register
  localparam [TW-1:0] FLIP = TW'(IN_SIGNED != 0) << (IN_WIDTH - 1);   // the sign bit of two's complement

  // What travels with the data: validity, and the block for the memories that are read on the way.
  reg  [LAST:0] valid_q;
  reg  [BW-1:0] block;
  reg  [QW-1:0] block_q;   // delayed by 1, 2, ... cycles, from the low bits up
  wire          advance = ~m_axis_tvalid | m_axis_tready;
  assign s_axis_tready = advance;
  assign m_axis_tvalid = valid_q[LAST];
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      valid_q <= '0;
      block   <= '0;
    end else if (advance) begin
      valid_q <= {valid_q[LAST-1:0], s_axis_tvalid};
      if (s_axis_tvalid) block <= (block == BW'(BLOCKS - 1)) ? '0 : block + 1'b1;
    end
  end
  always_ff @(posedge aclk) if (advance) block_q <= QW'({block_q, block});

  wire [LANES*STEPS*TW-1:0]  thresholds;
  wire [LANES*S_WIDTH-1:0]   slopes;
  wire [LANES*OUT_WIDTH-1:0] starts;
  rom #(.WIDTH(LANES * STEPS * TW), .DEPTH(BLOCKS), .STYLE(MEMORY), .FILE(THRESHOLD_FILE)) threshold_rom (
    .aclk(aclk), .enable(advance), .address(block), .data(thresholds));
  rom #(.WIDTH(LANES * S_WIDTH), .DEPTH(BLOCKS), .STYLE(MEMORY), .FILE(SLOPE_FILE)) slope_rom (
    .aclk(aclk), .enable(advance), .address(block_q[TREE*BW +: BW]), .data(slopes));
  rom #(.WIDTH(LANES * OUT_WIDTH), .DEPTH(BLOCKS), .STYLE(MEMORY), .FILE(START_FILE)) start_rom (
    .aclk(aclk), .enable(advance), .address(block_q[TREE*BW +: BW]), .data(starts));

  reg [LANES*IN_WIDTH-1:0] x1, x2;
  always_ff @(posedge aclk) if (advance) begin
    x1 <= s_axis_tdata;
    x2 <= x1;
  end

  generate
    for (genvar i = 0; i < LANES; i = i + 1) begin : g_lane
      wire [IN_WIDTH-1:0] x = x2[i*IN_WIDTH +: IN_WIDTH];
      wire [TW-1:0]       distance = {1'b0, x} ^ FLIP;
      reg  [STEPS-1:0]    reached;
      wire [TREE:0]       count;
      for (genvar k = 0; k < STEPS; k = k + 1) begin : g_step
        always_ff @(posedge aclk) if (advance) reached[k] <= (distance >= thresholds[(i*STEPS + k)*TW +: TW]);
      end
      adder_tree #(.COUNT(STEPS), .WIDTH(1), .IS_SIGNED(0)) count_up (
        .aclk(aclk), .enable({((STEPS > 1) ? $clog2(STEPS) : 1){advance}}), .terms(reached), .sum(count));

      // The start, and the slope times every bit of the count.
      wire sign = (S_SIGNED != 0) & slopes[i*S_WIDTH + S_WIDTH - 1];
      wire signed [S_WIDTH:0] slope = $signed({sign, slopes[i*S_WIDTH +: S_WIDTH]});
      wire [OUT_WIDTH-1:0]    climb = OUT_WIDTH'(slope) << SHIFT;
      reg  [(CW+1)*OUT_WIDTH-1:0] terms;
      wire [SUM-1:0]          sum;
      always_ff @(posedge aclk) if (advance) terms[0 +: OUT_WIDTH] <= starts[i*OUT_WIDTH +: OUT_WIDTH];
      for (genvar k = 0; k < CW; k = k + 1) begin : g_bit
        always_ff @(posedge aclk) if (advance)
          terms[(k+1)*OUT_WIDTH +: OUT_WIDTH] <= count[k] ? climb << k : '0;
      end
      adder_tree #(.COUNT(CW + 1), .WIDTH(OUT_WIDTH)) sum_up (
        .aclk(aclk), .enable({$clog2(CW + 1){advance}}), .terms(terms), .sum(sum));
      assign m_axis_tdata[i*OUT_WIDTH +: OUT_WIDTH] = sum[OUT_WIDTH-1:0];   // sums on the way may be wider
      wire unused = &{1'b0, count, slope, sum};
    end
  endgenerate
endmodule
`default_nettype wire
