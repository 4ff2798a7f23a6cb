// SPDX-License-Identifier: Apache-2.0
// First in, first out, for few words: a register at the front and DEPTH - 1 words in shift registers behind it.
//
//   latency  1 cycle: a word that enters in cycle t can leave in cycle t + 1
//   II       1 cycle per word
//
// Everything that leaves, and both handshakes, come straight from registers.  Words enter the shift registers at place
// 0; the oldest one stands at `place`.  Xilinx devices make an SRL of each bit, with `place` as its address.
`default_nettype none
module fifo_shift #(
  parameter integer WIDTH = 8,
  parameter integer DEPTH = 2    // at least 2; 1 could not pass a word in every cycle
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
  localparam integer PLACES = DEPTH - 1;
  localparam integer PW     = (PLACES > 1) ? $clog2(PLACES) : 1;

  reg [WIDTH-1:0] front;
  reg             has_front, some, full;   // the front holds a word, the shift registers hold some, hold no more
  reg [PW-1:0]    place;                   // one less than their number, so that a store into none makes it 0

  wire push   = s_axis_tvalid & ~full;
  wire take   = ~has_front | m_axis_tready;
  wire refill = take & some;
  wire store  = push & ~(take & ~some);
  assign s_axis_tready = ~full;
  assign m_axis_tvalid = has_front;
  assign m_axis_tdata  = front;

  wire [WIDTH-1:0] oldest;
  generate
    if (PLACES == 1) begin : g_one
      reg [WIDTH-1:0] word;
      always_ff @(posedge aclk) if (store) word <= s_axis_tdata;
      assign oldest = word;
    end else begin : g_line
      for (genvar i = 0; i < WIDTH; i = i + 1) begin : g_bit
        reg [PLACES-1:0] line;
        always_ff @(posedge aclk) if (store) line <= {line[PLACES-2:0], s_axis_tdata[i]};
        assign oldest[i] = line[place];
      end
    end
  endgenerate
  always_ff @(posedge aclk) if (take) front <= some ? oldest : s_axis_tdata;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      has_front <= 1'b0;
      some      <= 1'b0;
      full      <= 1'b0;
      place     <= '1;
    end else begin
      if (take) has_front <= some | push;
      if (store & ~refill) begin
        place <= place + 1'b1;
        some  <= 1'b1;
        full  <= (PW'(place + 1'b1) == PW'(PLACES - 1));
      end else if (refill & ~store) begin
        place <= place - 1'b1;
        some  <= (place != '0);
        full  <= 1'b0;
      end
    end
  end
endmodule
`default_nettype wire
