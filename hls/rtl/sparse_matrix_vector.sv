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
  localparam integer SF    = MW / SIMD;
  localparam integer NF    = MH / PE;
  localparam integer SFW   = (SF > 1) ? $clog2(SF) : 1;
  localparam integer VW    = $clog2(DEPTH);
  localparam integer RW    = $clog2(DEPTH + 1);
  localparam integer CW    = $clog2(DEPTH / SF + 1);
  localparam integer AW    = (STEPS > 1) ? $clog2(STEPS) : 1;
  localparam integer XW    = SIMD * IN_WIDTH;
`ifndef SYNTHESIS
  initial begin
    if (MW % SIMD != 0) $fatal(1, "sparse_matrix_vector: SIMD=%0d must divide MW=%0d", SIMD, MW);
    if (MH % PE != 0) $fatal(1, "sparse_matrix_vector: PE=%0d must divide MH=%0d", PE, MH);
    if (STEPS < NF || STEPS > NF * SF)
      $fatal(1, "sparse_matrix_vector: STEPS=%0d; expected %0d to %0d", STEPS, NF, NF * SF);
    if (DEPTH < SF) $fatal(1, "sparse_matrix_vector: DEPTH=%0d; expected at least a vector, %0d", DEPTH, SF);
  end
`endif

  // `by` words on in the circular memory of vectors.
  function automatic [VW-1:0] after(input [VW-1:0] address, input [VW-1:0] by);
    reg [VW:0] wrapped;
    begin
      wrapped = {1'b0, address} + {1'b0, by} - (VW+1)'(DEPTH);
      after   = wrapped[VW] ? address + by : wrapped[VW-1:0];
    end
  endfunction

  // ---- storing
  reg  [SFW-1:0] s;                // which beat of its vector
  reg  [VW-1:0]  write_address;
  reg  [RW-1:0]  room;             // words that no vector still to be read holds
  wire           release_vector;
  wire           push   = s_axis_tvalid & s_axis_tready;
  wire           s_last = (s == SFW'(SF - 1));
  assign s_axis_tready = (room != '0);
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      s             <= '0;
      write_address <= '0;
      room          <= RW'(DEPTH);
    end else begin
      if (push) s             <= s_last ? '0 : s + 1'b1;
      if (push) write_address <= (write_address == VW'(DEPTH - 1)) ? '0 : write_address + 1'b1;
      room <= room - RW'(push) + (release_vector ? RW'(SF) : '0);
    end
  end

  // ---- issuing: the steps of every vector that is there
  reg  [AW-1:0] step;
  reg  [CW-1:0] waiting;           // vectors, the one at work included
  wire          advance, fetch;
  wire          issue    = (waiting != '0);
  wire          step_end = issue & (step == AW'(STEPS - 1));
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      step    <= '0;
      waiting <= '0;
    end else begin
      if (advance & issue) step <= step_end ? '0 : step + 1'b1;
      waiting <= waiting + CW'(push & s_last) - CW'(advance & step_end);
    end
  end

  // ---- the schedule's two cycles, and the address of the column block in the memory of vectors
  reg  [1:0]    valid_q;
  reg  [2:0]    end_q;             // the last step of a vector
  wire [SFW:0]  word;
  wire          last = word[SFW];
  reg           first;
  reg  [VW-1:0] base;              // where the vector begins
  reg  [VW-1:0] read_address;
  assign release_vector = advance & end_q[2];
  rom #(.WIDTH(SFW + 1), .DEPTH(STEPS), .BANK(SCHEDULE_BANK), .FILE(SCHEDULE_FILE)) schedule (
    .aclk(aclk), .enable(advance), .address(step), .data(word));
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      valid_q <= '0;
      end_q   <= '0;
      first   <= 1'b1;
      base    <= '0;
    end else if (advance) begin
      valid_q <= {valid_q[0], issue};
      end_q   <= {end_q[1:0], step_end};
      if (valid_q[1]) first <= last;
      if (end_q[1])   base  <= after(base, VW'(SF));
    end
  end
  always_ff @(posedge aclk) if (advance) read_address <= after(base, VW'(word[SFW-1:0]));

  wire [XW-1:0] x;
  ram #(.WIDTH(XW), .DEPTH(DEPTH), .BANK(VECTOR_BANK)) vectors (
    .aclk(aclk), .write(push), .write_address(write_address), .write_data(s_axis_tdata),
    .read(fetch), .read_address(read_address), .read_data(x));

  // ---- the weights of the step, which lie in the order of the steps
  reg  [AW-1:0]              step1, step2;
  wire [PE*SIMD*W_WIDTH-1:0] w;
  always_ff @(posedge aclk) if (advance) begin
    step1 <= step;
    step2 <= step1;
  end
  rom #(
    .WIDTH(PE * SIMD * W_WIDTH), .DEPTH(STEPS), .BANK(WEIGHT_BANK), .CYCLES(3), .STYLE(MEMORY), .FILE(WEIGHT_FILE)
  ) weights (.aclk(aclk), .enable(fetch), .address(step2), .data(w));

  multiply_accumulate #(
    .PE(PE), .SIMD(SIMD), .IN_WIDTH(IN_WIDTH), .IN_SIGNED(IN_SIGNED), .W_WIDTH(W_WIDTH), .W_SIGNED(W_SIGNED),
    .ACC_WIDTH(ACC_WIDTH), .SHIFT(SHIFT), .ROWS_PER_DSP(ROWS_PER_DSP), .SPACING(SPACING), .ROW_BLOCKS(NF),
    .BIAS_FILE(BIAS_FILE)
  ) rows (
    .aclk(aclk), .aresetn(aresetn), .advance(advance), .fetch(fetch), .issue(valid_q[1]), .first(first), .last(last),
    .x(x), .w(w),
    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready));
endmodule
`default_nettype wire
