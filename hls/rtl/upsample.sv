// SPDX-License-Identifier: Apache-2.0
// Repeats every pixel of an image FACTOR_X times in its row, and every row FACTOR_Y times.
//
//   latency  FACTOR_Y * FACTOR_X cycles per beat in, - 1 + 3
//   II       FACTOR_Y * FACTOR_X cycles per beat in, one per beat out
//
// A beat passes when it comes, and is written into a memory of one row from which the repetitions are read; without
// repeated rows one pixel is enough.
`default_nettype none
module upsample #(
  parameter integer WIDTH    = 8,    // bits per beat
  parameter integer BLOCKS   = 2,    // beats per pixel
  parameter integer COLUMNS  = 3,
  parameter integer FACTOR_Y = 2,
  parameter integer FACTOR_X = 2,
  parameter integer BANK     = 32    // words per bank of the memory
) (
  input  wire             aclk,
  input  wire             aresetn,
  input  wire [WIDTH-1:0] s_axis_tdata,
  input  wire             s_axis_tvalid,
  output wire             s_axis_tready,
  output wire [WIDTH-1:0] m_axis_tdata,
  output wire             m_axis_tvalid,
  input  wire             m_axis_tready
);
  localparam integer DEPTH = (FACTOR_Y > 1) ? COLUMNS * BLOCKS : BLOCKS;
  localparam integer AW = (DEPTH > 1) ? $clog2(DEPTH) : 1;
  localparam integer YW = $clog2(FACTOR_Y + 1);
  localparam integer XW = $clog2(FACTOR_X + 1);
  localparam integer CW = $clog2(COLUMNS + 1);
  localparam integer BW = $clog2(BLOCKS + 1);
  reg  [YW-1:0]    again_y;   // repetitions of the row, of the pixel
  reg  [XW-1:0]    again_x;
  reg  [CW-1:0]    column;
  reg  [BW-1:0]    block;
  reg  [AW-1:0]    address;   // in the memory
  wire y_last      = (again_y == YW'(FACTOR_Y - 1));
  wire x_last      = (again_x == XW'(FACTOR_X - 1));
  wire column_last = (column == CW'(COLUMNS - 1));
  wire block_last  = (block == BW'(BLOCKS - 1));
  wire fresh       = (again_y == '0) & (again_x == '0);

  reg  [2:0]       valid_q;   // behind the memory's address, the memory, and the choice
  wire advance = ~valid_q[2] | m_axis_tready;
  wire given   = s_axis_tvalid | ~fresh;
  wire step    = given & advance;
  assign s_axis_tready = fresh & advance;
  assign m_axis_tvalid = valid_q[2];
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      again_y <= '0;
      again_x <= '0;
      column  <= '0;
      block   <= '0;
      address <= '0;
      valid_q <= '0;
    end else begin
      if (advance) valid_q <= {valid_q[1:0], given};
      if (step) begin
        block   <= block_last ? '0 : block + 1'b1;
        address <= ~block_last                                         ? address + 1'b1 :
                   (x_last & column_last)                              ? '0 :
                   (x_last & (FACTOR_Y > 1))                           ? address + 1'b1 :
                                                                         address - AW'(BLOCKS - 1);
      end
      if (step & block_last) again_x <= x_last ? '0 : again_x + 1'b1;
      if (step & block_last & x_last) column <= column_last ? '0 : column + 1'b1;
      if (step & block_last & x_last & column_last) again_y <= y_last ? '0 : again_y + 1'b1;
    end
  end

  reg  [WIDTH-1:0] passing1, passing2, result;
  reg  [1:0]       fresh_q;
  wire [WIDTH-1:0] kept;
  ram #(.WIDTH(WIDTH), .DEPTH(DEPTH), .BANK(BANK)) row (
    .aclk(aclk),
    .write(step & fresh), .write_address(address), .write_data(s_axis_tdata),
    .read(advance), .read_address(address), .read_data(kept));
  always_ff @(posedge aclk) if (advance) begin
    passing1 <= s_axis_tdata;
    passing2 <= passing1;
    fresh_q  <= {fresh_q[0], fresh};
    result   <= fresh_q[1] ? passing2 : kept;
  end
  assign m_axis_tdata = result;
endmodule
`default_nettype wire
