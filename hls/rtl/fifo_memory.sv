// SPDX-License-Identifier: Apache-2.0
// First in, first out, for many words: a memory with a registered read, and a short FIFO behind it.
//
//   latency  1 cycle: a word that enters in cycle t can leave in cycle t + 1
//   II       1 cycle per word
//
// A read passes two stages, the memory's output register and one more, and takes 4 cycles from the cycle in which its
// word was stored: the short FIFO holds as many words, and one that comes while the memory is empty goes past it, right
// behind the last word that is on its way.  Seen from outside, this is one FIFO of DEPTH words.
`default_nettype none
module fifo_memory #(
  parameter integer WIDTH = 8,
  parameter integer DEPTH = 512
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
  localparam integer SHORT = 4;
  localparam integer AW    = $clog2(DEPTH);
  localparam integer CW    = $clog2(DEPTH + 1);
`ifndef SYNTHESIS
  initial if (DEPTH <= SHORT) $fatal(1, "fifo_memory: DEPTH=%0d; expected more than %0d", DEPTH, SHORT);
`endif

  reg [CW-1:0] count;          // words in all
  reg          full;
  reg [AW-1:0] head, tail;     // where to read, where to write
  reg [CW-1:0] waiting;        // words in the memory that are not yet being read
  reg          some;           // of those
  reg [2:0]    room;           // places of the short FIFO that no word is on its way to
  reg          v1, v2;         // a word is in the first stage, in the second
  reg          past1, past2;   // it went past the memory

  wire push   = s_axis_tvalid & ~full;
  wire pop    = m_axis_tvalid & m_axis_tready;
  wire read   = some & (room != '0);
  wire past   = push & ~some & (room != '0);
  wire store  = push & ~past;
  wire moves  = push | pop | read | v1 | v2;   // else nothing changes, which spares power and simulation
  wire past_to_1 = past & v1;
  wire past_to_2 = past & ~v1 & v2;
  wire past_both = past & ~v1 & ~v2;
  assign s_axis_tready = ~full;

  // A word is read one cycle after it was written at the earliest.
  (* no_rw_check, rw_addr_collision = "no" *) reg [WIDTH-1:0] memory [0:DEPTH-1];
  reg [WIDTH-1:0] read1, read2, beside1, beside2;
  always_ff @(posedge aclk) if (store) memory[tail] <= s_axis_tdata;
  always_ff @(posedge aclk) if (read) read1 <= memory[head];
  always_ff @(posedge aclk) if (moves) begin
    read2   <= read1;
    past1   <= ~read;
    beside1 <= s_axis_tdata;
    past2   <= v1 ? past1 : 1'b1;
    beside2 <= v1 ? beside1 : s_axis_tdata;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      count   <= '0;
      full    <= 1'b0;
      head    <= '0;
      tail    <= '0;
      waiting <= '0;
      some    <= 1'b0;
      room    <= 3'(SHORT);
      v1      <= 1'b0;
      v2      <= 1'b0;
    end else if (moves) begin
      if (push & ~pop) begin
        count <= count + 1'b1;
        full  <= (count == CW'(DEPTH - 1));
      end else if (pop & ~push) begin
        count <= count - 1'b1;
        full  <= 1'b0;
      end
      if (store) tail <= (tail == AW'(DEPTH - 1)) ? '0 : tail + 1'b1;
      if (read)  head <= (head == AW'(DEPTH - 1)) ? '0 : head + 1'b1;
      if (store & ~read) begin
        waiting <= waiting + 1'b1;
        some    <= 1'b1;
      end else if (read & ~store) begin
        waiting <= waiting - 1'b1;
        some    <= (waiting != CW'(1));
      end
      room <= room + 3'(pop) - 3'(read | past);
      v1   <= read | past_to_1;
      v2   <= v1 | past_to_2;
    end
  end

  wire             takes;   // always, by the count of its room
  wire [WIDTH-1:0] word = past2 ? beside2 : read2;
  fifo_short #(.WIDTH(WIDTH), .DEPTH(SHORT)) short (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(v2 ? word : s_axis_tdata), .s_axis_tvalid(v2 | past_both), .s_axis_tready(takes),
    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready));
`ifndef SYNTHESIS
  always @(posedge aclk) if (aresetn) begin
    assert (takes | ~(v2 | past_both)) else $fatal(1, "fifo_memory: a word was lost");
    assert (m_axis_tvalid == (count != '0)) else $fatal(1, "fifo_memory: gave nothing with %0d words", count);
  end
`endif
  wire unused = &{1'b0, takes};
endmodule
`default_nettype wire
