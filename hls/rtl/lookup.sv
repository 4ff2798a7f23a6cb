// SPDX-License-Identifier: Apache-2.0
// A table of LANES values per beat: y = table[x], where word x belongs to the input with the bits x.
//
//   latency  3 cycles
//   II       1 cycle per beat
//
// Two lanes share the two ports of a block RAM.
`default_nettype none
module lookup #(
  parameter integer LANES     = 3,
  parameter integer IN_WIDTH  = 8,
  parameter integer OUT_WIDTH = 6,
  parameter         MEMORY    = "auto",   // see rom
  parameter         FILE      = "none"
) (
  input  wire                       aclk,
  input  wire                       aresetn,
  input  wire [LANES*IN_WIDTH-1:0]  s_axis_tdata,
  input  wire                       s_axis_tvalid,
  output wire                       s_axis_tready,
  output wire [LANES*OUT_WIDTH-1:0] m_axis_tdata,
  output wire                       m_axis_tvalid,
  input  wire                       m_axis_tready
);
  localparam integer DEPTH = 1 << IN_WIDTH;

  reg  [2:0] valid_q;
  wire       advance = ~valid_q[2] | m_axis_tready;
  assign s_axis_tready = advance;
  assign m_axis_tvalid = valid_q[2];
  always_ff @(posedge aclk) begin
    if (!aresetn) valid_q <= '0;
    else if (advance) valid_q <= {valid_q[1:0], s_axis_tvalid};
  end

  reg [LANES*IN_WIDTH-1:0] x;
  always_ff @(posedge aclk) if (advance) x <= s_axis_tdata;

  generate
    for (genvar i = 0; i < LANES; i = i + 2) begin : g_pair
      if (i + 1 < LANES && MEMORY != "luts") begin : g_shared
        (* rom_style = MEMORY *) reg [OUT_WIDTH-1:0] entries [0:DEPTH-1];
        reg [2*OUT_WIDTH-1:0] first, second;
        if (FILE != "none") begin : g_file
          initial $readmemh(FILE, entries);
        end else begin : g_empty
          initial entries[0] = '0;
        end
        always_ff @(posedge aclk) if (advance) first[0 +: OUT_WIDTH] <= entries[x[i*IN_WIDTH +: IN_WIDTH]];
        always_ff @(posedge aclk) if (advance) first[OUT_WIDTH +: OUT_WIDTH] <= entries[x[(i+1)*IN_WIDTH +: IN_WIDTH]];
        always_ff @(posedge aclk) if (advance) second <= first;
        assign m_axis_tdata[i*OUT_WIDTH +: 2*OUT_WIDTH] = second;
      end else begin : g_alone
        for (genvar k = i; k < LANES && k < i + 2; k = k + 1) begin : g_lane
          rom #(.WIDTH(OUT_WIDTH), .DEPTH(DEPTH), .STYLE(MEMORY), .FILE(FILE)) table_rom (
            .aclk(aclk), .enable(advance), .address(x[k*IN_WIDTH +: IN_WIDTH]),
            .data(m_axis_tdata[k*OUT_WIDTH +: OUT_WIDTH]));
        end
      end
    end
  endgenerate
endmodule
`default_nettype wire
