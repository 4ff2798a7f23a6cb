// SPDX-License-Identifier: Apache-2.0
// From exact values to a fixed-point format, LANES values per beat: round, limit, then drop the bits above.
//
//   latency  2 cycles
//   II       1 cycle per beat
//
// y = limit(round(x * 2**LEFT / 2**RIGHT)) modulo 2**OUT_WIDTH; LEFT or RIGHT is 0.  ROUNDING is that of ap_fixed:
// 0 = TRN (down), 1 = RND (ties up), 2 = RND_CONV (ties to even).  A limit is LOW or HIGH where HAS_LOW or HAS_HIGH
// is 1, in 64-bit two's complement.  Rounding never changes an order, so clipping in front of it is limiting behind it,
// by the rounded bound; a relu is LOW = 0.  WIDTH holds rounded values and limits with their sign.
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
`ifndef SYNTHESIS
  initial if (WIDTH > 63 || (LEFT != 0 && RIGHT != 0) || WIDTH <= IN_WIDTH - IN_SIGNED + LEFT - RIGHT)
    $fatal(1, "cast: WIDTH=%0d does not hold the rounded values", WIDTH);
`endif
  localparam integer FULL = WIDTH + RIGHT;
  // Sums below have one more bit on both sides: for the sign, and for a carry into the lowest bit.
  localparam [WIDTH+1:0] MINUS_LOW = {(WIDTH+1)'(64'd0 - LOW), 1'b1};
  localparam [WIDTH+1:0] PLUS_HIGH = {(WIDTH+1)'(HIGH), 1'b1};

  reg  v1, v2;
  wire advance = ~v2 | m_axis_tready;
  assign s_axis_tready = advance;
  assign m_axis_tvalid = v2;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      v1 <= 1'b0;
      v2 <= 1'b0;
    end else if (advance) begin
      v1 <= s_axis_tvalid;
      v2 <= v1;
    end
  end

  generate
    for (genvar i = 0; i < LANES; i = i + 1) begin : g_lane
      wire sign = (IN_SIGNED != 0) & s_axis_tdata[i*IN_WIDTH + IN_WIDTH - 1];
      wire signed [IN_WIDTH:0] x = $signed({sign, s_axis_tdata[i*IN_WIDTH +: IN_WIDTH]});
      wire signed [FULL-1:0]   scaled = FULL'(x) <<< LEFT;
      wire signed [WIDTH-1:0]  floor  = scaled[FULL-1:RIGHT];
      wire                     up;   // whether rounding adds one
      if (RIGHT == 0 || ROUNDING == 0) begin : g_down
        assign up = 1'b0;
      end else if (RIGHT == 1 || ROUNDING == 1) begin : g_half_up
        assign up = scaled[RIGHT-1] & (ROUNDING == 1 || floor[0]);
      end else begin : g_half_even
        assign up = scaled[RIGHT-1] & (floor[0] | (|scaled[RIGHT-2:0]));
      end

      // floor + up, floor + up - LOW and HIGH - (floor + up), each in one addition.
      wire [WIDTH+1:0] above_low  = {floor[WIDTH-1], floor, up} + MINUS_LOW;
      wire [WIDTH+1:0] below_high = {~floor[WIDTH-1], ~floor, ~up} + PLUS_HIGH;
      reg  [OUT_WIDTH-1:0] rounded, y;
      reg                  is_low, is_high;
      always_ff @(posedge aclk) if (advance & s_axis_tvalid) begin
        rounded <= OUT_WIDTH'(floor + $signed({{(WIDTH-1){1'b0}}, up}));
        is_low  <= (HAS_LOW != 0) & above_low[WIDTH+1];
        is_high <= (HAS_HIGH != 0) & below_high[WIDTH+1];
      end
      always_ff @(posedge aclk) if (advance & v1)
        y <= is_low ? OUT_WIDTH'(LOW) : is_high ? OUT_WIDTH'(HIGH) : rounded;
      assign m_axis_tdata[i*OUT_WIDTH +: OUT_WIDTH] = y;
      wire unused = &{1'b0, x, scaled, above_low, below_high};
    end
  endgenerate
endmodule
`default_nettype wire
