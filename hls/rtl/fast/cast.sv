// SPDX-License-Identifier: Apache-2.0
// What hls/rtl/cast.sv is from outside, for simulation: the same words, and the same handshakes in every cycle.
//
//   latency, II  as there
`default_nettype none
module cast #(
  parameter integer LANES     = 1,
  parameter integer IN_WIDTH  = 20,
  parameter integer IN_SIGNED = 1,
  parameter integer LEFT      = 0,
  parameter integer RIGHT     = 8,
  parameter integer ROUNDING  = 2,
  parameter integer WIDTH     = 13,
  parameter integer HAS_LOW   = 1,
  parameter integer HAS_HIGH  = 1,
  parameter [63:0]  LOW       = 64'hffff_ffff_ffff_ff80,
  parameter [63:0]  HIGH      = 64'h0000_0000_0000_007f,
  parameter integer OUT_WIDTH = 8
) (
  input  wire                       aclk,
  input  wire                       aresetn,
  input  wire [LANES*IN_WIDTH-1:0]  s_axis_tdata,
  input  wire                       s_axis_tvalid,
  output wire                       s_axis_tready,
  output wire [LANES*OUT_WIDTH-1:0] m_axis_tdata,
  output wire                       m_axis_tvalid,
  input  wire                       m_axis_tready
);
  localparam integer FULL = ((WIDTH > IN_WIDTH + LEFT) ? WIDTH : IN_WIDTH + LEFT) + RIGHT + 1;
  localparam integer BITS = (FULL > 32) ? FULL : 32;
  localparam signed [BITS-1:0] HALF = (RIGHT > 0) ? BITS'(1) << ((RIGHT > 0) ? RIGHT - 1 : 0) : '0;
  localparam signed [BITS-1:0] REST = (RIGHT > 0) ? HALF - BITS'(1) : '0;
  localparam signed [BITS-1:0] MIN = BITS'($signed(LOW));
  localparam signed [BITS-1:0] MAX = BITS'($signed(HIGH));
  reg                         v1, v2;
  reg  [LANES*OUT_WIDTH-1:0]  early, late;
  wire                        advance = ~v2 | m_axis_tready;
  assign s_axis_tready = advance;
  assign m_axis_tvalid = v2;
  assign m_axis_tdata  = late;
  always_ff @(posedge aclk) begin : convert
    reg signed [BITS-1:0] x, y;
    if (!aresetn) begin
      v1 <= 1'b0;
      v2 <= 1'b0;
    end else if (advance & (s_axis_tvalid | v1 | v2)) begin
      v1 <= s_axis_tvalid;
      v2 <= v1;
      if (v1) late <= early;
      if (s_axis_tvalid)
        for (int i = 0; i < LANES; i = i + 1) begin
          x = (IN_SIGNED != 0) ? BITS'($signed(s_axis_tdata[i*IN_WIDTH +: IN_WIDTH]))
                               : BITS'(s_axis_tdata[i*IN_WIDTH +: IN_WIDTH]);
          y = (x <<< LEFT) >>> RIGHT;
          if (ROUNDING == 1) y = y + BITS'((x & HALF) != 0);
          if (ROUNDING == 2) y = y + BITS'((x & HALF) != 0 && (y[0] || (x & REST) != 0));
          if (HAS_LOW != 0 && y < MIN) y = MIN;
          if (HAS_HIGH != 0 && y > MAX) y = MAX;
          early[i*OUT_WIDTH +: OUT_WIDTH] = OUT_WIDTH'(y);
        end
    end
  end
endmodule
`default_nettype wire
