// SPDX-License-Identifier: Apache-2.0
// A stream out of memory and a stream into memory, with the registers of an AXI DMA engine in direct register mode
// (AMD PG021): what drives that engine drives this.
//
//   latency  4 cycles from writing LENGTH to the first address at memory
//   II       1 word per cycle in each direction, see memory_read and memory_write
//
// Sending has its registers at 0x00, receiving at 0x30: control (run, reset), status, address in two halves, length.
// Of PG021's bits there are those of this mode that need no interrupt line: halted, idle, internal, slave and decode
// error, and completion, which is cleared by writing 1.  Writing a length starts a transfer.  An address that is no
// multiple of a beat, and a length that is no whole word or none at all, are internal errors; so is a buffer that ends
// before TLAST comes.  A reset, through either control register, lets memory finish what was asked of it.
`default_nettype none
module data_mover #(
  parameter integer IN_BYTES  = 4,     // of a beat of the memory that is sent; see memory_read
  parameter integer IN_WORD   = 4,
  parameter integer IN_BURST  = 16,
  parameter integer OUT_BYTES = 4,     // of a beat of the memory that receives; see memory_write
  parameter integer OUT_WORD  = 4,
  parameter integer OUT_BURST = 16,
  parameter integer LENGTH    = 26     // bits of a transfer's length in bytes
) (
  input  wire                   aclk,
  input  wire                   aresetn,
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
  output wire                   m_axi_arvalid,
  input  wire                   m_axi_arready,
  output wire [63:0]            m_axi_araddr,
  output wire [7:0]             m_axi_arlen,
  input  wire                   m_axi_rvalid,
  output wire                   m_axi_rready,
  input  wire [8*IN_BYTES-1:0]  m_axi_rdata,
  input  wire [1:0]             m_axi_rresp,
  output wire                   m_axi_awvalid,
  input  wire                   m_axi_awready,
  output wire [63:0]            m_axi_awaddr,
  output wire [7:0]             m_axi_awlen,
  output wire                   m_axi_wvalid,
  input  wire                   m_axi_wready,
  output wire [8*OUT_BYTES-1:0] m_axi_wdata,
  output wire [OUT_BYTES-1:0]   m_axi_wstrb,
  output wire                   m_axi_wlast,
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
  // Words from the beginning of a half's registers.
  localparam [3:0] CONTROL = 4'd0, STATUS = 4'd1, ADDRESS = 4'd6, ADDRESS_HIGH = 4'd7, SIZE = 4'd10;
  localparam [9:0] RECEIVE = 10'd12;    // words at which receiving begins

  // ---- the bus
  wire        write, read;
  wire [11:2] write_address, read_address;
  wire [31:0] write_data;
  wire [3:0]  write_strobe;
  wire        writes_known, reads_known;
  wire [31:0] answer;
  axi_lite #(.ADDRESS_WIDTH(12)) bus (
    .aclk(aclk), .aresetn(aresetn),
    .s_axi_awaddr(s_axi_awaddr), .s_axi_awprot(s_axi_awprot), .s_axi_awvalid(s_axi_awvalid),
    .s_axi_awready(s_axi_awready), .s_axi_wdata(s_axi_wdata), .s_axi_wstrb(s_axi_wstrb), .s_axi_wvalid(s_axi_wvalid),
    .s_axi_wready(s_axi_wready), .s_axi_bresp(s_axi_bresp), .s_axi_bvalid(s_axi_bvalid), .s_axi_bready(s_axi_bready),
    .s_axi_araddr(s_axi_araddr), .s_axi_arprot(s_axi_arprot), .s_axi_arvalid(s_axi_arvalid),
    .s_axi_arready(s_axi_arready), .s_axi_rdata(s_axi_rdata), .s_axi_rresp(s_axi_rresp), .s_axi_rvalid(s_axi_rvalid),
    .s_axi_rready(s_axi_rready),
    .write(write), .write_address(write_address), .write_data(write_data), .write_strobe(write_strobe),
    .write_known(writes_known), .read(read), .read_address(read_address), .read_data(answer),
    .read_known(reads_known));
  wire        to   = (write_address >= RECEIVE);
  wire        from = (read_address >= RECEIVE);
  wire [9:0]  write_place = write_address - (to ? RECEIVE : 10'd0);
  wire [9:0]  read_place  = read_address - (from ? RECEIVE : 10'd0);
  wire [10:0] known = 11'b100_1100_0011;   // by place
  assign writes_known = (write_place < 10'd11) & known[write_place[3:0]] & (&write_strobe);
  assign reads_known  = (read_place < 10'd11) & known[read_place[3:0]];
  wire        puts = write & writes_known;

  // ---- registers and state of both halves: 0 sends, 1 receives
  reg         resetting;
  wire [1:0]  moves;                     // of the movers
  wire        cancel = resetting;
  wire        done_resetting = resetting & (moves == 2'b00);
  always_ff @(posedge aclk) begin
    if (!aresetn | done_resetting) resetting <= 1'b0;
    else if (puts & (write_place[3:0] == CONTROL) & write_data[2]) resetting <= 1'b1;
  end
  wire [1:0]   refused, nowhere, full;   // of the movers
  wire [127:0] addresses;
  wire [2*LENGTH-1:0] sizes;
  wire [1:0]   starts;
  wire [63:0]  controls, statuses;
  generate
    for (genvar h = 0; h < 2; h++) begin : g_half
      localparam [63:0] UNALIGNED = (h == 0) ? 64'(IN_BYTES - 1) : 64'(OUT_BYTES - 1);
      localparam [31:0] RAGGED    = (h == 0) ? 32'(IN_WORD - 1) : 32'(OUT_WORD - 1);
      reg              run, idle, internal, slave, decode, complete, active, start;
      reg [63:0]       place;
      reg [LENGTH-1:0] size;
      wire             mine  = puts & (to == 1'(h)) & ~resetting;
      wire             begins = mine & (write_place[3:0] == SIZE) & run & ~active;
      wire             wrong = (|(place & UNALIGNED)) | (|(write_data & RAGGED)) | (write_data[LENGTH-1:0] == '0);
      wire             ends  = active & ~start & ~moves[h];
      wire             fails = refused[h] | nowhere[h] | full[h];
      wire             halted = ~run & ~active;
      assign addresses[64*h +: 64]      = place;
      assign sizes[LENGTH*h +: LENGTH]  = size;
      assign starts[h]                  = start;
      assign controls[32*h +: 32]       = {29'd0, resetting, 1'b0, run};
      assign statuses[32*h +: 32]       = {19'd0, complete, 5'd0, decode, slave, internal, 2'd0, idle, halted};
      always_ff @(posedge aclk) begin
        if (!aresetn | resetting) begin
          run      <= 1'b0;
          idle     <= 1'b0;
          internal <= 1'b0;
          slave    <= 1'b0;
          decode   <= 1'b0;
          complete <= 1'b0;
          active   <= 1'b0;
          start    <= 1'b0;
        end else begin
          start <= begins & ~wrong;
          if (begins) begin
            idle     <= 1'b0;
            active   <= ~wrong;
            internal <= wrong;
            if (wrong) run <= 1'b0;
          end else if (ends) begin
            active   <= 1'b0;
            idle     <= ~fails;
            complete <= complete | ~fails;
            internal <= full[h];
            slave    <= refused[h];
            decode   <= nowhere[h];
            if (fails) run <= 1'b0;
          end
          if (mine & (write_place[3:0] == CONTROL)) run <= write_data[0];
          if (mine & (write_place[3:0] == STATUS) & write_data[12]) complete <= 1'b0;
        end
      end
      always_ff @(posedge aclk) begin
        if (mine & ~active) begin
          if (write_place[3:0] == ADDRESS)      place[31:0]  <= write_data;
          if (write_place[3:0] == ADDRESS_HIGH) place[63:32] <= write_data;
          if (write_place[3:0] == SIZE)         size         <= write_data[LENGTH-1:0];
        end
      end
    end
  endgenerate

  wire [LENGTH-1:0] moved;
  wire [63:0]       read_from = addresses[64*from +: 64];
  wire [LENGTH-1:0] read_size = from ? moved : sizes[LENGTH-1:0];
  assign answer = (read_place[3:0] == CONTROL)      ? controls[32*from +: 32] :
                  (read_place[3:0] == STATUS)       ? statuses[32*from +: 32] :
                  (read_place[3:0] == ADDRESS)      ? read_from[31:0] :
                  (read_place[3:0] == ADDRESS_HIGH) ? read_from[63:32] : 32'(read_size);

  // ---- the movers
  assign full[0] = 1'b0;
  memory_read #(.BYTES(IN_BYTES), .WORD(IN_WORD), .BURST(IN_BURST), .LENGTH(LENGTH)) sender (
    .aclk(aclk), .aresetn(aresetn), .start(starts[0]), .cancel(cancel), .address(addresses[63:0]),
    .length(sizes[LENGTH-1:0]), .busy(moves[0]), .refused(refused[0]), .nowhere(nowhere[0]),
    .m_axi_arvalid(m_axi_arvalid), .m_axi_arready(m_axi_arready), .m_axi_araddr(m_axi_araddr),
    .m_axi_arlen(m_axi_arlen), .m_axi_rvalid(m_axi_rvalid), .m_axi_rready(m_axi_rready), .m_axi_rdata(m_axi_rdata),
    .m_axi_rresp(m_axi_rresp), .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid),
    .m_axis_tlast(m_axis_tlast), .m_axis_tready(m_axis_tready));
  memory_write #(.BYTES(OUT_BYTES), .WORD(OUT_WORD), .BURST(OUT_BURST), .LENGTH(LENGTH)) receiver (
    .aclk(aclk), .aresetn(aresetn), .start(starts[1]), .cancel(cancel), .address(addresses[127:64]),
    .length(sizes[2*LENGTH-1:LENGTH]), .busy(moves[1]), .moved(moved), .overflow(full[1]), .refused(refused[1]),
    .nowhere(nowhere[1]), .m_axi_awvalid(m_axi_awvalid), .m_axi_awready(m_axi_awready), .m_axi_awaddr(m_axi_awaddr),
    .m_axi_awlen(m_axi_awlen), .m_axi_wvalid(m_axi_wvalid), .m_axi_wready(m_axi_wready), .m_axi_wdata(m_axi_wdata),
    .m_axi_wstrb(m_axi_wstrb), .m_axi_wlast(m_axi_wlast), .m_axi_bvalid(m_axi_bvalid), .m_axi_bready(m_axi_bready),
    .m_axi_bresp(m_axi_bresp), .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid),
    .s_axis_tlast(s_axis_tlast), .s_axis_tready(s_axis_tready));
  wire unused = &{1'b0, read};
endmodule
`default_nettype wire
