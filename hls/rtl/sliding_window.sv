// SPDX-License-Identifier: Apache-2.0
// Brings the windows of a convolution or pooling out of an image that arrives row by row, channels innermost.
//
// A circular line buffer holds BUFFER_ROWS rows of the padded image.  Rows of padding take a slot and one cycle but no
// memory access; rows that no window reads are taken in and forgotten.  An output row begins when all the rows it needs
// are there, and when it ends it gives up those that the next one does not read.  With
//   write = COLUMNS * BLOCKS cycles per input row,  read = OUT_COLUMNS * KERNEL_Y * KERNEL_X * BLOCKS per output row
//   II       max(ROWS * write + padding rows, OUT_ROWS * read) cycles per image, for a BUFFER_ROWS that suffices
//   latency  the rows of the first window are written, then OUT_ROWS * read - 1 + 5 cycles, where reading is the slower
// hwsim/fpga/dataflow/ has both in general, and the smallest BUFFER_ROWS that suffices.
//
// The BLOCKS beats of a pixel are split into GROUPS equal groups.  A window is given group by group, within a group
// position by position (kernel row, then kernel column), within a position the group's beats: GROUPS = 1 has the
// channels innermost (for matrix_vector), GROUPS = BLOCKS all positions of one beat before the next (for pooling).
//
// Nothing is multiplied: all addresses and coordinates go on by constants.
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
  localparam integer RW = $clog2(ALL + 1);
  localparam integer PW = $clog2(STRIDE_Y + 1);
  localparam integer LW = $clog2(LINE + 1);
  localparam integer SW = $clog2(BUFFER_ROWS + 1);
  localparam integer AW = (DEPTH > 1) ? $clog2(DEPTH) : 1;

  // `by` words on in the circular buffer; `left` is DEPTH - by, so that both sums begin at once.
  function automatic [AW-1:0] after(input [AW-1:0] address, input [AW-1:0] by, input [AW:0] left);
    reg [AW:0] wrapped;
    begin
      wrapped = {1'b0, address} - left;
      after   = wrapped[AW] ? address + by : wrapped[AW-1:0];
    end
  endfunction

  // ---- writing: one row after the other, padding included
  reg  [RW-1:0] row;             // of the padded image
  reg  [PW-1:0] phase;           // rows since the last one with which a window could begin
  reg  [LW-1:0] place;           // within the row
  reg  [AW-1:0] write_address;
  reg  [SW-1:0] room;            // slots without a row that is still to be read
  reg           is_padding;
  reg           is_between;      // windows, which leave rows out
  reg           is_below;        // the last window
  wire last_row   = (row == RW'(ALL - 1));
  wire last_phase = (phase == PW'(STRIDE_Y - 1));
  wire is_dropped = is_between | is_below;
  wire may_pass   = is_dropped | (room != '0);
  wire push       = s_axis_tvalid & s_axis_tready;
  wire row_end    = is_padding ? may_pass : (push & (place == LW'(LINE - 1)));
  wire stored     = row_end & ~is_dropped;
  assign s_axis_tready = ~is_padding & may_pass;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      row           <= '0;
      phase         <= '0;
      place         <= '0;
      write_address <= '0;
      is_padding    <= (PAD_TOP > 0);
      is_between    <= 1'b0;
      is_below      <= 1'b0;
    end else if (push | row_end) begin
      if (push) place <= row_end ? '0 : place + 1'b1;
      if (row_end) begin
        row        <= last_row ? '0 : row + 1'b1;
        phase      <= (last_row | last_phase) ? '0 : phase + 1'b1;
        is_padding <= last_row ? (PAD_TOP > 0) : (row == RW'(BOTTOM - 1)) | (is_padding & (row != RW'(PAD_TOP - 1)));
        is_between <= (STRIDE_Y > EXTENT) & ~last_row & ~last_phase & (is_between | (phase == PW'(EXTENT - 1)));
        is_below   <= ~last_row & (is_below | (row == RW'(USED - 1)));
      end
      if ((push | row_end) & ~is_dropped)
        write_address <= after(write_address, is_padding ? AW'(LINE) : AW'(1),
                               is_padding ? (AW+1)'(DEPTH - LINE) : (AW+1)'(DEPTH - 1));
    end
  end

  // ---- reading: counters of output row, output column, group, kernel row, kernel column, beat
  localparam integer PART  = BLOCKS / GROUPS;                            // beats of a position
  localparam integer OYW   = $clog2(OUT_ROWS + 1);
  localparam integer OXW   = $clog2(OUT_COLUMNS + 1);
  localparam integer GW    = $clog2(GROUPS + 1);
  localparam integer KYW   = $clog2(KERNEL_Y + 1);
  localparam integer KXW   = $clog2(KERNEL_X + 1);
  localparam integer CW    = $clog2(PART + 1);
  reg  [OYW-1:0] oy;
  reg  [OXW-1:0] ox;
  reg  [GW-1:0]  g;
  reg  [KYW-1:0] ky;
  reg  [KXW-1:0] kx;
  reg  [CW-1:0]  c;
  wire oy_end = (OUT_ROWS == 1)    | (oy == OYW'(OUT_ROWS - 1));
  wire ox_end = (OUT_COLUMNS == 1) | (ox == OXW'(OUT_COLUMNS - 1));
  wire g_end  = (GROUPS == 1)      | (g == GW'(GROUPS - 1));
  wire ky_end = (KERNEL_Y == 1)    | (ky == KYW'(KERNEL_Y - 1));
  wire kx_end = (KERNEL_X == 1)    | (kx == KXW'(KERNEL_X - 1));
  wire c_end  = (PART == 1)        | (c == CW'(PART - 1));

  reg  signed [SW:0] ahead;      // complete rows in the buffer beyond those that the present output row needs
  reg  [SW-1:0]      released;   // rows given up by the read that leaves the address register next
  reg  [3:0]         valid_q;    // behind the address, the memory, its register and the padding
  wire advance    = ~valid_q[3] | m_axis_tready;
  wire issue      = ~ahead[SW];
  wire step       = advance & issue;
  wire flow       = advance & (issue | (|valid_q[2:0]));   // something moves on the way out
  wire row_read   = step & c_end & kx_end & ky_end & g_end & ox_end;
  wire [SW-1:0] freed = row_read ? (oy_end ? SW'(EXTENT) : SW'(GIVEN)) : '0;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      ahead    <= -(SW+1)'(EXTENT);
      room     <= SW'(BUFFER_ROWS);
      released <= '0;
    end else begin
      if (stored | row_read) ahead <= ahead + $signed({{SW{1'b0}}, stored}) - $signed({1'b0, freed});
      if (stored | flow)     room  <= room - SW'(stored) + (flow ? released : '0);
      if (flow) released <= freed;
    end
  end

  // Where the tap lies: in the image (y; as words from the row's first one, column) and in the buffer (line, its row).
  localparam integer SPAN_X   = (KERNEL_X - 1) * DILATION_X * BLOCKS;
  localparam integer SPAN_Y   = (KERNEL_Y - 1) * DILATION_Y;
  localparam integer TO_RIGHT = (OUT_COLUMNS - 1) * STRIDE_X * BLOCKS;   // from the first window of a row to the last
  localparam integer X_LAST   = TO_RIGHT + SPAN_X + BLOCKS - 1;          // of the padded row
  localparam integer XW       = $clog2(((X_LAST > LINE) ? X_LAST : LINE) + 1) + 1;
  localparam integer YW       = RW + 1;
  localparam integer BELOW    = DILATION_Y * LINE;
  localparam integer NEXT     = GIVEN * LINE;
  localparam integer NEXT_IMAGE = EXTENT * LINE;
  reg  signed [YW-1:0] y;
  reg  signed [XW-1:0] column;
  reg  [AW-1:0]        line, first_line;   // of the tap, of the window's first row
  wire signed [XW-1:0] move_x =
    ~c_end  ? XW'(1) :
    ~kx_end ? XW'(DILATION_X * BLOCKS - (PART - 1)) :
    ~ky_end ? XW'(-SPAN_X - (PART - 1)) :
    ~g_end  ? XW'(-SPAN_X + 1) :
    ~ox_end ? XW'(-SPAN_X - (BLOCKS - 1) + STRIDE_X * BLOCKS) :
              XW'(-SPAN_X - (BLOCKS - 1) - TO_RIGHT);
  wire signed [YW-1:0] move_y =
    ~ky_end           ? YW'(DILATION_Y) :
    ~(g_end & ox_end) ? YW'(-SPAN_Y) :
    ~oy_end           ? YW'(-SPAN_Y + STRIDE_Y) :
                        YW'(-SPAN_Y - (OUT_ROWS - 1) * STRIDE_Y);
  wire [AW-1:0] next_line = after(first_line, oy_end ? AW'(NEXT_IMAGE) : AW'(NEXT),
                                  oy_end ? (AW+1)'(DEPTH - NEXT_IMAGE) : (AW+1)'(DEPTH - NEXT));
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      oy         <= '0;
      ox         <= '0;
      g          <= '0;
      ky         <= '0;
      kx         <= '0;
      c          <= '0;
      y          <= -YW'(PAD_TOP);
      column     <= -XW'(PAD_LEFT * BLOCKS);
      line       <= '0;
      first_line <= '0;
    end else if (step) begin
      column <= column + move_x;
      c      <= c_end ? '0 : c + 1'b1;
      if (c_end) begin
        kx <= kx_end ? '0 : kx + 1'b1;
        if (kx_end) begin
          ky   <= ky_end ? '0 : ky + 1'b1;
          y    <= y + move_y;
          line <= ~ky_end ? after(line, AW'(BELOW), (AW+1)'(DEPTH - BELOW)) : row_read ? next_line : first_line;
          if (ky_end) begin
            g <= g_end ? '0 : g + 1'b1;
            if (g_end) begin
              ox <= ox_end ? '0 : ox + 1'b1;
              if (ox_end) begin
                oy         <= oy_end ? '0 : oy + 1'b1;
                first_line <= next_line;
              end
            end
          end
        end
      end
    end
  end

  // Address, memory (two cycles), padding.
  wire is_outside = y[YW-1] | (y >= YW'(ROWS)) | column[XW-1] | (column >= XW'(LINE));
  reg  [AW-1:0]          read_address;
  reg  [2:0]             outside_q;
  reg  [LANES*WIDTH-1:0] result;
  wire [LANES*WIDTH-1:0] value;
  always_ff @(posedge aclk) if (flow) begin
    read_address <= line + AW'(column);
    outside_q    <= {outside_q[1:0], is_outside};
    result       <= outside_q[2] ? {LANES{WIDTH'(PAD_VALUE)}} : value;
  end
  ram #(.WIDTH(LANES * WIDTH), .DEPTH(DEPTH), .BANK(BANK)) lines (
    .aclk(aclk),
    .write(push & ~is_dropped), .write_address(write_address), .write_data(s_axis_tdata),
    .read(flow), .read_address(read_address), .read_data(value));
  always_ff @(posedge aclk) begin
    if (!aresetn) valid_q <= '0;
    else if (advance) valid_q <= {valid_q[2:0], issue};
  end
  assign m_axis_tdata  = result;
  assign m_axis_tvalid = valid_q[3];
endmodule
`default_nettype wire
