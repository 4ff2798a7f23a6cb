// SPDX-License-Identifier: Apache-2.0
// Memory of DEPTH words with one write port and one read port, in block RAM or, where it is small, in LUT RAM.
//
//   latency  2 cycles in which `read` is high: the memory's own register and the one behind it
//   II       1 cycle
//
// A word that is written in a cycle can be addressed in the next.  Deep memories are banks of BANK words, a power of
// two, each with both registers: a choice between block RAMs then never stands right behind their slow outputs.
`default_nettype none
module ram #(
  parameter integer WIDTH = 8,
  parameter integer DEPTH = 48,
  parameter integer BANK  = 32,
  parameter integer AW    = (DEPTH > 1) ? $clog2(DEPTH) : 1   // follows from DEPTH
) (
  input  wire             aclk,
  input  wire             write,
  input  wire [AW-1:0]    write_address,
  input  wire [WIDTH-1:0] write_data,
  input  wire             read,
  input  wire [AW-1:0]    read_address,
  output wire [WIDTH-1:0] read_data
);
`ifndef SYNTHESIS
  initial if (BANK < 2 || (BANK & (BANK - 1)) != 0) $fatal(1, "ram: BANK=%0d; expected a power of two above 1", BANK);
`endif
  localparam integer BANKS = (DEPTH + BANK - 1) / BANK;
  generate
    if (BANKS == 1) begin : g_one
      reg [WIDTH-1:0] words [0:DEPTH-1];
      reg [WIDTH-1:0] first, second;
      always_ff @(posedge aclk) if (write) words[write_address] <= write_data;
      always_ff @(posedge aclk) if (read) begin
        first  <= words[read_address];
        second <= first;
      end
      assign read_data = second;
    end else begin : g_many
      localparam integer LOW = $clog2(BANK);
      reg  [AW-LOW-1:0]       bank1, bank2;
      wire [BANKS*WIDTH-1:0]  all;
      always_ff @(posedge aclk) if (read) begin
        bank1 <= read_address[AW-1:LOW];
        bank2 <= bank1;
      end
      for (genvar b = 0; b < BANKS; b = b + 1) begin : g_bank
        localparam integer SIZE = (b + 1 < BANKS) ? BANK : DEPTH - b * BANK;
        localparam integer IW   = (SIZE > 1) ? $clog2(SIZE) : 1;
        reg [WIDTH-1:0] words [0:SIZE-1];
        reg [WIDTH-1:0] first, second;
        wire here = (write_address[AW-1:LOW] == (AW-LOW)'(b));
        always_ff @(posedge aclk) if (write & here) words[write_address[IW-1:0]] <= write_data;
        always_ff @(posedge aclk) if (read) begin
          first  <= words[read_address[IW-1:0]];
          second <= first;
        end
        assign all[b*WIDTH +: WIDTH] = second;
      end
      assign read_data = all[bank2*WIDTH +: WIDTH];
    end
  endgenerate
endmodule
`default_nettype wire
