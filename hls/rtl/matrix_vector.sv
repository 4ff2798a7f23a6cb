// SPDX-License-Identifier: Apache-2.0
// Folded matrix-vector product: MH exact sums of MW products plus a bias, PE rows and SIMD columns at a time.
//
//   SF = MW / SIMD beats in, NF = MH / PE beats out per vector
//   latency  SF * NF + 4 + MULTIPLY + ceil(log2(SIMD)) cycles from the first beat in to the last beat out
//   II       SF * NF cycles per vector
//
// MULTIPLY is the latency of multiply. The vector is stored while the first PE rows are computed and replayed for the
// others. MATRICES different matrices take turns, one vector each: the groups of a convolution. PARALLEL vectors
// arrive side by side in a beat, each for PE / PARALLEL of the rows: channels of a depthwise convolution.
//
// Word (g * NF + n) * SF + s of the weights holds, of matrix g, rows n * PE ... n * PE + PE - 1 and columns
// s * SIMD ... s * SIMD + SIMD - 1, row after row, from the low bits up; word g * NF + n of the biases those rows'.
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
  localparam integer XW    = PARALLEL * SIMD * IN_WIDTH;

  wire           advance, issue, loads, first, last;
  wire [SFW-1:0] place;
  wire [AW-1:0]  block;
  dense_order #(.SF(SF), .NF(NF), .MATRICES(MATRICES)) order (
    .aclk(aclk), .aresetn(aresetn), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready), .advance(advance),
    .issue(issue), .loads(loads), .first(first), .last(last), .place(place), .block(block));

  // The vector: from the stream while it is new, from the replay buffer afterwards.
  reg [XW-1:0] new1, new2, x;
  always_ff @(posedge aclk) if (advance) begin
    new1 <= s_axis_tdata;
    new2 <= new1;
  end
  generate
    if (NF > 1) begin : g_replay
      wire [XW-1:0] replayed;
      reg  [1:0]    is_new;
      ram #(.WIDTH(XW), .DEPTH(SF), .BANK(VECTOR_BANK)) vector (
        .aclk(aclk), .write(advance & issue & loads), .write_address(place), .write_data(s_axis_tdata),
        .read(advance), .read_address(place), .read_data(replayed));
      always_ff @(posedge aclk) if (advance) begin
        is_new <= {is_new[0], loads};
        x      <= is_new[1] ? new2 : replayed;
      end
    end else begin : g_once
      wire unused = &{1'b0, loads, place};
      always_ff @(posedge aclk) if (advance) x <= new2;
    end
  endgenerate

  wire [PE*SIMD*W_WIDTH-1:0] w;
  rom #(
    .WIDTH(PE * SIMD * W_WIDTH), .DEPTH(WORDS), .BANK(WEIGHT_BANK), .CYCLES(3), .STYLE(MEMORY), .FILE(WEIGHT_FILE)
  ) weights (.aclk(aclk), .enable(advance), .address(block), .data(w));

  multiply_accumulate #(
    .PE(PE), .SIMD(SIMD), .PARALLEL(PARALLEL), .IN_WIDTH(IN_WIDTH), .IN_SIGNED(IN_SIGNED), .W_WIDTH(W_WIDTH),
    .W_SIGNED(W_SIGNED), .ACC_WIDTH(ACC_WIDTH), .SHIFT(SHIFT), .ROWS_PER_DSP(ROWS_PER_DSP), .SPACING(SPACING),
    .ROW_BLOCKS(MATRICES * NF), .BIAS_FILE(BIAS_FILE)
  ) rows (
    .aclk(aclk), .aresetn(aresetn), .advance(advance), .issue(issue), .first(first), .last(last),
    .x(x), .w(w),
    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready));
endmodule
`default_nettype wire
