// SPDX-License-Identifier: Apache-2.0
// PE exact sums of products plus a bias: what all matrix units have in common. A block of weights (PE rows by SIMD
// columns) meets the inputs of its columns in every cycle; the blocks from `first` to `last` make one sum per row.
//
//   MULTIPLY = cycles of multiply
//   latency  MULTIPLY + ceil(log2(SIMD)) + 5 cycles from `last` to the sums
//   II       1 cycle per block
//
// A block's operands come three cycles after its flags: a choice, a memory and the register behind it. PARALLEL vectors
// stand side by side in `x`, each for PE / PARALLEL rows. Word n of the biases, which take turns, holds those of PE rows
// from the low bits up. ACC_WIDTH must hold the exact result; sums on the way may wrap, which modulo arithmetic undoes.
//
// A stalled output stops the whole pipeline: `advance` is low. It enables thousands of registers, so it comes straight
// out of one: the ready of a FIFO with room for what is under way when the output stalls.
`default_nettype none
module multiply_accumulate #(
  parameter integer PE           = 2,
  parameter integer SIMD         = 4,
  parameter integer PARALLEL     = 1,
  parameter integer IN_WIDTH     = 8,
  parameter integer IN_SIGNED    = 1,
  parameter integer W_WIDTH      = 8,
  parameter integer W_SIGNED     = 1,
  parameter integer ACC_WIDTH    = 20,
  parameter integer SHIFT        = 0,    // products are shifted left to the bias's binary point
  parameter integer ROWS_PER_DSP = 2,
  parameter integer SPACING      = 16,
  parameter integer ROW_BLOCKS   = 4,    // words of biases
  parameter         BIAS_FILE    = "none"
) (
  input  wire                              aclk,
  input  wire                              aresetn,
  output wire                              advance,
  input  wire                              issue,
  input  wire                              first,
  input  wire                              last,
  input  wire [PARALLEL*SIMD*IN_WIDTH-1:0] x,
  input  wire [PE*SIMD*W_WIDTH-1:0]        w,
  output wire [PE*ACC_WIDTH-1:0]           m_axis_tdata,
  output wire                              m_axis_tvalid,
  input  wire                              m_axis_tready
);
`ifndef SYNTHESIS
  initial if (PE % PARALLEL != 0) $fatal(1, "multiply_accumulate: PARALLEL=%0d must divide PE=%0d", PARALLEL, PE);
`endif
  localparam integer ROWS     = PE / PARALLEL;
  localparam integer NARROW   = (IN_WIDTH < W_WIDTH) ? IN_WIDTH : W_WIDTH;
  localparam integer MULTIPLY = (ROWS_PER_DSP == 0) ? 1 + $clog2((NARROW + 1) / 2) : 4;
  localparam integer STEPS    = 3 + MULTIPLY + $clog2(SIMD);   // registers in front of the accumulator
  localparam integer LEVELS   = (SIMD > 1) ? $clog2(SIMD) : 1;
  localparam integer PRODUCT  = IN_WIDTH + W_WIDTH;
  localparam integer SUM      = PRODUCT + $clog2(SIMD);
  localparam integer IS_SIGNED = (IN_SIGNED != 0 || W_SIGNED != 0) ? 1 : 0;
  localparam integer BW       = (ROW_BLOCKS > 1) ? $clog2(ROW_BLOCKS) : 1;

  // The flags of a block travel beside its data.
  reg [STEPS-1:0] valid_q, first_q, last_q;
  reg             done;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      valid_q <= '0;
      done    <= 1'b0;
    end else if (advance) begin
      valid_q <= {valid_q[STEPS-2:0], issue};
      done    <= valid_q[STEPS-1] & last_q[STEPS-1];
    end
  end
  always_ff @(posedge aclk) if (advance) begin
    first_q <= {first_q[STEPS-2:0], first};
    last_q  <= {last_q[STEPS-2:0], last};
  end

  // Biases take turns; the next one is looked up as late as two registers allow.
  reg  [BW-1:0]           row;
  wire [PE*ACC_WIDTH-1:0] bias;
  always_ff @(posedge aclk) begin
    if (!aresetn) row <= '0;
    else if (advance & valid_q[STEPS-3] & last_q[STEPS-3]) row <= (row == BW'(ROW_BLOCKS - 1)) ? '0 : row + 1'b1;
  end
  rom #(.WIDTH(PE * ACC_WIDTH), .DEPTH(ROW_BLOCKS), .FILE(BIAS_FILE)) biases (
    .aclk(aclk), .enable(advance), .address(row), .data(bias));

  wire [PE*ACC_WIDTH-1:0] sums;
  wire [STEPS-1:0]        moves = {STEPS{advance}};
  wire unused = &{1'b0, moves};
  generate
    for (genvar g = 0; g < PARALLEL; g = g + 1) begin : g_vector
      wire [ROWS*SIMD*PRODUCT-1:0] products;
      multiply #(
        .ROWS(ROWS), .SIMD(SIMD), .X_WIDTH(IN_WIDTH), .X_SIGNED(IN_SIGNED), .W_WIDTH(W_WIDTH), .W_SIGNED(W_SIGNED),
        .ROWS_PER_DSP(ROWS_PER_DSP), .SPACING(SPACING)
      ) multipliers (
        .aclk(aclk), .enable(moves[2 +: MULTIPLY]), .x(x[g*SIMD*IN_WIDTH +: SIMD*IN_WIDTH]),
        .w(w[g*ROWS*SIMD*W_WIDTH +: ROWS*SIMD*W_WIDTH]), .products(products));
      for (genvar r = 0; r < ROWS; r = r + 1) begin : g_row
        localparam integer P = g * ROWS + r;
        wire [SUM-1:0] sum;
        adder_tree #(.COUNT(SIMD), .WIDTH(PRODUCT), .IS_SIGNED(IS_SIGNED)) tree (
          .aclk(aclk), .enable(moves[2 + MULTIPLY +: LEVELS]),
          .terms(products[r*SIMD*PRODUCT +: SIMD*PRODUCT]), .sum(sum));
        wire signed [SUM:0]  exact = {(IS_SIGNED != 0) & sum[SUM-1], sum};
        reg  [ACC_WIDTH-1:0] accumulator;
        always_ff @(posedge aclk) if (advance & valid_q[STEPS-1])
          accumulator <= (first_q[STEPS-1] ? bias[P*ACC_WIDTH +: ACC_WIDTH] : accumulator)
                         + (ACC_WIDTH'(exact) << SHIFT);
        assign sums[P*ACC_WIDTH +: ACC_WIDTH] = accumulator;
      end
    end
  endgenerate

  fifo #(.WIDTH(PE * ACC_WIDTH), .DEPTH(2)) out (
    .aclk(aclk), .aresetn(aresetn), .s_axis_tdata(sums), .s_axis_tvalid(done), .s_axis_tready(advance),
    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready));
endmodule
`default_nettype wire
