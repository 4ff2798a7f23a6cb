// SPDX-License-Identifier: Apache-2.0
// First in, first out: DEPTH words of WIDTH bits in registers or LUT RAM.
//
//   latency  1 cycle: a word that enters in cycle t can leave in cycle t + 1
//   II       1 cycle per word
//
// Both handshakes come from registers, so a FIFO also cuts the combinational ready path between two stages.
`default_nettype none
module fifo #(
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
`ifndef SYNTHESIS
  initial if (DEPTH < 2) $fatal(1, "fifo: DEPTH=%0d; expected at least 2", DEPTH);
`endif
  localparam integer AW = $clog2(DEPTH);
  localparam integer CW = $clog2(DEPTH + 1);

  reg [WIDTH-1:0] words [0:DEPTH-1];
  reg [AW-1:0]    head, tail;   // where to read, where to write
  reg [CW-1:0]    count;

  wire push = s_axis_tvalid & s_axis_tready;
  wire pop  = m_axis_tvalid & m_axis_tready;
  assign s_axis_tready = (count != CW'(DEPTH));
  assign m_axis_tvalid = (count != '0);
  assign m_axis_tdata  = words[head];

  always_ff @(posedge aclk) if (push) words[tail] <= s_axis_tdata;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      head  <= '0;
      tail  <= '0;
      count <= '0;
    end else begin
      if (push) tail <= (tail == AW'(DEPTH - 1)) ? '0 : tail + 1'b1;
      if (pop)  head <= (head == AW'(DEPTH - 1)) ? '0 : head + 1'b1;
      if (push & ~pop) count <= count + 1'b1;
      if (pop & ~push) count <= count - 1'b1;
    end
  end
endmodule
`default_nettype wire
