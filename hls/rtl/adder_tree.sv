// SPDX-License-Identifier: Apache-2.0
// The sum of COUNT signed terms modulo 2**WIDTH, with a register behind every level of two-input adders.
//
//   latency  ceil(log2(COUNT)) cycles (COUNT = 1: a wire)
//   II       1 cycle
`default_nettype none
module adder_tree #(
  parameter integer COUNT = 4,
  parameter integer WIDTH = 16
) (
  input  wire                   aclk,
  input  wire                   enable,
  input  wire [COUNT*WIDTH-1:0] terms,
  output wire [WIDTH-1:0]       sum
);
  // A heap: node 1 is the root, nodes 2 i and 2 i + 1 are summed in node i, the terms are the leaves.
  localparam integer LEAVES = 1 << $clog2(COUNT);
  wire [2*LEAVES*WIDTH-1:0] nodes;
  assign nodes[0 +: WIDTH] = '0;
  assign sum = nodes[WIDTH +: WIDTH];
  generate
    for (genvar i = 1; i < LEAVES; i = i + 1) begin : g_node
      reg [WIDTH-1:0] total;
      always_ff @(posedge aclk) if (enable) total <= nodes[2*i*WIDTH +: WIDTH] + nodes[(2*i+1)*WIDTH +: WIDTH];
      assign nodes[i*WIDTH +: WIDTH] = total;
    end
    for (genvar i = 0; i < LEAVES; i = i + 1) begin : g_leaf
      if (i < COUNT) begin : g_term
        assign nodes[(LEAVES+i)*WIDTH +: WIDTH] = terms[i*WIDTH +: WIDTH];
      end else begin : g_none
        assign nodes[(LEAVES+i)*WIDTH +: WIDTH] = '0;
      end
    end
  endgenerate
  wire unused = &{1'b0, aclk, enable, nodes[0 +: WIDTH]};
endmodule
`default_nettype wire
