// SPDX-License-Identifier: Apache-2.0
// The products of ROWS weights and one input in one DSP block.
//
//   latency  4 cycles: operands, product and result, which are the registers of a DSP48, and the products taken apart
//   II       1 cycle
//
// The weights stand SPACING bits apart in one operand, so that sum(w[r] 2**(r SPACING)) x holds all products. A product
// has WIDTH = X_WIDTH + W_WIDTH bits. Where SPACING is less, neighbours overlap by OVERLAP bits: the lowest bits of the
// upper product, which follow from the lowest bits of its factors, are taken out of the lower one. What a lower product
// carries into its neighbour - the borrow of a negative one above all - is taken out of that.
`default_nettype none
module product_dsp #(
  parameter integer ROWS     = 2,
  parameter integer SPACING  = 16,
  parameter integer X_WIDTH  = 8,
  parameter integer X_SIGNED = 1,
  parameter integer W_WIDTH  = 8,
  parameter integer W_SIGNED = 1
) (
  input  wire                              aclk,
  input  wire [3:0]                        enable,   // of the registers one after the other
  input  wire [X_WIDTH-1:0]                x,
  input  wire [ROWS*W_WIDTH-1:0]           w,
  output wire [ROWS*(X_WIDTH+W_WIDTH)-1:0] products
);
  localparam integer WIDTH   = X_WIDTH + W_WIDTH;
  localparam integer OVERLAP = WIDTH - SPACING;
  localparam integer AW      = (ROWS - 1) * SPACING + W_WIDTH + 1;  // weights side by side, with a sign
  localparam integer BW      = X_WIDTH + 1;
  localparam integer NEGATIVE = (X_SIGNED != 0 || W_SIGNED != 0) ? 1 : 0;
`ifndef SYNTHESIS
  initial if (ROWS > 1 && OVERLAP != 0 && (OVERLAP != 2 || X_WIDTH < 2 || W_WIDTH < 2))
    $fatal(1, "product_dsp: SPACING=%0d; expected %0d, or 2 less with operands of at least 2 bits", SPACING, WIDTH);
`endif

  wire signed [ROWS*AW-1:0] sums;   // of the first one, two, ... weights
  generate
    for (genvar r = 0; r < ROWS; r = r + 1) begin : g_pack
      wire signed [W_WIDTH:0] one = {(W_SIGNED != 0) & w[r*W_WIDTH + W_WIDTH - 1], w[r*W_WIDTH +: W_WIDTH]};
      wire signed [AW-1:0] shifted = AW'(one) <<< (r * SPACING);
      if (r == 0) begin : g_first
        assign sums[0 +: AW] = shifted;
      end else begin : g_next
        assign sums[r*AW +: AW] = sums[(r-1)*AW +: AW] + shifted;
      end
    end
  endgenerate

  reg signed [AW-1:0] a;
  reg signed [BW-1:0] b;
  (* use_dsp = "yes" *) reg signed [AW+BW-1:0] m;
  reg signed [AW+BW-1:0] p;
  (* keep *) always_ff @(posedge aclk) if (enable[0]) b <= {(X_SIGNED != 0) & x[X_WIDTH-1], x};
  always_ff @(posedge aclk) if (enable[0]) a <= sums[(ROWS-1)*AW +: AW];
  always_ff @(posedge aclk) if (enable[1]) m <= a * b;
  always_ff @(posedge aclk) if (enable[2]) p <= m;

  generate
    wire [ROWS*WIDTH-1:0] raw;
    for (genvar r = 0; r < ROWS; r = r + 1) begin : g_row
      if (OVERLAP != 0 && r < ROWS - 1) begin : g_overlap
        wire [1:0] factor = w[(r+1)*W_WIDTH +: 2];
        reg  [1:0] low1, low2, low3;   // of the product above
        always_ff @(posedge aclk) if (enable[0]) low1 <= {(factor[1] & x[0]) ^ (factor[0] & x[1]), factor[0] & x[0]};
        always_ff @(posedge aclk) if (enable[1]) low2 <= low1;
        always_ff @(posedge aclk) if (enable[2]) low3 <= low2;
        assign raw[r*WIDTH +: WIDTH] = p[r*SPACING +: WIDTH] - (WIDTH'(low3) << SPACING);
      end else begin : g_clear
        assign raw[r*WIDTH +: WIDTH] = p[r*SPACING +: WIDTH];
      end
      reg [WIDTH-1:0] product;
      if (r == 0) begin : g_lowest
        always_ff @(posedge aclk) if (enable[3]) product <= raw[WIDTH-1:0];
      end else begin : g_carried
        wire signed [WIDTH:0] below = {(NEGATIVE != 0) & raw[r*WIDTH-1], raw[(r-1)*WIDTH +: WIDTH]};
        always_ff @(posedge aclk) if (enable[3]) product <= raw[r*WIDTH +: WIDTH] - WIDTH'(below >>> SPACING);
      end
      assign products[r*WIDTH +: WIDTH] = product;
    end
  endgenerate
  wire unused = &{1'b0, sums, p};
endmodule
`default_nettype wire
