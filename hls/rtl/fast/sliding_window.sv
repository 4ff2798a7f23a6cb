// SPDX-License-Identifier: Apache-2.0
// What hls/rtl/sliding_window.sv is from outside, for simulation: the same words, and the same handshakes in every cycle.
//
//   latency, II  as there
`default_nettype none
module sliding_window #(
  parameter integer LANES       = 1,
  parameter integer WIDTH       = 8,    // bits per value
  parameter integer BLOCKS      = 2,    // beats per pixel
  parameter integer ROWS        = 5,
  parameter integer COLUMNS     = 5,
  parameter integer KERNEL_Y    = 3,
  parameter integer KERNEL_X    = 3,
  parameter integer STRIDE_Y    = 1,
  parameter integer STRIDE_X    = 1,
  parameter integer DILATION_Y  = 1,
  parameter integer DILATION_X  = 1,
  parameter integer PAD_TOP     = 1,
  parameter integer PAD_LEFT    = 1,
  parameter integer OUT_ROWS    = 5,
  parameter integer OUT_COLUMNS = 5,
  parameter integer BUFFER_ROWS = 5,
  parameter integer BANK        = 32,   // words per bank of the line buffer
  parameter integer GROUPS      = 1,
  parameter [63:0]  PAD_VALUE   = 64'd0
) (
  input  wire                   aclk,
  input  wire                   aresetn,
  input  wire [LANES*WIDTH-1:0] s_axis_tdata,
  input  wire                   s_axis_tvalid,
  output wire                   s_axis_tready,
  output wire [LANES*WIDTH-1:0] m_axis_tdata,
  output wire                   m_axis_tvalid,
  input  wire                   m_axis_tready
);
  localparam integer EXTENT = DILATION_Y * (KERNEL_Y - 1) + 1;           // rows a window spans
  localparam integer GIVEN  = (EXTENT < STRIDE_Y) ? EXTENT : STRIDE_Y;   // rows an output row gives up
  localparam integer USED   = (OUT_ROWS - 1) * STRIDE_Y + EXTENT;        // padded rows up to the last one read
  localparam integer BOTTOM = PAD_TOP + ROWS;                            // first row of padding below the image
  localparam integer ALL    = (USED > BOTTOM) ? USED : BOTTOM;
  localparam integer LINE   = COLUMNS * BLOCKS;
  localparam integer DEPTH  = BUFFER_ROWS * LINE;
`ifndef SYNTHESIS
  initial if (BUFFER_ROWS < EXTENT || PAD_TOP >= EXTENT)
    $fatal(1, "sliding_window: BUFFER_ROWS=%0d and PAD_TOP=%0d; expected at least %0d and less than %0d",
           BUFFER_ROWS, PAD_TOP, EXTENT, EXTENT);
  initial if (BLOCKS % GROUPS != 0)
    $fatal(1, "sliding_window: GROUPS=%0d must divide BLOCKS=%0d", GROUPS, BLOCKS);
`endif
  localparam integer AW = (DEPTH > 1) ? $clog2(DEPTH) : 1;

  localparam integer PART     = BLOCKS / GROUPS;
  localparam integer SPAN_X   = (KERNEL_X - 1) * DILATION_X * BLOCKS;
  localparam integer SPAN_Y   = (KERNEL_Y - 1) * DILATION_Y;
  localparam integer TO_RIGHT = (OUT_COLUMNS - 1) * STRIDE_X * BLOCKS;
  reg  [LANES*WIDTH-1:0] words [0:(1<<AW)-1];
  reg  [LANES*WIDTH-1:0] late  [0:3];   // values on their way out
  reg  [LANES*WIDTH-1:0] result;
  reg                    ready;
  reg  [3:0]             valid_q;
  reg  [1:0]             slot;
  integer                row, phase, place, write_address, room, ahead, released;   // as there
  reg                    is_padding, is_between, is_below;
  integer                oy, ox, g, ky, kx, c;            // of the tap
  integer                y, column, line, first_line;     // where it lies
  assign s_axis_tready = ready;
  assign m_axis_tdata  = result;
  assign m_axis_tvalid = valid_q[3];

  always_ff @(posedge aclk) begin : move
    reg     push, row_end, dropped, issue;
    integer freed;
    if (!aresetn) begin
      row           = 0;
      phase         = 0;
      place         = 0;
      write_address = 0;
      room          = BUFFER_ROWS;
      is_padding    = (PAD_TOP > 0);
      is_between    = 1'b0;
      is_below      = 1'b0;
      ahead         = -EXTENT;
      released      = 0;
      slot          = '0;
      oy            = 0;
      ox            = 0;
      g             = 0;
      ky            = 0;
      kx            = 0;
      c             = 0;
      y             = -PAD_TOP;
      column        = -PAD_LEFT * BLOCKS;
      line          = 0;
      first_line    = 0;
      valid_q <= '0;
      ready   <= (PAD_TOP == 0);
    end else begin
      push    = s_axis_tvalid & ready;
      issue   = (ahead >= 0);
      dropped = is_between | is_below;

      // ---- writing
      row_end = is_padding ? dropped | (room != 0) : push & (place == LINE - 1);
      if (push | row_end) begin
        if (push) begin
          if (!dropped) words[write_address[AW-1:0]] = s_axis_tdata;
          place = row_end ? 0 : place + 1;
        end
        if (!dropped) begin
          write_address = write_address + (is_padding ? LINE : 1);
          if (write_address >= DEPTH) write_address = write_address - DEPTH;
        end
        if (row_end) begin
          if (!dropped) begin
            room  = room - 1;
            ahead = ahead + 1;
          end
          row        = (row == ALL - 1) ? 0 : row + 1;
          phase      = (row == 0 || phase == STRIDE_Y - 1) ? 0 : phase + 1;
          is_padding = (row < PAD_TOP) | (row >= BOTTOM);
          is_below   = (row >= USED);
          is_between = (STRIDE_Y > EXTENT) & (row != 0) & (phase >= EXTENT);
        end
      end

      // ---- reading: a row that is there is complete, and stays until it is released
      if ((~valid_q[3] | m_axis_tready) & (issue | (valid_q != 0))) begin
        freed = 0;
        if (issue) begin
          late[slot] = (y < 0 || y >= ROWS || column < 0 || column >= LINE) ? {LANES{WIDTH'(PAD_VALUE)}}
                                                                            : words[AW'(line + column)];
          c = c + 1;
          column = column + 1;
          if (c == PART) begin
            c = 0;
            kx = kx + 1;
            column = column + DILATION_X * BLOCKS - PART;
            if (kx == KERNEL_X) begin
              kx = 0;
              ky = ky + 1;
              y = y + DILATION_Y;
              line = line + DILATION_Y * LINE;
              column = column - SPAN_X - DILATION_X * BLOCKS;
              if (ky == KERNEL_Y) begin
                ky = 0;
                g = g + 1;
                y = y - SPAN_Y - DILATION_Y;
                line = first_line;
                column = column + PART;
                if (g == GROUPS) begin
                  g = 0;
                  ox = ox + 1;
                  column = column - BLOCKS + STRIDE_X * BLOCKS;
                  if (ox == OUT_COLUMNS) begin
                    ox = 0;
                    oy = oy + 1;
                    y = y + STRIDE_Y;
                    column = column - TO_RIGHT - STRIDE_X * BLOCKS;
                    freed = (oy == OUT_ROWS) ? EXTENT : GIVEN;
                    ahead = ahead - freed;
                    first_line = first_line + freed * LINE;
                    if (first_line >= DEPTH) first_line = first_line - DEPTH;
                    line = first_line;
                    if (oy == OUT_ROWS) begin
                      oy = 0;
                      y = y - OUT_ROWS * STRIDE_Y;
                    end
                  end
                end
              end
              if (line >= DEPTH) line = line - DEPTH;
            end
          end
        end
        if (issue | (valid_q[2:0] != 0)) begin
          room = room + released;
          released = freed;
          slot = slot + 1'b1;
          result <= late[slot];
        end
        valid_q <= {valid_q[2:0], issue};
      end
      ready <= ~is_padding & (is_between | is_below | (room != 0));
    end
  end
endmodule
`default_nettype wire
