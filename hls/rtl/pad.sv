// SPDX-License-Identifier: Apache-2.0
// Zeros around an image: TOP and BOTTOM rows, LEFT and RIGHT columns.
//
//   latency  from the first beat in to the last beat out as many cycles as beats leave meanwhile, and 1
//   II       (TOP + ROWS + BOTTOM) * (LEFT + COLUMNS + RIGHT) * BLOCKS cycles per image, one per beat out
//
// The padding above waits for the image's first beat to be offered.
`default_nettype none
module pad #(
  parameter integer WIDTH   = 8,    // bits per beat
  parameter integer BLOCKS  = 2,    // beats per pixel
  parameter integer ROWS    = 3,
  parameter integer COLUMNS = 3,
  parameter integer TOP     = 1,
  parameter integer LEFT    = 1,
  parameter integer BOTTOM  = 1,
  parameter integer RIGHT   = 1
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
  localparam integer OUT_ROWS    = TOP + ROWS + BOTTOM;
  localparam integer OUT_COLUMNS = LEFT + COLUMNS + RIGHT;
  localparam integer RW = $clog2(OUT_ROWS + 1);
  localparam integer CW = $clog2(OUT_COLUMNS + 1);
  localparam integer BW = $clog2(BLOCKS + 1);
  reg  [RW-1:0]    row;
  reg  [CW-1:0]    column;
  reg  [BW-1:0]    block;
  reg              in_rows, in_columns;   // of the image
  reg              begun;                 // a beat of the image has come
  reg              valid;
  reg  [WIDTH-1:0] result;
  wire row_last    = (row == RW'(OUT_ROWS - 1));
  wire column_last = (column == CW'(OUT_COLUMNS - 1));
  wire block_last  = (block == BW'(BLOCKS - 1));
  wire row_end     = block_last & column_last;
  wire in_image    = in_rows & in_columns;
  wire given       = s_axis_tvalid | (begun & ~in_image);
  wire advance     = ~valid | m_axis_tready;
  wire step        = given & advance;
  assign s_axis_tready = in_image & advance;
  assign m_axis_tvalid = valid;
  assign m_axis_tdata  = result;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      row        <= '0;
      column     <= '0;
      block      <= '0;
      in_rows    <= (TOP == 0);
      in_columns <= (LEFT == 0);
      begun      <= 1'b0;
      valid      <= 1'b0;
    end else begin
      if (advance) valid <= given;
      if (step) begin
        block <= block_last ? '0 : block + 1'b1;
        begun <= (begun | in_image) & ~(row_end & row_last);
      end
      if (step & block_last) begin
        column     <= column_last ? '0 : column + 1'b1;
        in_columns <= column_last ? (LEFT == 0)
                                  : (column == CW'(LEFT - 1)) | (in_columns & (column != CW'(LEFT + COLUMNS - 1)));
      end
      if (step & row_end) begin
        row     <= row_last ? '0 : row + 1'b1;
        in_rows <= row_last ? (TOP == 0) : (row == RW'(TOP - 1)) | (in_rows & (row != RW'(TOP + ROWS - 1)));
      end
    end
  end
  always_ff @(posedge aclk) if (advance) result <= in_image ? s_axis_tdata : '0;
endmodule
`default_nettype wire
