// SPDX-License-Identifier: Apache-2.0
// DEPTH constant words of WIDTH bits out of a file of hexadecimal numbers, through two registers, as block RAM wants it.
//
//   latency  CYCLES, 2 or 3, from address to data, while enabled
//   II       1 cycle
//
// Deep memories are banks of BANK words, a power of two, that stand side by side in a line of the file: word i is part
// i / BANK of line i % BANK, the first part in the low bits. The second register of every bank but the one that is asked
// for becomes zero, so that the choice between them is an OR: no multiplexer stands behind the slow outputs of block
// RAM, and few LUTs behind their registers. A third register stands behind the choice, or else in front of the memory.
//
// STYLE "auto" leaves the place to synthesis, "block" is block RAM, "luts" are LUTs. LUT RAM that starts with content
// is the same hardware. yosys knows both attributes and looks at ram_style first; Vivado takes rom_style.
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
`ifndef SYNTHESIS
  initial if (BANKS > 1 && (BANK < 2 || (BANK & (BANK - 1)) != 0))
    $fatal(1, "rom: BANK=%0d; expected a power of two above 1", BANK);
  initial if (CYCLES != 2 && CYCLES != 3) $fatal(1, "rom: CYCLES=%0d; expected 2 or 3", CYCLES);
`endif
  wire [LW-1:0]          line;
  reg  [BANKS*WIDTH-1:0] first, second;
  generate
    if (CYCLES == 3 && BANKS == 1) begin : g_in_front
      reg [LW-1:0] waiting;
      always_ff @(posedge aclk) if (enable) waiting <= address[LW-1:0];
      assign line = waiting;
    end else begin : g_at_once
      assign line = address[LW-1:0];
    end
    if (STYLE == "luts") begin : g_luts
      (* rom_style = "distributed", ram_style = "registers" *) reg [BANKS*WIDTH-1:0] lines [0:LINES-1];
      if (FILE != "none") begin : g_file
        initial $readmemh(FILE, lines);
      end else begin : g_empty
        initial lines[0] = '0;
      end
      always_ff @(posedge aclk) if (enable) first <= lines[line];
    end else begin : g_memory
      (* rom_style = STYLE *) reg [BANKS*WIDTH-1:0] lines [0:LINES-1];
      if (FILE != "none") begin : g_file
        initial $readmemh(FILE, lines);
      end else begin : g_empty
        initial lines[0] = '0;
      end
      always_ff @(posedge aclk) if (enable) first <= lines[line];
    end
    if (BANKS > 1) begin : g_choice
      reg  [AW-LW-1:0]       bank;
      wire [BANKS*WIDTH-1:0] any;   // of the first one, two, ... banks
      always_ff @(posedge aclk) if (enable) bank <= address[AW-1:LW];
      assign any[0 +: WIDTH] = second[0 +: WIDTH];
      for (genvar b = 0; b < BANKS; b = b + 1) begin : g_bank
        wire here = (bank == (AW-LW)'(b));
        always_ff @(posedge aclk) if (enable)
          second[b*WIDTH +: WIDTH] <= here ? first[b*WIDTH +: WIDTH] : '0;
        if (b > 0) begin : g_or
          assign any[b*WIDTH +: WIDTH] = any[(b-1)*WIDTH +: WIDTH] | second[b*WIDTH +: WIDTH];
        end
      end
      wire [WIDTH-1:0] chosen = any[(BANKS-1)*WIDTH +: WIDTH];
      if (CYCLES == 3) begin : g_behind
        reg [WIDTH-1:0] third;
        always_ff @(posedge aclk) if (enable) third <= chosen;
        assign data = third;
      end else begin : g_direct
        assign data = chosen;
      end
    end else begin : g_one
      always_ff @(posedge aclk) if (enable) second <= first;
      assign data = second;
    end
  endgenerate
endmodule
`default_nettype wire
