// SPDX-License-Identifier: Apache-2.0
// What hls/rtl/rom.sv is from outside, for simulation: the same words, and the same handshakes in every cycle.
//
//   latency, II  as there
`default_nettype none
module rom #(
  parameter integer WIDTH  = 8,
  parameter integer DEPTH  = 4,
  parameter integer BANK   = DEPTH,
  parameter integer CYCLES = 2,
  parameter         STYLE  = "auto",
  parameter         FILE   = "none",
  parameter integer AW     = (DEPTH > 1) ? $clog2(DEPTH) : 1   // follows from DEPTH
) (
  input  wire             aclk,
  input  wire             enable,
  input  wire [AW-1:0]    address,
  output wire [WIDTH-1:0] data
);
  localparam integer BANKS = (DEPTH + BANK - 1) / BANK;
  localparam integer LINES = (BANKS > 1) ? BANK : DEPTH;
  localparam integer LW    = (LINES > 1) ? $clog2(LINES) : 1;
  reg [BANKS*WIDTH-1:0] lines [0:LINES-1];
  reg [WIDTH-1:0]       word;
  reg [AW-1:0]          waiting1, waiting2;
  wire [AW-1:0]         now  = (CYCLES == 3) ? waiting2 : waiting1;
  wire [AW-1:0]         bank = (BANKS > 1) ? now >> LW : '0;
  initial if (FILE != "none") $readmemh(FILE, lines);
  always_ff @(posedge aclk) if (enable) begin
    waiting1 <= address;
    waiting2 <= waiting1;
    word     <= lines[now[LW-1:0]][bank*WIDTH +: WIDTH];
  end
  assign data = word;
endmodule
`default_nettype wire
