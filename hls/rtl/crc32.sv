// SPDX-License-Identifier: Apache-2.0
// CRC-32 of a stream of BYTES bytes per beat, the lowest byte first: the checksum of IEEE 802.3, as zlib.crc32 gives it.
//
//   latency  4 cycles from a beat to the checksum that includes it
//   II       1 cycle per beat
//
// One step of the checksum is linear over GF(2): the new value is A * crc ^ B * data.  B * data is computed in front of
// the loop, 32 bits of data at a time, so that only A stands in it.  The columns of A and B follow from each other, bit
// by bit from the last.
`default_nettype none
module crc32 #(
  parameter integer BYTES = 4
) (
  input  wire               aclk,
  input  wire               aresetn,
  input  wire               clear,    // forget every beat before this cycle's
  input  wire               valid,
  input  wire [8*BYTES-1:0] tdata,
  output wire [31:0]        crc
);
  localparam integer BITS = 8 * BYTES;
  localparam [31:0]  POLY = 32'hedb88320;   // reflected: bit 31 is x**0
  localparam integer WORDS = (BYTES + 3) / 4;
  localparam integer FROM_STATE = (BITS < 32) ? BITS : 32;   // bits of the old value that the step mixes in

  // Column i is what a set bit i, of data or old value alike, becomes after the BITS - i shifts that are left for it.
  wire [BITS*32-1:0] columns;
  wire [32*BITS-1:0] rows;
  generate
    for (genvar i = 0; i < BITS; i = i + 1) begin : g_column
      if (i == BITS - 1) begin : g_last
        assign columns[i*32 +: 32] = POLY;
      end else begin : g_earlier
        assign columns[i*32 +: 32] = (columns[(i+1)*32 +: 32] >> 1) ^ (columns[(i+1)*32] ? POLY : 32'd0);
      end
      for (genvar k = 0; k < 32; k = k + 1) begin : g_row
        assign rows[k*BITS + i] = columns[i*32 + k];
      end
    end
  endgenerate

  reg                 v1, v2, v3;
  reg  [BITS-1:0]     data;
  reg  [32*WORDS-1:0] parts;        // what each word of the data adds
  reg  [31:0]         mixed, state;
  wire [32*WORDS-1:0] from_data;
  wire [31:0]         from_parts, from_state;
  generate
    for (genvar k = 0; k < 32; k = k + 1) begin : g_bit
      wire [WORDS-1:0] bits;
      for (genvar w = 0; w < WORDS; w = w + 1) begin : g_word
        localparam integer SIZE = (BITS - 32*w < 32) ? BITS - 32*w : 32;
        assign from_data[32*w + k] = ^(data[32*w +: SIZE] & rows[k*BITS + 32*w +: SIZE]);
        assign bits[w] = parts[32*w + k];
      end
      assign from_parts[k] = ^bits;
      assign from_state[k] = (^(state[FROM_STATE-1:0] & rows[k*BITS +: FROM_STATE])) ^
                             ((k + BITS < 32) ? state[(k + BITS) % 32] : 1'b0);
    end
  endgenerate
  always_ff @(posedge aclk) begin
    v1 <= aresetn & valid;
    v2 <= aresetn & v1 & ~clear;
    v3 <= aresetn & v2 & ~clear;
    if (valid) data <= tdata;
    if (v1) parts <= from_data;
    if (v2) mixed <= from_parts;
    if (!aresetn | clear) state <= 32'hffffffff;
    else if (v3) state <= from_state ^ mixed;
  end
  assign crc = ~state;
endmodule
`default_nettype wire
