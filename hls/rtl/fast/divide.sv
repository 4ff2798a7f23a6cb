// SPDX-License-Identifier: Apache-2.0
// What hls/rtl/divide.sv is from outside, for simulation: the same words, and the same handshakes in every cycle.
//
//   latency, II  as there
`default_nettype none
module divide #(
  parameter integer LANES     = 1,
  parameter integer IN_WIDTH  = 12,
  parameter integer LEFT      = 0,
  parameter integer WIDTH     = 14,
  parameter integer DIVISOR   = 9,
  parameter [63:0]  OFFSET    = 64'd228,
  parameter integer ROUNDING  = 2,
  parameter integer OUT_WIDTH = 10
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
  localparam integer BITS  = WIDTH - $clog2(DIVISOR) + 1 + ((ROUNDING != 0) ? 1 : 0);
  localparam integer STEPS = BITS + 2;
  localparam integer QW    = $clog2(STEPS);
  localparam [WIDTH:0] BY  = (WIDTH+1)'(DIVISOR);   // one more bit for twice a remainder

  reg [STEPS-1:0]           valid_q;
  reg [LANES*OUT_WIDTH-1:0] late [0:(1<<QW)-1];     // results on their way out
  reg [LANES*OUT_WIDTH-1:0] result;
  reg [QW-1:0]              slot;
  wire                      advance = ~valid_q[STEPS-1] | m_axis_tready;
  assign s_axis_tready = advance;
  assign m_axis_tvalid = valid_q[STEPS-1];
  assign m_axis_tdata  = result;
  always_ff @(posedge aclk) begin : convert
    reg [WIDTH-1:0] scaled;
    reg [WIDTH:0]   dividend, quotient, rest;
    if (!aresetn) begin
      valid_q <= '0;
      slot    = '0;
    end else if (advance & (s_axis_tvalid | (valid_q != '0))) begin
      if (s_axis_tvalid)
        for (int i = 0; i < LANES; i = i + 1) begin
          scaled   = WIDTH'($signed(s_axis_tdata[i*IN_WIDTH +: IN_WIDTH])) << LEFT;
          dividend = {1'b0, scaled + WIDTH'(DIVISOR * OFFSET)};
          quotient = dividend / BY;
          rest     = (dividend % BY) << 1;
          if (ROUNDING != 0 && rest >= BY && (ROUNDING == 1 || rest > BY || quotient[0] != OFFSET[0]))
            quotient = quotient + 1'b1;
          late[slot][i*OUT_WIDTH +: OUT_WIDTH] = OUT_WIDTH'(quotient) - OUT_WIDTH'(OFFSET);
        end
      result  <= late[slot - QW'(STEPS - 1)];
      valid_q <= {valid_q[STEPS-2:0], s_axis_tvalid};
      slot    = slot + 1'b1;
    end
  end
endmodule
`default_nettype wire
