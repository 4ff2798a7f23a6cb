// SPDX-License-Identifier: Apache-2.0
// Which blocks sparse_matrix_vector computes, and when: where the words of a vector are stored, and a step of the
// schedule per cycle for every vector that is there.
//
//   latency  2 cycles from a step to its block; a vector's first step comes when all of it is stored
//   II       max(SF, STEPS) cycles per vector, where DEPTH is as sparse_matrix_vector wants it
//
// Everything but storing stands still while `advance` is low.
`default_nettype none
module sparse_order #(
  parameter integer SF            = 4,      // beats of a vector
  parameter integer NF            = 4,      // row blocks
  parameter integer STEPS         = 6,
  parameter integer DEPTH         = 11,     // words that can be stored
  parameter integer SCHEDULE_BANK = 1024,
  parameter         SCHEDULE_FILE = "none",
  parameter integer VW            = $clog2(DEPTH),   // follow from the others
  parameter integer AW            = (STEPS > 1) ? $clog2(STEPS) : 1
) (
  input  wire          aclk,
  input  wire          aresetn,
  input  wire          s_axis_tvalid,
  output wire          s_axis_tready,
  output wire          store,
  output wire [VW-1:0] store_place,
  input  wire          advance,
  output wire          issue,       // a step
  output wire          first,       // of its row block
  output wire          last,
  output wire [VW-1:0] place,       // of its column block
  output wire [AW-1:0] block        // of weights
);
`ifndef SYNTHESIS
  initial begin
    if (STEPS < NF || STEPS > NF * SF) $fatal(1, "sparse_order: STEPS=%0d; expected %0d to %0d", STEPS, NF, NF * SF);
    if (DEPTH < SF) $fatal(1, "sparse_order: DEPTH=%0d; expected at least a vector, %0d", DEPTH, SF);
  end
`endif
  localparam integer SFW = (SF > 1) ? $clog2(SF) : 1;
  localparam integer RW  = $clog2(DEPTH + 1);
  localparam integer CW  = $clog2(DEPTH / SF + 1);

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
  reg  [VW-1:0]  tail;             // the next word's place
  reg  [RW-1:0]  room;             // words that no vector still to be read holds
  wire           release_vector;
  wire           s_last = (s == SFW'(SF - 1));
  assign s_axis_tready = (room != '0);
  assign store         = s_axis_tvalid & s_axis_tready;
  assign store_place   = tail;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      s    <= '0;
      tail <= '0;
      room <= RW'(DEPTH);
    end else begin
      if (store) s    <= s_last ? '0 : s + 1'b1;
      if (store) tail <= (tail == VW'(DEPTH - 1)) ? '0 : tail + 1'b1;
      room <= room - RW'(store) + (release_vector ? RW'(SF) : '0);
    end
  end

  // ---- issuing: the steps of every vector that is there
  reg  [AW-1:0] step;
  reg  [CW-1:0] waiting;           // vectors, the one at work included
  wire          begins   = (waiting != '0);
  wire          step_end = begins & (step == AW'(STEPS - 1));
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      step    <= '0;
      waiting <= '0;
    end else begin
      if (advance & begins) step <= step_end ? '0 : step + 1'b1;
      waiting <= waiting + CW'(store & s_last) - CW'(advance & step_end);
    end
  end

  // ---- the schedule's two cycles, and the address of the column block in the memory of vectors
  reg  [1:0]    valid_q;
  reg  [2:0]    end_q;             // the last step of a vector
  wire [SFW:0]  word;
  reg           first_q;
  reg  [VW-1:0] base;              // where the vector begins
  assign release_vector = advance & end_q[2];
  rom #(.WIDTH(SFW + 1), .DEPTH(STEPS), .BANK(SCHEDULE_BANK), .FILE(SCHEDULE_FILE)) schedule (
    .aclk(aclk), .enable(advance), .address(step), .data(word));
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      valid_q <= '0;
      end_q   <= '0;
      first_q <= 1'b1;
      base    <= '0;
    end else if (advance) begin
      valid_q <= {valid_q[0], begins};
      end_q   <= {end_q[1:0], step_end};
      if (valid_q[1]) first_q <= last;
      if (end_q[1])   base    <= after(base, VW'(SF));
    end
  end
  assign issue = valid_q[1];
  assign first = first_q;
  assign last  = word[SFW];
  assign place = after(base, VW'(word[SFW-1:0]));

  // ---- the weights of the steps lie in their order
  reg [AW-1:0] step1, step2;
  always_ff @(posedge aclk) if (advance) begin
    step1 <= step;
    step2 <= step1;
  end
  assign block = step2;
endmodule
`default_nettype wire
