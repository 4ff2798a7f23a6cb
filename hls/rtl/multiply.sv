// SPDX-License-Identifier: Apache-2.0
// All products of SIMD inputs and ROWS rows of SIMD weights, exactly: product r * SIMD + i is x[i] w[r * SIMD + i].
//
//   latency  as product_lut (ROWS_PER_DSP = 0) and product_dsp
//   II       1 cycle
//
// ROWS_PER_DSP products of one input share a DSP block; 0 computes in LUTs. ceil(ROWS / ROWS_PER_DSP) * SIMD blocks.
// Fewer share it where its wider operand, of PORT bits, does not hold them; neither bits nor cycles depend on PORT. Who
// synthesises for another family sets its default: 18 for an ECP5.
`default_nettype none
module multiply #(
  parameter integer ROWS         = 3,
  parameter integer SIMD         = 2,
  parameter integer X_WIDTH      = 8,
  parameter integer X_SIGNED     = 1,
  parameter integer W_WIDTH      = 8,
  parameter integer W_SIGNED     = 1,
  parameter integer ROWS_PER_DSP = 2,
  parameter integer SPACING      = 16,  // bits between the weights of a DSP block; see product_dsp
  parameter integer PORT         = 25,  // a DSP48E1
  parameter integer NARROW       = (X_WIDTH < W_WIDTH) ? X_WIDTH : W_WIDTH,                 // follow from the others:
  parameter integer STEPS        = (ROWS_PER_DSP == 0) ? 1 + $clog2((NARROW + 1) / 2) : 4   // latency
) (
  input  wire                                   aclk,
  input  wire [STEPS-1:0]                       enable,   // of the registers one after the other
  input  wire [SIMD*X_WIDTH-1:0]                x,
  input  wire [ROWS*SIMD*W_WIDTH-1:0]           w,
  output wire [ROWS*SIMD*(X_WIDTH+W_WIDTH)-1:0] products
);
  localparam integer WIDTH = X_WIDTH + W_WIDTH;
  localparam integer FIT   = (PORT > W_WIDTH) ? 1 + (PORT - 1 - W_WIDTH) / SPACING : 1;
  localparam integer STEP  = (ROWS_PER_DSP == 0) ? 1 : (ROWS_PER_DSP < FIT) ? ROWS_PER_DSP : FIT;
  generate
    for (genvar i = 0; i < SIMD; i = i + 1) begin : g_column
      for (genvar r = 0; r < ROWS; r = r + STEP) begin : g_rows
        if (ROWS_PER_DSP == 0) begin : g_lut
          product_lut #(.X_WIDTH(X_WIDTH), .X_SIGNED(X_SIGNED), .Y_WIDTH(W_WIDTH), .Y_SIGNED(W_SIGNED)) single (
            .aclk(aclk), .enable(enable), .x(x[i*X_WIDTH +: X_WIDTH]), .y(w[(r*SIMD+i)*W_WIDTH +: W_WIDTH]),
            .product(products[(r*SIMD+i)*WIDTH +: WIDTH]));
        end else begin : g_dsp
          localparam integer COUNT = (ROWS - r < STEP) ? ROWS - r : STEP;
          wire [COUNT*W_WIDTH-1:0] weights;
          wire [COUNT*WIDTH-1:0]   results;
          for (genvar k = 0; k < COUNT; k = k + 1) begin : g_shared
            assign weights[k*W_WIDTH +: W_WIDTH] = w[((r+k)*SIMD+i)*W_WIDTH +: W_WIDTH];
            assign products[((r+k)*SIMD+i)*WIDTH +: WIDTH] = results[k*WIDTH +: WIDTH];
          end
          product_dsp #(
            .ROWS(COUNT), .SPACING(SPACING), .X_WIDTH(X_WIDTH), .X_SIGNED(X_SIGNED), .W_WIDTH(W_WIDTH),
            .W_SIGNED(W_SIGNED)
          ) shared (
            .aclk(aclk), .enable(enable), .x(x[i*X_WIDTH +: X_WIDTH]), .w(weights), .products(results));
        end
      end
    end
  endgenerate
endmodule
`default_nettype wire
