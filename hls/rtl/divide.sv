// SPDX-License-Identifier: Apache-2.0
// Exact means: round(x * 2**LEFT / DIVISOR) of LANES signed values per beat, by long division, one bit per cycle.
//
//   BITS     WIDTH - floor(log2(DIVISOR)), and one more where ROUNDING is not 0: bits of the quotient
//   latency  BITS + 2 cycles
//   II       1 cycle per beat
//
// A multiple of the divisor, DIVISOR * OFFSET, makes every dividend positive and is undone behind.  Each step appends
// the next bit of the dividend to the remainder and subtracts the divisor, or adds it back where the step before went
// below zero (non-restoring division); the signs are the quotient's bits.  Rounding needs the bit behind the binary
// point: ROUNDING 0 = TRN (down), 1 = RND (ties up), 2 = RND_CONV (ties to even).
`default_nettype none
module divide #(
  parameter integer LANES     = 1,
  parameter integer IN_WIDTH  = 12,
  parameter integer LEFT      = 0,
  parameter integer WIDTH     = 14,      // holds x * 2**LEFT + DIVISOR * OFFSET, without a sign
  parameter integer DIVISOR   = 9,       // no power of two
  parameter [63:0]  OFFSET    = 64'd228,
  parameter integer ROUNDING  = 2,
  parameter integer OUT_WIDTH = 10       // holds the result with its sign
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
  localparam integer RW    = $clog2(DIVISOR) + 1;   // bits of a remainder with its sign
  localparam integer TOP   = RW - 2;                // bits of the dividend that are less than the divisor
  localparam integer WHOLE = WIDTH - TOP;
  localparam integer BITS  = WHOLE + ((ROUNDING != 0) ? 1 : 0);
  localparam integer SW    = RW + BITS;
  localparam integer STEPS = BITS + 2;
`ifndef SYNTHESIS
  initial if (DIVISOR < 3 || (DIVISOR & (DIVISOR - 1)) == 0 || WIDTH <= TOP || WIDTH < IN_WIDTH + LEFT)
    $fatal(1, "divide: DIVISOR=%0d, WIDTH=%0d do not fit together", DIVISOR, WIDTH);
`endif
  localparam [RW-1:0]      PLUS  = RW'(DIVISOR);
  localparam [RW-1:0]      MINUS = RW'(0 - DIVISOR);
  localparam [OUT_WIDTH:0] BACK  = {OUT_WIDTH'(64'd0 - OFFSET), 1'b1};

  reg  [STEPS-1:0] valid_q;
  wire advance = ~m_axis_tvalid | m_axis_tready;
  assign s_axis_tready = advance;
  assign m_axis_tvalid = valid_q[STEPS-1];
  always_ff @(posedge aclk) begin
    if (!aresetn) valid_q <= '0;
    else if (advance) valid_q <= {valid_q[STEPS-2:0], s_axis_tvalid};
  end

  generate
    for (genvar i = 0; i < LANES; i = i + 1) begin : g_lane
      wire signed [IN_WIDTH-1:0] x = $signed(s_axis_tdata[i*IN_WIDTH +: IN_WIDTH]);
      wire signed [WIDTH-1:0]    scaled = WIDTH'(x) <<< LEFT;
      reg  [WIDTH-1:0]           dividend;
      always_ff @(posedge aclk) if (advance) dividend <= scaled + WIDTH'(DIVISOR * OFFSET);

      // Before step k: a remainder, and in the low bits those of the dividend to come, the quotient's behind them.
      wire [(BITS+1)*SW-1:0] state;
      assign state[0 +: SW] = {RW'(dividend[WIDTH-1:WHOLE]), BITS'(dividend[WHOLE-1:0]) << (BITS - WHOLE)};
      for (genvar k = 0; k < BITS; k = k + 1) begin : g_step
        wire [SW-1:0] now   = state[k*SW +: SW];
        wire [RW-1:0] trial = now[BITS-1 +: RW] + (now[SW-1] ? PLUS : MINUS);
        reg  [SW-1:0] then_q;
        always_ff @(posedge aclk) if (advance) then_q <= {trial, BITS'({now, ~trial[RW-1]})};
        assign state[(k+1)*SW +: SW] = then_q;
      end
      wire [RW-1:0]    left     = state[BITS*SW + BITS +: RW];
      wire [WHOLE-1:0] quotient = state[BITS*SW + BITS - WHOLE +: WHOLE];

      // The remainder behind the half bit, if that is 1, is what exceeds a half.
      wire half = (ROUNDING != 0) & state[BITS*SW];
      wire odd  = quotient[0] ^ OFFSET[0];
      wire up   = half & (ROUNDING == 1 || odd || left != '0);
      wire [OUT_WIDTH:0] rounded = {OUT_WIDTH'(quotient), up} + BACK;
      reg  [OUT_WIDTH-1:0] y;
      always_ff @(posedge aclk) if (advance) y <= rounded[OUT_WIDTH:1];
      assign m_axis_tdata[i*OUT_WIDTH +: OUT_WIDTH] = y;
      wire unused = &{1'b0, rounded, quotient};
    end
  endgenerate
endmodule
`default_nettype wire
