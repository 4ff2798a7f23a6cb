// SPDX-License-Identifier: Apache-2.0
// DEPTH constant words of WIDTH bits out of a file of hexadecimal numbers, through two registers, as block RAM wants it.
//
//   latency  2 cycles from address to data, while enabled
//   II       1 cycle
//
// STYLE "auto" leaves the place to synthesis, "block" is block RAM, "luts" are LUTs. LUT RAM that starts with content
// is the same hardware. yosys knows both attributes and looks at ram_style first; Vivado takes rom_style.
`default_nettype none
module rom #(
  parameter integer WIDTH = 8,
  parameter integer DEPTH = 4,
  parameter         STYLE = "auto",
  parameter         FILE  = "none",
  parameter integer AW    = (DEPTH > 1) ? $clog2(DEPTH) : 1   // derived
) (
  input  wire             aclk,
  input  wire             enable,
  input  wire [AW-1:0]    address,
  output wire [WIDTH-1:0] data
);
  reg [WIDTH-1:0] first, second;
  generate
    if (STYLE == "luts") begin : g_luts
      (* rom_style = "distributed", ram_style = "registers" *) reg [WIDTH-1:0] words [0:DEPTH-1];
      if (FILE != "none") begin : g_file
        initial $readmemh(FILE, words);
      end else begin : g_empty
        initial words[0] = '0;
      end
      always_ff @(posedge aclk) if (enable) first <= words[address];
    end else begin : g_memory
      (* rom_style = STYLE *) reg [WIDTH-1:0] words [0:DEPTH-1];
      if (FILE != "none") begin : g_file
        initial $readmemh(FILE, words);
      end else begin : g_empty
        initial words[0] = '0;
      end
      always_ff @(posedge aclk) if (enable) first <= words[address];
    end
  endgenerate
  always_ff @(posedge aclk) if (enable) second <= first;
  assign data = second;
endmodule
`default_nettype wire
