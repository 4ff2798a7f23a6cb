// SPDX-License-Identifier: Apache-2.0
// data_mover with the constant signals that it leaves out, and with trouble on demand in what memory answers.
`default_nettype none
module data_mover_top #(
  parameter integer IN_BYTES = 4, IN_WORD = 4, IN_BURST = 16, OUT_BYTES = 4, OUT_WORD = 4, OUT_BURST = 16
) (
  input  wire                   aclk,
  input  wire                   aresetn,
  input  wire [1:0]             trouble,
  input  wire [11:0]            s_axi_awaddr,
  input  wire [2:0]             s_axi_awprot,
  input  wire                   s_axi_awvalid,
  output wire                   s_axi_awready,
  input  wire [31:0]            s_axi_wdata,
  input  wire [3:0]             s_axi_wstrb,
  input  wire                   s_axi_wvalid,
  output wire                   s_axi_wready,
  output wire [1:0]             s_axi_bresp,
  output wire                   s_axi_bvalid,
  input  wire                   s_axi_bready,
  input  wire [11:0]            s_axi_araddr,
  input  wire [2:0]             s_axi_arprot,
  input  wire                   s_axi_arvalid,
  output wire                   s_axi_arready,
  output wire [31:0]            s_axi_rdata,
  output wire [1:0]             s_axi_rresp,
  output wire                   s_axi_rvalid,
  input  wire                   s_axi_rready,
  output wire                   m_axi_arid,
  output wire [2:0]             m_axi_arsize,
  output wire [1:0]             m_axi_arburst,
  output wire                   m_axi_arvalid,
  input  wire                   m_axi_arready,
  output wire [63:0]            m_axi_araddr,
  output wire [7:0]             m_axi_arlen,
  input  wire                   m_axi_rid,
  input  wire                   m_axi_rlast,
  input  wire                   m_axi_rvalid,
  output wire                   m_axi_rready,
  input  wire [8*IN_BYTES-1:0]  m_axi_rdata,
  input  wire [1:0]             m_axi_rresp,
  output wire                   m_axi_awid,
  output wire [2:0]             m_axi_awsize,
  output wire [1:0]             m_axi_awburst,
  output wire                   m_axi_awvalid,
  input  wire                   m_axi_awready,
  output wire [63:0]            m_axi_awaddr,
  output wire [7:0]             m_axi_awlen,
  output wire                   m_axi_wvalid,
  input  wire                   m_axi_wready,
  output wire [8*OUT_BYTES-1:0] m_axi_wdata,
  output wire [OUT_BYTES-1:0]   m_axi_wstrb,
  output wire                   m_axi_wlast,
  input  wire                   m_axi_bid,
  input  wire                   m_axi_bvalid,
  output wire                   m_axi_bready,
  input  wire [1:0]             m_axi_bresp,
  output wire [8*IN_WORD-1:0]   m_axis_tdata,
  output wire                   m_axis_tvalid,
  output wire                   m_axis_tlast,
  input  wire                   m_axis_tready,
  input  wire [8*OUT_WORD-1:0]  s_axis_tdata,
  input  wire                   s_axis_tvalid,
  input  wire                   s_axis_tlast,
  output wire                   s_axis_tready
);
  assign m_axi_arid    = 1'b0;
  assign m_axi_arsize  = 3'($clog2(IN_BYTES));
  assign m_axi_arburst = 2'b01;
  assign m_axi_awid    = 1'b0;
  assign m_axi_awsize  = 3'($clog2(OUT_BYTES));
  assign m_axi_awburst = 2'b01;
  wire [1:0] read_answer  = m_axi_rresp | trouble;
  wire [1:0] write_answer = m_axi_bresp | trouble;
  data_mover #(
    .IN_BYTES(IN_BYTES), .IN_WORD(IN_WORD), .IN_BURST(IN_BURST),
    .OUT_BYTES(OUT_BYTES), .OUT_WORD(OUT_WORD), .OUT_BURST(OUT_BURST)
  ) mover (.m_axi_rresp(read_answer), .m_axi_bresp(write_answer), .*);
  wire unused = &{1'b0, m_axi_rid, m_axi_rlast, m_axi_bid};
endmodule
`default_nettype wire
