// SPDX-License-Identifier: Apache-2.0
// What hls/rtl/fifo.sv is from outside, for simulation: the same words, and the same handshakes in every cycle.
//
//   latency, II  as there
`default_nettype none
module fifo #(
  parameter integer WIDTH = 8,
  parameter integer DEPTH = 2
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
  localparam integer AW = $clog2(DEPTH);
  reg [WIDTH-1:0] front;
  reg             some, room;
  reg [WIDTH-1:0] ring [0:(1<<AW)-1];
  reg [AW-1:0]    head, tail;
  reg [AW:0]      count;
  assign s_axis_tready = room;
  assign m_axis_tvalid = some;
  assign m_axis_tdata  = front;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      some  <= 1'b0;
      room  <= 1'b1;
      head  = '0;
      tail  = '0;
      count = '0;
    end else if ((s_axis_tvalid & room) | (some & m_axis_tready)) begin
      if (s_axis_tvalid & room) begin
        ring[tail] = s_axis_tdata;
        tail  = tail + 1'b1;
        count = count + 1'b1;
      end
      if (some & m_axis_tready) begin
        head  = head + 1'b1;
        count = count - 1'b1;
      end
      front <= ring[head];
      some  <= (count != '0);
      room  <= (count != (AW+1)'(DEPTH));
    end
  end
endmodule
`default_nettype wire
