// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution behind a window: for each of CHANNELS channels the exact sum of TAPS products plus a bias, PE
// channels at a time, one tap per cycle.
//
//   BLOCKS = CHANNELS / PE
//   latency  BLOCKS * TAPS - 1 + 4 cycles from the first beat in to the last beat out of one window
//   II       BLOCKS * TAPS cycles per window
//
// A sliding_window with GROUPS = BLOCKS brings the taps of a block one after the other.  Word b * TAPS + t of the
// weights holds tap t of channels b * PE ... b * PE + PE - 1 from the low bits up, word b of the biases theirs.
// ACC_WIDTH must hold the exact result.  A stalled output stops the whole pipeline.
`default_nettype none
module depthwise #(
  parameter integer CHANNELS    = 4,
  parameter integer TAPS        = 9,
  parameter integer PE          = 2,
  parameter integer IN_WIDTH    = 8,
  parameter integer IN_SIGNED   = 1,
  parameter integer W_WIDTH     = 8,
  parameter integer W_SIGNED    = 1,
  parameter integer ACC_WIDTH   = 20,
  parameter integer SHIFT       = 0,    // products are shifted left to the bias's binary point
  parameter         WEIGHT_FILE = "none",
  parameter         BIAS_FILE   = "none"
) (
  input  wire                      aclk,
  input  wire                      aresetn,
  input  wire [PE*IN_WIDTH-1:0]    s_axis_tdata,
  input  wire                      s_axis_tvalid,
  output wire                      s_axis_tready,
  output wire [PE*ACC_WIDTH-1:0]   m_axis_tdata,
  output wire                      m_axis_tvalid,
  input  wire                      m_axis_tready
);
`ifndef SYNTHESIS
  initial if (CHANNELS % PE != 0) $fatal(1, "depthwise: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
`endif
  localparam integer BLOCKS = CHANNELS / PE;
  localparam integer TW     = (TAPS > 1) ? $clog2(TAPS) : 1;
  localparam integer BW     = (BLOCKS > 1) ? $clog2(BLOCKS) : 1;
  localparam integer AW     = (BLOCKS * TAPS > 1) ? $clog2(BLOCKS * TAPS) : 1;
  localparam integer PW     = IN_WIDTH + W_WIDTH + 2;

  reg  [TW-1:0] tap;
  reg  [BW-1:0] block;
  reg  [AW-1:0] address;
  wire          advance    = ~m_axis_tvalid | m_axis_tready;
  wire          tap_last   = (tap == TW'(TAPS - 1));
  wire          block_last = (block == BW'(BLOCKS - 1));
  assign s_axis_tready = advance;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      tap     <= '0;
      block   <= '0;
      address <= '0;
    end else if (advance & s_axis_tvalid) begin
      tap     <= tap_last ? '0 : tap + 1'b1;
      address <= (tap_last & block_last) ? '0 : address + 1'b1;
      if (tap_last) block <= block_last ? '0 : block + 1'b1;
    end
  end

  // What travels with the data through the registers of operand, weight and product.
  reg [2:0]    valid_q, first_q, last_q;
  reg [BW-1:0] block1;
  reg          done;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      valid_q <= '0;
      done    <= 1'b0;
    end else if (advance) begin
      valid_q <= {valid_q[1:0], s_axis_tvalid};
      done    <= valid_q[2] & last_q[2];
    end
  end
  always_ff @(posedge aclk) if (advance) begin
    first_q <= {first_q[1:0], (tap == '0)};
    last_q  <= {last_q[1:0], tap_last};
    block1  <= block;
  end
  assign m_axis_tvalid = done;

  reg [PE*W_WIDTH-1:0]   weights [0:BLOCKS*TAPS-1];
  reg [PE*ACC_WIDTH-1:0] biases [0:BLOCKS-1];
  generate
    if (WEIGHT_FILE != "none") begin : g_weights
      initial $readmemh(WEIGHT_FILE, weights);
    end else begin : g_no_weights
      initial weights[0] = '0;
    end
    if (BIAS_FILE != "none") begin : g_biases
      initial $readmemh(BIAS_FILE, biases);
    end else begin : g_no_biases
      initial biases[0] = '0;
    end
  endgenerate

  reg [PE*IN_WIDTH-1:0]  x1, x2;
  reg [PE*W_WIDTH-1:0]   w1, w2;
  reg [PE*ACC_WIDTH-1:0] b2, b3;
  always_ff @(posedge aclk) if (advance) begin
    x1 <= s_axis_tdata;
    x2 <= x1;
    w1 <= weights[address];
    w2 <= w1;
    b2 <= biases[block1];
    b3 <= b2;
  end

  generate
    for (genvar p = 0; p < PE; p = p + 1) begin : g_channel
      wire x_sign = (IN_SIGNED != 0) & x2[p*IN_WIDTH + IN_WIDTH - 1];
      wire w_sign = (W_SIGNED != 0) & w2[p*W_WIDTH + W_WIDTH - 1];
      wire signed [IN_WIDTH:0] x = $signed({x_sign, x2[p*IN_WIDTH +: IN_WIDTH]});
      wire signed [W_WIDTH:0]  w = $signed({w_sign, w2[p*W_WIDTH +: W_WIDTH]});
      wire signed [PW-1:0]     exact = x * w;
      reg  [ACC_WIDTH-1:0]     product, accumulator;
      always_ff @(posedge aclk) if (advance) product <= ACC_WIDTH'(exact) << SHIFT;
      always_ff @(posedge aclk) if (advance & valid_q[2])
        accumulator <= (first_q[2] ? b3[p*ACC_WIDTH +: ACC_WIDTH] : accumulator) + product;
      assign m_axis_tdata[p*ACC_WIDTH +: ACC_WIDTH] = accumulator;
    end
  endgenerate
endmodule
`default_nettype wire
