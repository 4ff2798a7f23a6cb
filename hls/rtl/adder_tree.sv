// SPDX-License-Identifier: Apache-2.0
// The sum of COUNT terms modulo 2**SUM_WIDTH, with a register behind every level of two-input adders.
//
//   latency  ceil(log2(COUNT)) cycles (COUNT = 1: a wire)
//   II       1 cycle
//
// Level i, counted from the terms, moves while enable[i] is 1.
//
// With the SUM_WIDTH that is given by default the sum is exact: every level computes one bit more than the one before.
`default_nettype none
module adder_tree #(
  parameter integer COUNT     = 4,
  parameter integer WIDTH     = 16,                     // of a term
  parameter integer IS_SIGNED = 1,
  parameter integer SUM_WIDTH = WIDTH + $clog2(COUNT),  // at least WIDTH
  parameter integer STEPS     = (COUNT > 1) ? $clog2(COUNT) : 1   // follows from COUNT
) (
  input  wire                   aclk,
  input  wire [STEPS-1:0]       enable,
  input  wire [COUNT*WIDTH-1:0] terms,
  output wire [SUM_WIDTH-1:0]   sum
);
  // A heap: node 1 is the root, nodes 2 i and 2 i + 1 are summed in node i, the terms are the leaves. Every node has
  // SUM_WIDTH bits, but only as many as its sum needs are computed; the others repeat its sign.
  localparam integer LEVELS = $clog2(COUNT);
  localparam integer LEAVES = 1 << LEVELS;
  localparam integer MORE   = SUM_WIDTH - WIDTH;
  wire [2*LEAVES*SUM_WIDTH-1:0] nodes;
  assign nodes[0 +: SUM_WIDTH] = '0;
  assign sum = nodes[SUM_WIDTH +: SUM_WIDTH];
  generate
    for (genvar i = 1; i < LEAVES; i = i + 1) begin : g_node
      localparam integer HEIGHT = LEVELS + 1 - $clog2(i + 1);
      localparam integer BITS   = WIDTH + ((HEIGHT < MORE) ? HEIGHT : MORE);
      reg [BITS-1:0] total;
      always_ff @(posedge aclk) if (enable[HEIGHT-1])
        total <= nodes[2*i*SUM_WIDTH +: BITS] + nodes[(2*i+1)*SUM_WIDTH +: BITS];
      if (BITS < SUM_WIDTH) begin : g_extend
        assign nodes[i*SUM_WIDTH +: SUM_WIDTH] = {{(SUM_WIDTH-BITS){(IS_SIGNED != 0) & total[BITS-1]}}, total};
      end else begin : g_full
        assign nodes[i*SUM_WIDTH +: SUM_WIDTH] = total;
      end
    end
    for (genvar i = 0; i < LEAVES; i = i + 1) begin : g_leaf
      if (i >= COUNT) begin : g_none
        assign nodes[(LEAVES+i)*SUM_WIDTH +: SUM_WIDTH] = '0;
      end else if (MORE == 0) begin : g_same
        assign nodes[(LEAVES+i)*SUM_WIDTH +: SUM_WIDTH] = terms[i*WIDTH +: WIDTH];
      end else begin : g_wider
        wire [WIDTH-1:0] term = terms[i*WIDTH +: WIDTH];
        assign nodes[(LEAVES+i)*SUM_WIDTH +: SUM_WIDTH] = {{MORE{(IS_SIGNED != 0) & term[WIDTH-1]}}, term};
      end
    end
  endgenerate
  wire unused = &{1'b0, aclk, enable, nodes};
endmodule
`default_nettype wire
