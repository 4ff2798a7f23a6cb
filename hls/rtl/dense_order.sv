// SPDX-License-Identifier: Apache-2.0
// Which blocks matrix_vector computes, and when: column block by column block, row block by row block, matrix by matrix.
//
//   latency  none: a beat of inputs is used in the cycle in which it comes
//   II       SF * NF cycles per vector
//
// While the first row block is computed the vector is stored. Everything stands still while `advance` is low.
`default_nettype none
module dense_order #(
  parameter integer SF       = 4,      // beats of a vector: column blocks
  parameter integer NF       = 4,      // row blocks
  parameter integer MATRICES = 1,
  parameter integer SFW      = (SF > 1) ? $clog2(SF) : 1,   // follow from the others
  parameter integer AW       = (MATRICES * NF * SF > 1) ? $clog2(MATRICES * NF * SF) : 1
) (
  input  wire           aclk,
  input  wire           aresetn,
  input  wire           s_axis_tvalid,
  output wire           s_axis_tready,
  input  wire           advance,
  output wire           issue,       // a block
  output wire           loads,       // of the first row block
  output wire           first,       // of its row block
  output wire           last,
  output wire [SFW-1:0] place,       // of its column block
  output wire [AW-1:0]  block        // of weights
);
  localparam integer WORDS = MATRICES * NF * SF;
  localparam integer NFW   = (NF > 1) ? $clog2(NF) : 1;
  reg  [SFW-1:0] s;
  reg  [NFW-1:0] n;
  reg  [AW-1:0]  address;
  wire           n_last = (n == NFW'(NF - 1));
  assign loads         = (n == '0);
  assign issue         = ~loads | s_axis_tvalid;
  assign first         = (s == '0);
  assign last          = (s == SFW'(SF - 1));
  assign place         = s;
  assign block         = address;
  assign s_axis_tready = advance & loads;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      s       <= '0;
      n       <= '0;
      address <= '0;
    end else if (advance & issue) begin
      s       <= last ? '0 : s + 1'b1;
      address <= (address == AW'(WORDS - 1)) ? '0 : address + 1'b1;
      if (last) n <= n_last ? '0 : n + 1'b1;
    end
  end
endmodule
`default_nettype wire
