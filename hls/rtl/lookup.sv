// SPDX-License-Identifier: Apache-2.0
// A table of LANES values per beat: y = table[x], where word x belongs to the input with the bits x.
//
//   latency  3 cycles
//   II       1 cycle per beat
//
// Two lanes share the two ports of a block RAM. Tables of more than BANK words are banks that stand side by side in a
// line of the file, as in rom.
`default_nettype none
module lookup #(
  parameter integer LANES     = 3,
  parameter integer IN_WIDTH  = 8,
  parameter integer OUT_WIDTH = 6,
  parameter integer BANK      = 64,       // see rom
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
  localparam integer BANKS = (DEPTH + BANK - 1) / BANK;
  localparam integer LINES = (BANKS > 1) ? BANK : DEPTH;
  localparam integer LW    = $clog2(LINES);
  localparam integer WIDTH = BANKS * OUT_WIDTH;

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
        (* rom_style = MEMORY *) reg [WIDTH-1:0] lines [0:LINES-1];
        if (FILE != "none") begin : g_file
          initial $readmemh(FILE, lines);
        end else begin : g_empty
          initial lines[0] = '0;
        end
        for (genvar k = i; k < i + 2; k = k + 1) begin : g_lane
          wire [IN_WIDTH-1:0] address = x[k*IN_WIDTH +: IN_WIDTH];
          reg  [WIDTH-1:0]    first, second;
          always_ff @(posedge aclk) if (advance) first <= lines[address[LW-1:0]];
          always_ff @(posedge aclk) if (advance) second <= first;
          if (BANKS > 1) begin : g_choice
            reg [IN_WIDTH-LW-1:0] bank1, bank2;
            always_ff @(posedge aclk) if (advance) begin
              bank1 <= address[IN_WIDTH-1:LW];
              bank2 <= bank1;
            end
            assign m_axis_tdata[k*OUT_WIDTH +: OUT_WIDTH] = second[bank2*OUT_WIDTH +: OUT_WIDTH];
          end else begin : g_one
            assign m_axis_tdata[k*OUT_WIDTH +: OUT_WIDTH] = second;
          end
        end
      end else begin : g_alone
        for (genvar k = i; k < LANES && k < i + 2; k = k + 1) begin : g_lane
          rom #(.WIDTH(OUT_WIDTH), .DEPTH(DEPTH), .BANK(BANK), .STYLE(MEMORY), .FILE(FILE)) table_rom (
            .aclk(aclk), .enable(advance), .address(x[k*IN_WIDTH +: IN_WIDTH]),
            .data(m_axis_tdata[k*OUT_WIDTH +: OUT_WIDTH]));
        end
      end
    end
  endgenerate
endmodule
`default_nettype wire
