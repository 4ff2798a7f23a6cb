// SPDX-License-Identifier: Apache-2.0
// From exact values to a fixed-point format, LANES values per beat: clip, round, then wrap or saturate.
//
//   latency  2 cycles
//   II       1 cycle per beat
//
// y = limit(round(clip(x * 2**LEFT, CLIP_LOW, CLIP_HIGH) / 2**RIGHT)), with the meaning of ap_fixed for
// ROUNDING 0 = TRN (down), 1 = RND (ties up), 2 = RND_CONV (ties to even), and for
// SATURATE 0 = WRAP, 1 = SAT.  WIDTH holds every value on the way, with its sign; it is more than RIGHT.
// A relu is CLIP_LOW = 0.  Bounds are given as 64-bit two's complement.
`default_nettype none
module cast #(
  parameter integer LANES      = 1,
  parameter integer IN_WIDTH   = 20,
  parameter integer IN_SIGNED  = 1,
  parameter integer WIDTH      = 21,
  parameter integer LEFT       = 0,
  parameter integer RIGHT      = 8,
  parameter integer ROUNDING   = 2,
  parameter integer SATURATE   = 1,
  parameter integer OUT_WIDTH  = 8,
  parameter [63:0]  CLIP_LOW   = 64'hffff_ffff_fff0_0000,   // the range of WIDTH bits: no clipping
  parameter [63:0]  CLIP_HIGH  = 64'h0000_0000_000f_ffff,
  parameter [63:0]  OUT_LOW    = 64'hffff_ffff_ffff_ff80,
  parameter [63:0]  OUT_HIGH   = 64'h0000_0000_0000_007f
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
  initial if (WIDTH > 64 || WIDTH <= RIGHT || WIDTH <= IN_WIDTH + LEFT - IN_SIGNED)
    $fatal(1, "cast: WIDTH=%0d does not hold the values on the way", WIDTH);
`endif
  localparam signed [WIDTH-1:0] LOW      = WIDTH'(CLIP_LOW);
  localparam signed [WIDTH-1:0] HIGH     = WIDTH'(CLIP_HIGH);
  localparam signed [WIDTH-1:0] SMALLEST = WIDTH'(OUT_LOW);
  localparam signed [WIDTH-1:0] LARGEST  = WIDTH'(OUT_HIGH);
  localparam        [WIDTH-1:0] ONE      = WIDTH'(1);
  localparam        [WIDTH-1:0] MASK     = (ONE << RIGHT) - ONE;   // the bits that are rounded away
  localparam        [WIDTH-1:0] HALF     = (ONE << RIGHT) >> 1;

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
      wire signed [WIDTH-1:0] scaled = WIDTH'(x) <<< LEFT;
      reg  signed [WIDTH-1:0] clipped;
      always_ff @(posedge aclk) if (advance) clipped <= (scaled < LOW) ? LOW : (scaled > HIGH) ? HIGH : scaled;

      wire signed [WIDTH-1:0] floor     = clipped >>> RIGHT;
      wire        [WIDTH-1:0] remainder = clipped & MASK;
      wire up = (RIGHT > 0) & (
                  (ROUNDING == 1) ? (remainder >= HALF) :
                  (ROUNDING == 2) ? (remainder > HALF) | ((remainder == HALF) & floor[0]) : 1'b0);
      wire signed [WIDTH-1:0] rounded = floor + $signed({{(WIDTH-1){1'b0}}, up});
      wire signed [WIDTH-1:0] limited = (SATURATE == 0) ? rounded :
                                        (rounded < SMALLEST) ? SMALLEST : (rounded > LARGEST) ? LARGEST : rounded;
      reg [OUT_WIDTH-1:0] y;
      always_ff @(posedge aclk) if (advance) y <= OUT_WIDTH'(limited);
      assign m_axis_tdata[i*OUT_WIDTH +: OUT_WIDTH] = y;
      wire unused = &{1'b0, x, limited};
    end
  endgenerate
endmodule
`default_nettype wire
