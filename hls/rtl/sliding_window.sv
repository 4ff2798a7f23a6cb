// SPDX-License-Identifier: Apache-2.0
// Brings the windows of a convolution or pooling out of an image that arrives row by row, channels innermost.
//
// A circular line buffer holds BUFFER_ROWS rows of the padded image.  Rows of padding take a slot and one cycle but no
// memory access; rows below the last window are taken in and forgotten.  An output row begins when all the rows it
// needs are there, and gives up STRIDE_Y rows when it ends.  With
//   write = COLUMNS * BLOCKS cycles per input row,  read = OUT_COLUMNS * KERNEL_Y * KERNEL_X * BLOCKS per output row
//   II       max(ROWS * write + padding rows, OUT_ROWS * read) cycles per image, for a BUFFER_ROWS that suffices
//   latency  the rows of the first window are written, then OUT_ROWS * read - 1 + 4 cycles, where reading is the slower
// hwsim/fpga/dataflow/ has both in general, and the smallest BUFFER_ROWS that suffices.
//
// The BLOCKS beats of a pixel are split into GROUPS equal groups.  A window is given group by group, within a group
// position by position (kernel row, then kernel column), within a position the group's beats: GROUPS = 1 has the
// channels innermost (for matrix_vector), GROUPS = BLOCKS all positions of one beat before the next (for pooling).
`default_nettype none
module sliding_window #(
  parameter integer LANES          = 1,
  parameter integer WIDTH          = 8,    // bits per value
  parameter integer BLOCKS         = 2,    // beats per pixel
  parameter integer ROWS           = 5,
  parameter integer COLUMNS        = 5,
  parameter integer KERNEL_Y       = 3,
  parameter integer KERNEL_X       = 3,
  parameter integer STRIDE_Y       = 1,
  parameter integer STRIDE_X       = 1,
  parameter integer DILATION_Y     = 1,
  parameter integer DILATION_X     = 1,
  parameter integer PAD_TOP        = 1,
  parameter integer PAD_LEFT       = 1,
  parameter integer OUT_ROWS       = 5,
  parameter integer OUT_COLUMNS    = 5,
  parameter integer BUFFER_ROWS    = 5,
  parameter integer GROUPS         = 1,
  parameter [63:0]  PAD_VALUE      = 64'd0
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
  localparam integer USED   = (OUT_ROWS - 1) * STRIDE_Y + EXTENT;        // padded rows that windows read
  localparam integer BOTTOM = PAD_TOP + ROWS;                            // first row of padding below the image
  localparam integer ALL    = (USED > BOTTOM) ? USED : BOTTOM;
  localparam integer NEED   = (EXTENT > STRIDE_Y) ? EXTENT : STRIDE_Y;
  localparam integer LINE   = COLUMNS * BLOCKS;
  localparam integer DEPTH  = BUFFER_ROWS * LINE;
`ifndef SYNTHESIS
  initial if (BUFFER_ROWS < NEED || PAD_TOP >= EXTENT)
    $fatal(1, "sliding_window: BUFFER_ROWS=%0d and PAD_TOP=%0d; expected at least %0d and less than %0d",
           BUFFER_ROWS, PAD_TOP, NEED, EXTENT);
  initial if (BLOCKS % GROUPS != 0)
    $fatal(1, "sliding_window: GROUPS=%0d must divide BLOCKS=%0d", GROUPS, BLOCKS);
`endif
  localparam integer RW = $clog2(ALL + 1);
  localparam integer LW = $clog2(LINE + 1);
  localparam integer SW = $clog2(BUFFER_ROWS + 1);
  localparam integer AW = (DEPTH > 1) ? $clog2(DEPTH) : 1;

  // ---- writing: one row after the other, padding included
  reg  [RW-1:0] row;         // of the padded image
  reg  [LW-1:0] place;       // within the row
  reg  [SW-1:0] write_slot;
  reg  [SW-1:0] filled;      // complete rows whose reading is not yet issued: what the reader may use
  reg  [SW-1:0] occupied;    // complete rows not yet read out of memory: what the writer must not touch
  wire signed [31:0] image_row = 32'(row) - PAD_TOP;
  wire is_padding = (image_row < 0) | (image_row >= ROWS);
  wire is_dropped = (32'(row) >= USED);
  wire has_room   = (occupied != SW'(BUFFER_ROWS));
  wire push       = s_axis_tvalid & s_axis_tready;
  wire row_end    = is_padding ? has_room : (push & (place == LW'(LINE - 1)));
  wire stored     = row_end & ~is_dropped;
  assign s_axis_tready = ~is_padding & (is_dropped | has_room);

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      row        <= '0;
      place      <= '0;
      write_slot <= '0;
    end else begin
      if (push) place <= row_end ? '0 : place + 1'b1;
      if (row_end) row <= (row == RW'(ALL - 1)) ? '0 : row + 1'b1;
      if (stored) write_slot <= (write_slot == SW'(BUFFER_ROWS - 1)) ? '0 : write_slot + 1'b1;
    end
  end

  reg [LANES*WIDTH-1:0] lines [0:DEPTH-1];
  wire [AW-1:0] write_address = AW'(32'(write_slot) * LINE + 32'(place));
  always_ff @(posedge aclk) if (push & ~is_dropped) lines[write_address] <= s_axis_tdata;

  // ---- reading: counters of output row, output column, group, kernel row, kernel column, beat
  localparam integer OYW = $clog2(OUT_ROWS + 1);
  localparam integer OXW = $clog2(OUT_COLUMNS + 1);
  localparam integer KYW = $clog2(KERNEL_Y + 1);
  localparam integer KXW = $clog2(KERNEL_X + 1);
  localparam integer PART = BLOCKS / GROUPS;   // beats of a position
  localparam integer CW  = $clog2(PART + 1);
  localparam integer GW  = $clog2(GROUPS + 1);
  reg  [OYW-1:0] oy;
  reg  [OXW-1:0] ox;
  reg  [KYW-1:0] ky;
  reg  [KXW-1:0] kx;
  reg  [CW-1:0]  c;
  reg  [GW-1:0]  g;
  reg  [SW-1:0]  read_slot;  // of the first row of the window
  reg  [SW-1:0]  released;   // rows given up by the read that leaves the address register next
  reg            v1, v2, v3; // validity behind the address, the memory and the padding
  wire oy_end = (oy == OYW'(OUT_ROWS - 1));
  wire ox_end = (ox == OXW'(OUT_COLUMNS - 1));
  wire ky_end = (ky == KYW'(KERNEL_Y - 1));
  wire kx_end = (kx == KXW'(KERNEL_X - 1));
  wire c_end  = (c == CW'(PART - 1));
  wire g_end  = (g == GW'(GROUPS - 1));
  wire advance    = ~v3 | m_axis_tready;
  wire issue      = (32'(filled) >= (oy_end ? EXTENT : NEED));
  wire step       = advance & issue;
  wire kx_step    = c_end;
  wire ky_step    = c_end & kx_end;
  wire g_step     = c_end & kx_end & ky_end;
  wire window_end = g_step & g_end;
  wire row_read   = step & window_end & ox_end;

  wire [31:0] freed     = oy_end ? EXTENT : STRIDE_Y;
  wire [31:0] next_slot = 32'(read_slot) + freed;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      oy        <= '0;
      ox        <= '0;
      ky        <= '0;
      kx        <= '0;
      c         <= '0;
      g         <= '0;
      read_slot <= '0;
      filled    <= '0;
      occupied  <= '0;
    end else begin
      if (step)              c  <= c_end ? '0 : c + 1'b1;
      if (step & kx_step)    kx <= kx_end ? '0 : kx + 1'b1;
      if (step & ky_step)    ky <= ky_end ? '0 : ky + 1'b1;
      if (step & g_step)     g  <= g_end ? '0 : g + 1'b1;
      if (step & window_end) ox <= ox_end ? '0 : ox + 1'b1;
      if (row_read) begin
        oy        <= oy_end ? '0 : oy + 1'b1;
        read_slot <= SW'((next_slot >= BUFFER_ROWS) ? next_slot - BUFFER_ROWS : next_slot);
      end
      filled   <= filled + SW'(stored) - (row_read ? SW'(freed) : '0);
      occupied <= occupied + SW'(stored) - (advance ? released : '0);
    end
  end

  // Address, memory, padding: one register each.
  wire signed [31:0] y = 32'(oy) * STRIDE_Y + 32'(ky) * DILATION_Y - PAD_TOP;
  wire signed [31:0] x = 32'(ox) * STRIDE_X + 32'(kx) * DILATION_X - PAD_LEFT;
  wire        [31:0] tap_slot = 32'(read_slot) + 32'(ky) * DILATION_Y;
  wire        [31:0] tap_line = (tap_slot >= BUFFER_ROWS) ? tap_slot - BUFFER_ROWS : tap_slot;
  wire is_outside = (y < 0) | (y >= ROWS) | (x < 0) | (x >= COLUMNS);
  reg  [AW-1:0]          read_address;
  reg  [LANES*WIDTH-1:0] value, result;
  reg                    outside1, outside2;
  always_ff @(posedge aclk) begin
    if (!aresetn) released <= '0;
    else if (advance) released <= row_read ? SW'(freed) : '0;
  end
  always_ff @(posedge aclk) if (advance) begin
    read_address <= is_outside ? '0 : AW'(tap_line * LINE + 32'(x) * BLOCKS + 32'(g) * PART + 32'(c));
    outside1     <= is_outside;
    value        <= lines[read_address];
    outside2     <= outside1;
    result       <= outside2 ? {LANES{WIDTH'(PAD_VALUE)}} : value;
  end
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      v1 <= 1'b0;
      v2 <= 1'b0;
      v3 <= 1'b0;
    end else if (advance) begin
      v1 <= issue;
      v2 <= v1;
      v3 <= v2;
    end
  end
  assign m_axis_tdata  = result;
  assign m_axis_tvalid = v3;
endmodule
`default_nettype wire
