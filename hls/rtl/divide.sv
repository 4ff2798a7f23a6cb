// SPDX-License-Identifier: Apache-2.0
// Exact means: round(x * 2**LEFT / DIVISOR) of LANES signed values per beat, by one multiplication.
//
//   latency  3 cycles
//   II       1 cycle per beat
//
// floor(n / DIVISOR) = n * FACTOR >> SHIFT for all 0 <= n < 2**WIDTH, where FACTOR = ceil(2**SHIFT / DIVISOR) and
// SHIFT = WIDTH + ceil(log2(DIVISOR)) (Granlund and Montgomery, "Division by invariant integers using multiplication",
// PLDI 1994, theorem 4.2).  A multiple of the divisor, DIVISOR * OFFSET, makes every n positive and is undone behind.
// ROUNDING 0 = TRN (down), 1 = RND (ties up), 2 = RND_CONV (ties to even): remainders are compared exactly.
`default_nettype none
module divide #(
  parameter integer LANES     = 1,
  parameter integer IN_WIDTH  = 12,
  parameter integer LEFT      = 0,
  parameter integer WIDTH     = 14,      // holds x * 2**LEFT + DIVISOR * OFFSET, without a sign
  parameter integer DIVISOR   = 9,
  parameter integer SHIFT     = 18,
  parameter [63:0]  FACTOR    = 64'd29128,
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
  localparam integer FW = SHIFT - $clog2(DIVISOR) + 1;   // bits of the factor
  localparam integer RW = $clog2(DIVISOR) + 1;           // bits of twice the remainder
`ifndef SYNTHESIS
  initial if (DIVISOR < 3 || SHIFT != WIDTH + $clog2(DIVISOR) || WIDTH < IN_WIDTH + LEFT)
    $fatal(1, "divide: DIVISOR=%0d, SHIFT=%0d, WIDTH=%0d do not fit together", DIVISOR, SHIFT, WIDTH);
`endif
  reg  v1, v2, v3;
  wire advance = ~v3 | m_axis_tready;
  assign s_axis_tready = advance;
  assign m_axis_tvalid = v3;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      v1 <= 1'b0;
      v2 <= 1'b0;
      v3 <= 1'b0;
    end else if (advance) begin
      v1 <= s_axis_tvalid;
      v2 <= v1;
      v3 <= v2;
    end
  end

  generate
    for (genvar i = 0; i < LANES; i = i + 1) begin : g_lane
      wire signed [IN_WIDTH-1:0] x = $signed(s_axis_tdata[i*IN_WIDTH +: IN_WIDTH]);
      wire signed [WIDTH-1:0]    scaled = WIDTH'(x) <<< LEFT;
      reg  [WIDTH-1:0]    n1, n2;
      reg  [WIDTH+FW-1:0] product;
      always_ff @(posedge aclk) if (advance) begin
        n1      <= scaled + WIDTH'(DIVISOR * OFFSET);
        n2      <= n1;
        product <= (WIDTH+FW)'(n1) * (WIDTH+FW)'(FACTOR);
      end
      wire [WIDTH-1:0] quotient  = WIDTH'(product >> SHIFT);
      wire [WIDTH-1:0] remainder = n2 - WIDTH'(quotient * DIVISOR);
      wire [RW-1:0]    twice     = RW'({remainder, 1'b0});
      wire [WIDTH-1:0] shifted   = quotient - WIDTH'(OFFSET);
      wire up = (ROUNDING == 1) ? (twice >= RW'(DIVISOR)) :
                (ROUNDING == 2) ? (twice > RW'(DIVISOR)) | ((twice == RW'(DIVISOR)) & shifted[0]) : 1'b0;
      reg [OUT_WIDTH-1:0] y;
      always_ff @(posedge aclk) if (advance) y <= OUT_WIDTH'($signed(shifted)) + OUT_WIDTH'(up);
      assign m_axis_tdata[i*OUT_WIDTH +: OUT_WIDTH] = y;
      wire unused = &{1'b0, product, remainder, shifted};
    end
  endgenerate
endmodule
`default_nettype wire
