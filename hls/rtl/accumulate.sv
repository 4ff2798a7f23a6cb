// SPDX-License-Identifier: Apache-2.0
// Sums of PIXELS successive pixels of BLOCKS beats each, for every one of LANES channels per beat.
//
//   latency  PIXELS * BLOCKS - 1 + 1 cycles from the first beat in to the last beat out
//   II       PIXELS * BLOCKS cycles per sum of a pixel's channels
//
// With BLOCKS = 1 it sums the positions of one window (behind a sliding_window with one group per block), else of the
// whole image.  ACC_WIDTH must hold the sum with its sign.  A block's sum so far comes back when its turn is again:
// from registers while there are few blocks, else from a memory that is read two beats ahead.
`default_nettype none
module accumulate #(
  parameter integer LANES     = 1,
  parameter integer IN_WIDTH  = 8,
  parameter integer IN_SIGNED = 1,
  parameter integer ACC_WIDTH = 12,
  parameter integer PIXELS    = 4,
  parameter integer BLOCKS    = 2,
  parameter integer BANK      = 512   // of the memory; see ram
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
  localparam integer FEW = 3;   // blocks that a memory would be too slow for
`ifndef SYNTHESIS
  initial if (ACC_WIDTH <= IN_WIDTH - IN_SIGNED)
    $fatal(1, "accumulate: ACC_WIDTH=%0d does not hold %0d bits", ACC_WIDTH, IN_WIDTH);
`endif
  localparam integer PW = (PIXELS > 1) ? $clog2(PIXELS) : 1;
  localparam integer BW = (BLOCKS > 1) ? $clog2(BLOCKS) : 1;
  localparam integer W  = LANES * ACC_WIDTH;
  reg [PW-1:0] pixel;
  reg [BW-1:0] block;
  reg          first, done;   // first pixel of a sum; a sum is ready
  wire push       = s_axis_tvalid & s_axis_tready;
  wire last       = (pixel == PW'(PIXELS - 1));
  wire block_last = (block == BW'(BLOCKS - 1));
  assign s_axis_tready = ~done | m_axis_tready;
  assign m_axis_tvalid = done;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      pixel <= '0;
      block <= '0;
      first <= 1'b1;
      done  <= 1'b0;
    end else begin
      if (push) block <= block_last ? '0 : block + 1'b1;
      if (push & block_last) begin
        pixel <= last ? '0 : pixel + 1'b1;
        first <= last;
      end
      if (s_axis_tready) done <= push & last;
    end
  end

  wire [W-1:0] old;   // the block's sum so far
  reg  [W-1:0] sum;
  generate
    for (genvar i = 0; i < LANES; i = i + 1) begin : g_lane
      wire sign = (IN_SIGNED != 0) & s_axis_tdata[i*IN_WIDTH + IN_WIDTH - 1];
      wire signed [IN_WIDTH:0] x = $signed({sign, s_axis_tdata[i*IN_WIDTH +: IN_WIDTH]});
      always_ff @(posedge aclk) if (push)
        sum[i*ACC_WIDTH +: ACC_WIDTH] <= (first ? '0 : old[i*ACC_WIDTH +: ACC_WIDTH]) + ACC_WIDTH'(x);
      wire unused = &{1'b0, x};
    end
    if (BLOCKS == 1) begin : g_one
      assign old = sum;
    end else if (BLOCKS <= FEW) begin : g_few
      reg [(BLOCKS-1)*W-1:0] earlier;   // the newest in the low bits
      always_ff @(posedge aclk) if (push) earlier <= ((BLOCKS-1)*W)'({earlier, sum});
      assign old = earlier[(BLOCKS-2)*W +: W];
    end else begin : g_many
      reg [BW-1:0] previous, ahead;   // the block of the beat before; of the beat after the next
      always_ff @(posedge aclk) begin
        if (!aresetn) ahead <= BW'(2);
        else if (push) ahead <= (ahead == BW'(BLOCKS - 1)) ? '0 : ahead + 1'b1;
      end
      always_ff @(posedge aclk) if (push) previous <= block;
      ram #(.WIDTH(W), .DEPTH(BLOCKS), .BANK(BANK)) sums (
        .aclk(aclk), .write(push), .write_address(previous), .write_data(sum),
        .read(push), .read_address(ahead), .read_data(old));
    end
  endgenerate
  assign m_axis_tdata = sum;
endmodule
`default_nettype wire
