// SPDX-License-Identifier: Apache-2.0
// One AXI4-Lite port (Arm IHI 0022, part B) for two subordinates: the highest address bit says for which of them.
//
//   latency  3 cycles more than the subordinate's for a write, 2 for a read: the last of them for the answer
//   II       one access of each kind at a time; the next is taken from the cycle after the answer was
//
// A write goes on when both its address and its data have come.  Port 0 of the vectors is the lower half.
`default_nettype none
module axi_lite_split #(
  parameter integer ADDRESS_WIDTH = 13   // of the one port; the two have one bit less
) (
  input  wire                         aclk,
  input  wire                         aresetn,
  input  wire [ADDRESS_WIDTH-1:0]     s_axi_awaddr,
  input  wire [2:0]                   s_axi_awprot,
  input  wire                         s_axi_awvalid,
  output wire                         s_axi_awready,
  input  wire [31:0]                  s_axi_wdata,
  input  wire [3:0]                   s_axi_wstrb,
  input  wire                         s_axi_wvalid,
  output wire                         s_axi_wready,
  output wire [1:0]                   s_axi_bresp,
  output wire                         s_axi_bvalid,
  input  wire                         s_axi_bready,
  input  wire [ADDRESS_WIDTH-1:0]     s_axi_araddr,
  input  wire [2:0]                   s_axi_arprot,
  input  wire                         s_axi_arvalid,
  output wire                         s_axi_arready,
  output wire [31:0]                  s_axi_rdata,
  output wire [1:0]                   s_axi_rresp,
  output wire                         s_axi_rvalid,
  input  wire                         s_axi_rready,
  output wire [ADDRESS_WIDTH-2:0]     m_axi_awaddr,
  output wire [2:0]                   m_axi_awprot,
  output wire [1:0]                   m_axi_awvalid,
  input  wire [1:0]                   m_axi_awready,
  output wire [31:0]                  m_axi_wdata,
  output wire [3:0]                   m_axi_wstrb,
  output wire [1:0]                   m_axi_wvalid,
  input  wire [1:0]                   m_axi_wready,
  input  wire [3:0]                   m_axi_bresp,
  input  wire [1:0]                   m_axi_bvalid,
  output wire [1:0]                   m_axi_bready,
  output wire [ADDRESS_WIDTH-2:0]     m_axi_araddr,
  output wire [2:0]                   m_axi_arprot,
  output wire [1:0]                   m_axi_arvalid,
  input  wire [1:0]                   m_axi_arready,
  input  wire [63:0]                  m_axi_rdata,
  input  wire [3:0]                   m_axi_rresp,
  input  wire [1:0]                   m_axi_rvalid,
  output wire [1:0]                   m_axi_rready
);
  // ---- writing: both have come, both go, the answer comes, the answer goes
  reg                     has_address, has_data, going, told, answered;
  reg                     address_goes, data_goes;   // still to be taken
  reg [ADDRESS_WIDTH-1:0] address_q;
  reg [31:0]              data_q;
  reg [3:0]               strobe_q;
  reg [1:0]               answer_q;
  wire                    into       = address_q[ADDRESS_WIDTH-1];
  wire                    hears      = told & m_axi_bvalid[into];
  assign s_axi_awready = ~has_address;
  assign s_axi_wready  = ~has_data;
  assign s_axi_bvalid  = answered;
  assign s_axi_bresp   = answer_q;
  assign m_axi_awaddr  = address_q[ADDRESS_WIDTH-2:0];
  assign m_axi_awprot  = 3'b000;
  assign m_axi_wdata   = data_q;
  assign m_axi_wstrb   = strobe_q;
  assign m_axi_awvalid = {address_goes & into, address_goes & ~into};
  assign m_axi_wvalid  = {data_goes & into, data_goes & ~into};
  assign m_axi_bready  = {told & into, told & ~into};
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      has_address  <= 1'b0;
      has_data     <= 1'b0;
      going        <= 1'b0;
      address_goes <= 1'b0;
      data_goes    <= 1'b0;
      told         <= 1'b0;
      answered     <= 1'b0;
    end else begin
      if (s_axi_awvalid & s_axi_awready) has_address <= 1'b1;
      if (s_axi_wvalid & s_axi_wready)   has_data    <= 1'b1;
      if (has_address & has_data & ~going) begin
        going        <= 1'b1;
        address_goes <= 1'b1;
        data_goes    <= 1'b1;
        told         <= 1'b1;
      end else begin
        if (m_axi_awready[into]) address_goes <= 1'b0;
        if (m_axi_wready[into])  data_goes    <= 1'b0;
      end
      if (hears) begin
        told     <= 1'b0;
        answered <= 1'b1;
      end else if (answered & s_axi_bready) begin
        answered    <= 1'b0;
        going       <= 1'b0;
        has_address <= 1'b0;
        has_data    <= 1'b0;
      end
    end
  end
  always_ff @(posedge aclk) begin
    if (s_axi_awvalid & s_axi_awready) address_q <= s_axi_awaddr;
    if (s_axi_wvalid & s_axi_wready) begin
      data_q   <= s_axi_wdata;
      strobe_q <= s_axi_wstrb;
    end
    if (hears) answer_q <= into ? m_axi_bresp[3:2] : m_axi_bresp[1:0];
  end

  // ---- reading
  reg                     asked, asks, waits, given;
  reg [ADDRESS_WIDTH-1:0] read_q;
  reg [31:0]              given_q;
  reg [1:0]               given_answer_q;
  wire                    from = read_q[ADDRESS_WIDTH-1];
  wire                    gets = waits & m_axi_rvalid[from];
  assign s_axi_arready = ~asked;
  assign s_axi_rvalid  = given;
  assign s_axi_rdata   = given_q;
  assign s_axi_rresp   = given_answer_q;
  assign m_axi_araddr  = read_q[ADDRESS_WIDTH-2:0];
  assign m_axi_arprot  = 3'b000;
  assign m_axi_arvalid = {asks & from, asks & ~from};
  assign m_axi_rready  = {waits & from, waits & ~from};
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      asked <= 1'b0;
      asks  <= 1'b0;
      waits <= 1'b0;
      given <= 1'b0;
    end else begin
      if (s_axi_arvalid & s_axi_arready) begin
        asked <= 1'b1;
        asks  <= 1'b1;
        waits <= 1'b1;
      end else begin
        if (m_axi_arready[from]) asks <= 1'b0;
        if (gets) begin
          waits <= 1'b0;
          given <= 1'b1;
        end else if (given & s_axi_rready) begin
          given <= 1'b0;
          asked <= 1'b0;
        end
      end
    end
  end
  always_ff @(posedge aclk) begin
    if (s_axi_arvalid & s_axi_arready) read_q <= s_axi_araddr;
    if (gets) begin
      given_q        <= from ? m_axi_rdata[63:32] : m_axi_rdata[31:0];
      given_answer_q <= from ? m_axi_rresp[3:2] : m_axi_rresp[1:0];
    end
  end
  wire unused = &{1'b0, s_axi_awprot, s_axi_arprot};
endmodule
`default_nettype wire
