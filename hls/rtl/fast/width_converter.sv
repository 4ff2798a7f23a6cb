// SPDX-License-Identifier: Apache-2.0
// What hls/rtl/width_converter.sv is from outside, for simulation: the same words, and the same handshakes in every cycle.
//
//   latency, II  as there
`default_nettype none
module width_converter #(
  parameter integer WIDTH     = 8,
  parameter integer IN_LANES  = 1,
  parameter integer OUT_LANES = 4
) (
  input  wire                       aclk,
  input  wire                       aresetn,
  input  wire [IN_LANES*WIDTH-1:0]  s_axis_tdata,
  input  wire                       s_axis_tvalid,
  output wire                       s_axis_tready,
  output wire [OUT_LANES*WIDTH-1:0] m_axis_tdata,
  output wire                       m_axis_tvalid,
  input  wire                       m_axis_tready
);
  localparam integer IN  = IN_LANES * WIDTH;
  localparam integer OUT = OUT_LANES * WIDTH;
  generate
    if (IN_LANES < OUT_LANES) begin : g_up
      localparam integer K  = OUT_LANES / IN_LANES;
      localparam integer KW = $clog2(K);
      reg [OUT-1:0] word, whole;
      reg [KW-1:0]  part;
      reg           full;
      assign s_axis_tready = ~full | m_axis_tready;
      assign m_axis_tvalid = full;
      assign m_axis_tdata  = whole;
      always_ff @(posedge aclk) begin
        if (!aresetn) begin
          part = '0;
          full <= 1'b0;
        end else if (~full | m_axis_tready) begin
          full <= 1'b0;
          if (s_axis_tvalid) begin
            word[part*IN +: IN] = s_axis_tdata;
            if (part == KW'(K - 1)) begin
              part = '0;
              full <= 1'b1;
              whole <= word;
            end else part = part + 1'b1;
          end
        end
      end
    end else if (IN_LANES > OUT_LANES) begin : g_down
      localparam integer K  = IN_LANES / OUT_LANES;
      localparam integer KW = $clog2(K);
      reg [IN-1:0]  word;
      reg [OUT-1:0] now;
      reg [KW-1:0]  part;
      reg           full, last;
      assign s_axis_tready = ~full | (last & m_axis_tready);
      assign m_axis_tvalid = full;
      assign m_axis_tdata  = now;
      always_ff @(posedge aclk) begin
        if (!aresetn) begin
          part = '0;
          full <= 1'b0;
          last <= 1'b0;
        end else if (full ? m_axis_tready : s_axis_tvalid) begin
          if (~full | last) begin
            part = '0;
            word = s_axis_tdata;
            now  <= s_axis_tdata[0 +: OUT];
            full <= s_axis_tvalid;
            last <= 1'b0;
          end else begin
            part = part + 1'b1;
            now  <= word[part*OUT +: OUT];
            last <= (part == KW'(K - 1));
          end
        end
      end
    end else begin : g_wire
      assign s_axis_tready = m_axis_tready;
      assign m_axis_tvalid = s_axis_tvalid;
      assign m_axis_tdata  = s_axis_tdata;
    end
  endgenerate
endmodule
`default_nettype wire
