// SPDX-License-Identifier: Apache-2.0
// What hls/rtl/matrix_vector.sv is from outside, for simulation: the same words, and the same handshakes in every cycle.
//
//   latency, II  as there
`default_nettype none
module matrix_vector #(
  parameter integer MW           = 16,
  parameter integer MH           = 8,
  parameter integer MATRICES     = 1,
  parameter integer PE           = 2,
  parameter integer SIMD         = 4,
  parameter integer PARALLEL     = 1,
  parameter integer IN_WIDTH     = 8,
  parameter integer IN_SIGNED    = 1,
  parameter integer W_WIDTH      = 8,
  parameter integer W_SIGNED     = 1,
  parameter integer ACC_WIDTH    = 20,
  parameter integer SHIFT        = 0,       // products are shifted left to the bias's binary point
  parameter integer ROWS_PER_DSP = 2,       // see multiply
  parameter integer SPACING      = 16,
  parameter         MEMORY       = "auto",  // of the weights; see rom
  parameter integer WEIGHT_BANK  = 1024,
  parameter integer VECTOR_BANK  = 1024,    // of the replay buffer; see ram
  parameter         WEIGHT_FILE  = "none",
  parameter         BIAS_FILE    = "none"
) (
  input  wire                              aclk,
  input  wire                              aresetn,
  input  wire [PARALLEL*SIMD*IN_WIDTH-1:0] s_axis_tdata,
  input  wire                              s_axis_tvalid,
  output wire                              s_axis_tready,
  output wire [PE*ACC_WIDTH-1:0]           m_axis_tdata,
  output wire                              m_axis_tvalid,
  input  wire                              m_axis_tready
);
`ifndef SYNTHESIS
  initial begin
    if (MW % SIMD != 0) $fatal(1, "matrix_vector: SIMD=%0d must divide MW=%0d", SIMD, MW);
    if (MH % PE != 0) $fatal(1, "matrix_vector: PE=%0d must divide MH=%0d", PE, MH);
  end
`endif
  localparam integer SF    = MW / SIMD;
  localparam integer NF    = MH / PE;
  localparam integer WORDS = MATRICES * NF * SF;
  localparam integer SFW   = (SF > 1) ? $clog2(SF) : 1;
  localparam integer AW    = (WORDS > 1) ? $clog2(WORDS) : 1;

  wire           advance, issue, loads, first, last;
  wire [SFW-1:0] place;
  wire [AW-1:0]  block;
  dense_order #(.SF(SF), .NF(NF), .MATRICES(MATRICES)) order (
    .aclk(aclk), .aresetn(aresetn), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready), .advance(advance),
    .issue(issue), .loads(loads), .first(first), .last(last), .place(place), .block(block));

  matrix_products #(
    .PE(PE), .SIMD(SIMD), .PARALLEL(PARALLEL), .IN_WIDTH(IN_WIDTH), .IN_SIGNED(IN_SIGNED), .W_WIDTH(W_WIDTH),
    .W_SIGNED(W_SIGNED), .ACC_WIDTH(ACC_WIDTH), .SHIFT(SHIFT), .ROWS_PER_DSP(ROWS_PER_DSP), .COLUMNS(MW), .PLACES(SF),
    .BLOCKS(WORDS), .WEIGHT_BANK(WEIGHT_BANK), .ROW_BLOCKS(MATRICES * NF), .WEIGHT_FILE(WEIGHT_FILE),
    .BIAS_FILE(BIAS_FILE)
  ) products (
    .aclk(aclk), .aresetn(aresetn), .advance(advance), .store(advance & issue & loads), .store_place(place),
    .store_data(s_axis_tdata), .issue(issue), .first(first), .last(last), .place(place), .block(block),
    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready));
endmodule
`default_nettype wire
