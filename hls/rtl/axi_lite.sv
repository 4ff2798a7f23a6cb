// SPDX-License-Identifier: Apache-2.0
// AXI4-Lite subordinate (Arm IHI 0022, part B) in front of 32-bit registers: one access of each kind at a time.
//
//   latency  `write` comes 1 cycle after the later of address and data, the answer 1 cycle after that;
//            a read is answered 2 cycles after its address
//   II       3 cycles per access
//
// Address and data of a write come in any order.  `write` and `read` are up for one cycle; *_known says in that cycle
// whether the register exists and may be accessed so, else the answer is SLVERR and nothing may change.  Addresses are
// handed on without their low two bits; what is written stands still for one cycle more.  No output depends
// combinationally on a bus input.
`default_nettype none
module axi_lite #(
  parameter integer ADDRESS_WIDTH = 12
) (
  input  wire                     aclk,
  input  wire                     aresetn,
  input  wire [ADDRESS_WIDTH-1:0] s_axi_awaddr,
  input  wire [2:0]               s_axi_awprot,
  input  wire                     s_axi_awvalid,
  output wire                     s_axi_awready,
  input  wire [31:0]              s_axi_wdata,
  input  wire [3:0]               s_axi_wstrb,
  input  wire                     s_axi_wvalid,
  output wire                     s_axi_wready,
  output wire [1:0]               s_axi_bresp,
  output wire                     s_axi_bvalid,
  input  wire                     s_axi_bready,
  input  wire [ADDRESS_WIDTH-1:0] s_axi_araddr,
  input  wire [2:0]               s_axi_arprot,
  input  wire                     s_axi_arvalid,
  output wire                     s_axi_arready,
  output wire [31:0]              s_axi_rdata,
  output wire [1:0]               s_axi_rresp,
  output wire                     s_axi_rvalid,
  input  wire                     s_axi_rready,
  output wire                     write,
  output wire [ADDRESS_WIDTH-1:2] write_address,
  output wire [31:0]              write_data,
  output wire [3:0]               write_strobe,
  input  wire                     write_known,
  output wire                     read,
  output wire [ADDRESS_WIDTH-1:2] read_address,
  input  wire [31:0]              read_data,
  input  wire                     read_known
);
  // ---- writing: address and data each wait for the other
  reg                     has_address, has_data, answered;
  reg [ADDRESS_WIDTH-1:2] address_q;
  reg [31:0]              data_q;
  reg [3:0]               strobe_q;
  reg                     write_error;
  assign s_axi_awready = ~has_address;
  assign s_axi_wready  = ~has_data;
  assign s_axi_bvalid  = answered;
  assign s_axi_bresp   = {write_error, 1'b0};   // SLVERR or OKAY
  assign write         = has_address & has_data & ~answered;
  assign write_address = address_q;
  assign write_data    = data_q;
  assign write_strobe  = strobe_q;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      has_address <= 1'b0;
      has_data    <= 1'b0;
      answered    <= 1'b0;
    end else begin
      if (write) begin
        has_address <= 1'b0;
        has_data    <= 1'b0;
        answered    <= 1'b1;
      end else begin
        if (s_axi_awvalid) has_address <= 1'b1;
        if (s_axi_wvalid)  has_data    <= 1'b1;
        if (s_axi_bready)  answered    <= 1'b0;
      end
    end
  end
  always_ff @(posedge aclk) begin
    if (s_axi_awready) address_q <= s_axi_awaddr[ADDRESS_WIDTH-1:2];
    if (s_axi_wready) begin
      data_q   <= s_axi_wdata;
      strobe_q <= s_axi_wstrb;
    end
    if (write) write_error <= ~write_known;
  end

  // ---- reading
  reg                     asked, given;
  reg [ADDRESS_WIDTH-1:2] read_address_q;
  reg [31:0]              read_data_q;
  reg                     read_error;
  assign s_axi_arready = ~asked & ~given;
  assign s_axi_rvalid  = given;
  assign s_axi_rdata   = read_data_q;
  assign s_axi_rresp   = {read_error, 1'b0};
  assign read          = asked;
  assign read_address  = read_address_q;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      asked <= 1'b0;
      given <= 1'b0;
    end else begin
      asked <= s_axi_arvalid & s_axi_arready;
      if (asked) given <= 1'b1;
      else if (s_axi_rready) given <= 1'b0;
    end
  end
  always_ff @(posedge aclk) begin
    if (s_axi_arready) read_address_q <= s_axi_araddr[ADDRESS_WIDTH-1:2];
    if (asked) begin
      read_data_q <= read_known ? read_data : 32'd0;
      read_error  <= ~read_known;
    end
  end
  wire unused = &{1'b0, s_axi_awprot, s_axi_arprot, s_axi_awaddr[1:0], s_axi_araddr[1:0]};
endmodule
`default_nettype wire
