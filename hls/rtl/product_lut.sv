// SPDX-License-Identifier: Apache-2.0
// The product of two variables out of LUTs and carry chains: partial products of the narrower operand, two bits at a
// time, and a tree of adders. Written out, because yosys has no attribute that keeps a `*` out of DSP blocks.
//
//   NARROW = min(X_WIDTH, Y_WIDTH)
//   latency  1 + ceil(log2(ceil(NARROW / 2))) cycles
//   II       1 cycle
`default_nettype none
(* use_dsp = "no" *)
module product_lut #(
  parameter integer X_WIDTH  = 4,
  parameter integer X_SIGNED = 1,
  parameter integer Y_WIDTH  = 4,
  parameter integer Y_SIGNED = 1,
  parameter integer STEPS    = 1 + $clog2((((X_WIDTH < Y_WIDTH) ? X_WIDTH : Y_WIDTH) + 1) / 2)   // follows
) (
  input  wire                       aclk,
  input  wire [STEPS-1:0]           enable,   // of the registers one after the other
  input  wire [X_WIDTH-1:0]         x,
  input  wire [Y_WIDTH-1:0]         y,
  output wire [X_WIDTH+Y_WIDTH-1:0] product
);
  generate
    if (X_WIDTH < Y_WIDTH) begin : g_swap
      product_lut #(.X_WIDTH(Y_WIDTH), .X_SIGNED(Y_SIGNED), .Y_WIDTH(X_WIDTH), .Y_SIGNED(X_SIGNED)) swapped (
        .aclk(aclk), .enable(enable), .x(y), .y(x), .product(product));
    end else begin : g_product
      localparam integer PAIRS = (Y_WIDTH + 1) / 2;
      localparam integer WIDTH = X_WIDTH + Y_WIDTH;
      localparam integer PW    = X_WIDTH + 3;         // -2 x ... 3 x
      localparam integer SUMS  = (STEPS > 1) ? STEPS - 1 : 1;
      wire [STEPS:0]           moves = {1'b0, enable};
      wire [PW-1:0]            one = {{3{(X_SIGNED != 0) & x[X_WIDTH-1]}}, x};
      wire [2*PAIRS-1:0]       bits;
      wire [PAIRS*WIDTH-1:0]   terms;
      if (Y_WIDTH % 2 == 0) begin : g_even
        assign bits = y;
      end else begin : g_odd
        assign bits = {(Y_SIGNED != 0) & y[Y_WIDTH-1], y};
      end
      for (genvar i = 0; i < PAIRS; i = i + 1) begin : g_pair
        wire [PW-1:0] low  = one & {PW{bits[2*i]}};
        wire [PW-1:0] high = {one[PW-2:0], 1'b0} & {PW{bits[2*i+1]}};
        reg signed [PW-1:0] pair;
        // The highest bit of a number in two's complement counts negative.
        if (Y_SIGNED != 0 && i == PAIRS - 1) begin : g_minus
          always_ff @(posedge aclk) if (enable[0]) pair <= low - high;
        end else begin : g_plus
          always_ff @(posedge aclk) if (enable[0]) pair <= low + high;
        end
        wire signed [WIDTH+2:0] wide = (WIDTH + 3)'(pair);
        assign terms[i*WIDTH +: WIDTH] = WIDTH'(wide) << (2 * i);
        wire unused = &{1'b0, wide};
      end
      adder_tree #(.COUNT(PAIRS), .WIDTH(WIDTH), .SUM_WIDTH(WIDTH)) tree (
        .aclk(aclk), .enable(moves[SUMS:1]), .terms(terms), .sum(product));
      wire unused = &{1'b0, moves};
    end
  endgenerate
endmodule
`default_nettype wire
