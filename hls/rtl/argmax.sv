// SPDX-License-Identifier: Apache-2.0
// The place of the largest of BLOCKS beats of LANES values each; of several equal ones, the first.
//
//   latency  BLOCKS - 1 + 1 + ceil(log2(LANES)) cycles from the first beat in to the beat out
//   II       BLOCKS cycles per beat out
//
// A tree finds the largest of a beat, the last stage compares it with the largest of the beats before.
`default_nettype none
module argmax #(
  parameter integer LANES     = 4,
  parameter integer BLOCKS    = 3,
  parameter integer IN_WIDTH  = 8,
  parameter integer IN_SIGNED = 1,
  parameter integer OUT_WIDTH = 4    // holds LANES * BLOCKS - 1
) (
  input  wire                      aclk,
  input  wire                      aresetn,
  input  wire [LANES*IN_WIDTH-1:0] s_axis_tdata,
  input  wire                      s_axis_tvalid,
  output wire                      s_axis_tready,
  output wire [OUT_WIDTH-1:0]      m_axis_tdata,
  output wire                      m_axis_tvalid,
  input  wire                      m_axis_tready
);
`ifndef SYNTHESIS
  initial if (LANES * BLOCKS > (1 << OUT_WIDTH))
    $fatal(1, "argmax: OUT_WIDTH=%0d does not hold %0d places", OUT_WIDTH, LANES * BLOCKS);
`endif
  localparam integer TREE   = $clog2(LANES);
  localparam integer LEAVES = 1 << TREE;
  localparam integer NW     = IN_WIDTH + OUT_WIDTH;   // a value and its place in the beat
  localparam [IN_WIDTH-1:0] FLIP = IN_WIDTH'(IN_SIGNED != 0) << (IN_WIDTH - 1);   // the sign of two's complement

  reg  [TREE:0]        valid_q;      // behind every level; the last one says that a result waits
  reg  [OUT_WIDTH-1:0] base;         // the first place of the beat that leaves the tree
  reg  [IN_WIDTH-1:0]  best;
  reg  [OUT_WIDTH-1:0] place;
  wire [TREE:0]        valid   = (TREE + 1)'({valid_q, s_axis_tvalid});   // in front of every level
  wire                 advance = ~m_axis_tvalid | m_axis_tready;
  wire                 last    = (base == OUT_WIDTH'((BLOCKS - 1) * LANES));
  assign s_axis_tready = advance;
  assign m_axis_tvalid = valid_q[TREE];
  assign m_axis_tdata  = place;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      valid_q <= '0;
      base    <= '0;
    end else if (advance) begin
      valid_q <= valid;
      valid_q[TREE] <= valid[TREE] & last;
      if (valid[TREE]) base <= last ? '0 : base + OUT_WIDTH'(LANES);
    end
  end

  // A heap: node 1 is the root, node i holds the larger of nodes 2 i and 2 i + 1, the lanes are the leaves.  Values are
  // compared without a sign; those beyond the last lane are the smallest there is, and lose a draw.
  wire [2*LEAVES*NW-1:0] nodes;
  assign nodes[0 +: NW] = '0;
  generate
    for (genvar i = 1; i < LEAVES; i = i + 1) begin : g_node
      wire [NW-1:0] left  = nodes[2*i*NW +: NW];
      wire [NW-1:0] right = nodes[(2*i+1)*NW +: NW];
      reg  [NW-1:0] larger;
      always_ff @(posedge aclk) if (advance)
        larger <= (right[OUT_WIDTH +: IN_WIDTH] > left[OUT_WIDTH +: IN_WIDTH]) ? right : left;
      assign nodes[i*NW +: NW] = larger;
    end
    for (genvar i = 0; i < LEAVES; i = i + 1) begin : g_leaf
      if (i < LANES) begin : g_lane
        assign nodes[(LEAVES+i)*NW +: NW] = {s_axis_tdata[i*IN_WIDTH +: IN_WIDTH] ^ FLIP, OUT_WIDTH'(i)};
      end else begin : g_none
        assign nodes[(LEAVES+i)*NW +: NW] = '0;
      end
    end
  endgenerate

  wire [IN_WIDTH-1:0]  value = nodes[NW + OUT_WIDTH +: IN_WIDTH];
  wire [OUT_WIDTH-1:0] lane  = nodes[NW +: OUT_WIDTH];
  always_ff @(posedge aclk) if (advance & valid[TREE] & ((base == '0) | (value > best))) begin
    best  <= value;
    place <= base + lane;
  end
  wire unused = &{1'b0, nodes[0 +: NW]};
endmodule
`default_nettype wire
