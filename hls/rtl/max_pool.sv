// SPDX-License-Identifier: Apache-2.0
// The largest of TAPS successive beats, for each of LANES values.
//
//   latency  TAPS - 1 + 1 cycles from the first beat in to the beat out
//   II       TAPS cycles per beat out
//
// A sliding_window with GROUPS = BLOCKS brings the TAPS positions of a window one after the other.
`default_nettype none
module max_pool #(
  parameter integer LANES     = 1,
  parameter integer WIDTH     = 8,
  parameter integer IN_SIGNED = 1,
  parameter integer TAPS      = 4
) (
  input  wire                   aclk,
  input  wire                   aresetn,
  input  wire [LANES*WIDTH-1:0] s_axis_tdata,
  input  wire                   s_axis_tvalid,
  output wire                   s_axis_tready,
  output wire [LANES*WIDTH-1:0] m_axis_tdata,
  output wire                   m_axis_tvalid,
  input  wire                   m_axis_tready
);
  localparam integer TW = (TAPS > 1) ? $clog2(TAPS) : 1;
  reg [TW-1:0] tap;
  reg          done;
  wire first = (tap == '0);
  wire last  = (tap == TW'(TAPS - 1));
  wire push  = s_axis_tvalid & s_axis_tready;
  assign s_axis_tready = ~done | m_axis_tready;
  assign m_axis_tvalid = done;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      tap  <= '0;
      done <= 1'b0;
    end else begin
      if (push) tap <= last ? '0 : tap + 1'b1;
      if (s_axis_tready) done <= push & last;
    end
  end

  generate
    for (genvar i = 0; i < LANES; i = i + 1) begin : g_lane
      // One more bit makes signed and unsigned values comparable alike.
      wire [WIDTH-1:0]      x = s_axis_tdata[i*WIDTH +: WIDTH];
      reg  [WIDTH-1:0]      best;
      wire signed [WIDTH:0] left  = $signed({(IN_SIGNED != 0) & x[WIDTH-1], x});
      wire signed [WIDTH:0] right = $signed({(IN_SIGNED != 0) & best[WIDTH-1], best});
      always_ff @(posedge aclk) if (push & (first | (left > right))) best <= x;
      assign m_axis_tdata[i*WIDTH +: WIDTH] = best;
    end
  endgenerate
endmodule
`default_nettype wire
