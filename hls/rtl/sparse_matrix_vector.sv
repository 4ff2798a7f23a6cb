// SPDX-License-Identifier: Apache-2.0
// Folded matrix-vector product that leaves out blocks of zero weights: MH exact sums of MW products plus a bias, PE rows
// and SIMD columns at a time, with the results of matrix_vector.
//
//   SF = MW / SIMD beats in, NF = MH / PE beats out per vector
//   latency  SF + STEPS + 6 + MULTIPLY + ceil(log2(SIMD)) cycles from the first beat in to the last beat out
//   II       max(SF, STEPS) cycles per vector
//
// MULTIPLY is the latency of multiply. A schedule names the column block of each of the STEPS steps, row block by row
// block: the blocks that hold a weight other than zero, or any one where a row block has none, since its bias is due.
// Nothing but STEPS depends on which blocks those are. A vector is stored as a whole before its steps begin, which read
// it in any order; the next one is stored meanwhile. That needs a DEPTH of two vectors and three words for what arrives
// while the last step of a vector is on its way to the memory; less still works, but slower.
//
// Word i of the schedule is the column block of step i and, above it, whether the step is the last of its row block;
// word i of the weights its PE rows by SIMD columns, row after row, from the low bits up; word n of the biases those of
// row block n.
`default_nettype none
module sparse_matrix_vector #(
  parameter integer MW            = 16,
  parameter integer MH            = 8,
  parameter integer PE            = 2,
  parameter integer SIMD          = 4,
  parameter integer STEPS         = 6,
  parameter integer DEPTH         = 11,      // words of SIMD inputs that can be stored
  parameter integer IN_WIDTH      = 8,
  parameter integer IN_SIGNED     = 1,
  parameter integer W_WIDTH       = 8,
  parameter integer W_SIGNED      = 1,
  parameter integer ACC_WIDTH     = 20,
  parameter integer SHIFT         = 0,       // products are shifted left to the bias's binary point
  parameter integer ROWS_PER_DSP  = 2,       // see multiply
  parameter integer SPACING       = 16,
  parameter         MEMORY        = "auto",  // of the weights; see rom
  parameter integer WEIGHT_BANK   = 1024,
  parameter integer VECTOR_BANK   = 1024,    // of the vectors; see ram
  parameter integer SCHEDULE_BANK = 1024,
  parameter         WEIGHT_FILE   = "none",
  parameter         BIAS_FILE     = "none",
  parameter         SCHEDULE_FILE = "none"
) (
  input  wire                     aclk,
  input  wire                     aresetn,
  input  wire [SIMD*IN_WIDTH-1:0] s_axis_tdata,
  input  wire                     s_axis_tvalid,
  output wire                     s_axis_tready,
  output wire [PE*ACC_WIDTH-1:0]  m_axis_tdata,
  output wire                     m_axis_tvalid,
  input  wire                     m_axis_tready
);
  localparam integer SF = MW / SIMD;
  localparam integer NF = MH / PE;
  localparam integer VW = $clog2(DEPTH);
  localparam integer AW = (STEPS > 1) ? $clog2(STEPS) : 1;
  localparam integer XW = SIMD * IN_WIDTH;
`ifndef SYNTHESIS
  initial begin
    if (MW % SIMD != 0) $fatal(1, "sparse_matrix_vector: SIMD=%0d must divide MW=%0d", SIMD, MW);
    if (MH % PE != 0) $fatal(1, "sparse_matrix_vector: PE=%0d must divide MH=%0d", PE, MH);
  end
`endif
  wire          advance, store, issue, first, last;
  wire [VW-1:0] store_place, place;
  wire [AW-1:0] block;
  sparse_order #(
    .SF(SF), .NF(NF), .STEPS(STEPS), .DEPTH(DEPTH), .SCHEDULE_BANK(SCHEDULE_BANK), .SCHEDULE_FILE(SCHEDULE_FILE)
  ) order (
    .aclk(aclk), .aresetn(aresetn), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready), .store(store),
    .store_place(store_place), .advance(advance), .issue(issue), .first(first), .last(last), .place(place),
    .block(block));

  reg  [VW-1:0] read_address;
  wire [XW-1:0] x;
  always_ff @(posedge aclk) if (advance) read_address <= place;
  ram #(.WIDTH(XW), .DEPTH(DEPTH), .BANK(VECTOR_BANK)) vectors (
    .aclk(aclk), .write(store), .write_address(store_place), .write_data(s_axis_tdata),
    .read(advance), .read_address(read_address), .read_data(x));

  wire [PE*SIMD*W_WIDTH-1:0] w;
  rom #(
    .WIDTH(PE * SIMD * W_WIDTH), .DEPTH(STEPS), .BANK(WEIGHT_BANK), .CYCLES(3), .STYLE(MEMORY), .FILE(WEIGHT_FILE)
  ) weights (.aclk(aclk), .enable(advance), .address(block), .data(w));

  multiply_accumulate #(
    .PE(PE), .SIMD(SIMD), .IN_WIDTH(IN_WIDTH), .IN_SIGNED(IN_SIGNED), .W_WIDTH(W_WIDTH), .W_SIGNED(W_SIGNED),
    .ACC_WIDTH(ACC_WIDTH), .SHIFT(SHIFT), .ROWS_PER_DSP(ROWS_PER_DSP), .SPACING(SPACING), .ROW_BLOCKS(NF),
    .BIAS_FILE(BIAS_FILE)
  ) rows (
    .aclk(aclk), .aresetn(aresetn), .advance(advance), .issue(issue), .first(first), .last(last),
    .x(x), .w(w),
    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready));
endmodule
`default_nettype wire
