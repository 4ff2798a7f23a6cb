// SPDX-License-Identifier: Apache-2.0
// First in, first out, for few words: a register at the front and a ring of DEPTH - 1 words behind it.
//
//   latency  1 cycle: a word that enters in cycle t can leave in cycle t + 1
//   II       1 cycle per word
//
// Everything that leaves, and both handshakes, come straight from registers.  The ring is LUT RAM where it has several
// words: with yosys as many LUTs as shift registers on a Xilinx device and a fifth of them on an ECP5, and a simulator
// need not move words. A ready that enables many registers needs no inverter at each of them.
`default_nettype none
module fifo_short #(
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

  reg [WIDTH-1:0] front;
  reg             has_front, some, room;   // the front holds a word, the ring holds some, has room for one
  wire push   = s_axis_tvalid & room;
  wire moves  = push | (has_front & m_axis_tready);   // else nothing changes, which spares power and simulation
  wire take   = ~has_front | m_axis_tready;
  wire refill = take & some;
  wire store  = push & ~(take & ~some);
  assign s_axis_tready = room;
  assign m_axis_tvalid = has_front;
  assign m_axis_tdata  = front;

  wire [WIDTH-1:0] oldest;
  wire             only, closes;           // the ring holds one word; one more would fill it
  generate
    if (PLACES == 1) begin : g_one
      reg [WIDTH-1:0] word;
      always_ff @(posedge aclk) if (store) word <= s_axis_tdata;
      assign oldest = word;
      assign only   = 1'b1;
      assign closes = 1'b1;
    end else begin : g_ring
      localparam integer AW = $clog2(PLACES);
      (* ram_style = "distributed" *) reg [WIDTH-1:0] ring [0:PLACES-1];
      reg [AW-1:0]    head, tail;          // where to read, where to write
      wire [AW-1:0] next_head = (head == AW'(PLACES - 1)) ? '0 : head + 1'b1;
      wire [AW-1:0] next_tail = (tail == AW'(PLACES - 1)) ? '0 : tail + 1'b1;
      always_ff @(posedge aclk) if (store) ring[tail] <= s_axis_tdata;
      always_ff @(posedge aclk) begin
        if (!aresetn) head <= '0;
        else if (refill) head <= next_head;
      end
      always_ff @(posedge aclk) begin
        if (!aresetn) tail <= '0;
        else if (store) tail <= next_tail;
      end
      assign oldest = ring[head];
      assign only   = (next_head == tail);
      assign closes = (next_tail == head);
    end
  endgenerate
  always_ff @(posedge aclk) if (moves & take) front <= some ? oldest : s_axis_tdata;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      has_front <= 1'b0;
      some      <= 1'b0;
      room      <= 1'b1;
    end else if (moves) begin
      if (take) has_front <= some | push;
      if (store & ~refill) begin
        some <= 1'b1;
        room <= ~closes;
      end else if (refill & ~store) begin
        some <= ~only;
        room <= 1'b1;
      end
    end
  end
endmodule
`default_nettype wire
