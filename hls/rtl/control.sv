// SPDX-License-Identifier: Apache-2.0
// What a processor sees of a design, and what stands between the design's streams and the outside: registers, gates,
// and the monitor and checksum that listen.
//
//   latency  0 cycles on both streams
//   II       1 cycle per beat
//
// The core is reset with everything else by aresetn, one cycle behind it, and by itself while CONTROL's reset bit is 1.
// Then its input is taken and forgotten, so that a source that has begun can finish; a receiver must be reset too.
// Where enable falls while a beat waits at the core, that beat is still taken.
//
// core_*_tlast marks the last beat of a frame, the outer TLAST the last beat of FRAMES_PER_PACKET frames.
`default_nettype none
module control #(
  parameter [63:0]  NETWORK   = 64'd0,   // hash
  parameter integer BEATS_IN  = 4,       // per frame
  parameter integer OUT_BYTES = 4,       // of TDATA
  parameter integer STAMPS    = 16       // frames that are timed at once: a power of two
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
  input  wire                   s_axis_tvalid,
  output wire                   s_axis_tready,
  input  wire                   s_axis_tlast,
  output wire                   m_axis_tvalid,
  input  wire                   m_axis_tready,
  output wire                   m_axis_tlast,
  output reg                    core_aresetn,
  output wire                   core_s_axis_tvalid,
  input  wire                   core_s_axis_tready,
  input  wire [8*OUT_BYTES-1:0] core_m_axis_tdata,
  input  wire                   core_m_axis_tvalid,
  input  wire                   core_m_axis_tlast,
  output wire                   core_m_axis_tready
);
  // ---- register map, written by hls/registers.py
  localparam [31:0] ID_VALUE = 32'h534c494d;
  localparam [31:0] VERSION_VALUE = 32'h00010000;
  localparam [11:0] ID = 12'h000;
  localparam [11:0] VERSION = 12'h004;
  localparam [11:0] NETWORK_LOW = 12'h008;
  localparam [11:0] NETWORK_HIGH = 12'h00c;
  localparam [11:0] CONTROL = 12'h010;
  localparam [11:0] STATUS = 12'h014;
  localparam [11:0] FRAMES_PER_PACKET = 12'h018;
  localparam [11:0] FRAMES_IN = 12'h01c;
  localparam [11:0] FRAMES_OUT = 12'h020;
  localparam [11:0] LATENCY = 12'h024;
  localparam [11:0] LATENCY_MAX = 12'h028;
  localparam [11:0] INTERVAL = 12'h02c;
  localparam [11:0] STALL_IN = 12'h030;
  localparam [11:0] STALL_OUT = 12'h034;
  localparam [11:0] CHECKSUM = 12'h038;
  localparam [11:0] CYCLES_LOW = 12'h03c;
  localparam [11:0] CYCLES_HIGH = 12'h040;
  localparam integer CONTROL_ENABLE = 0;
  localparam integer CONTROL_RESET = 1;
  localparam integer CONTROL_CLEAR = 2;
  localparam integer STATUS_IDLE = 0;
  localparam integer STATUS_BUSY = 1;
  localparam integer STATUS_ERROR = 2;
  localparam integer STATUS_EARLY_TLAST = 3;
  localparam integer STATUS_MISSING_TLAST = 4;
  localparam integer STATUS_LATENCY_LOST = 5;
  // ---- end of register map

  wire        write, write_known, read;
  reg         read_known;
  wire [11:2] write_address, read_address;
  wire [31:0] write_data;
  wire [3:0]  write_strobe;
  reg  [31:0] read_data;
  axi_lite #(.ADDRESS_WIDTH(12)) bus (
    .aclk(aclk), .aresetn(aresetn),
    .s_axi_awaddr(s_axi_awaddr), .s_axi_awprot(s_axi_awprot), .s_axi_awvalid(s_axi_awvalid),
    .s_axi_awready(s_axi_awready), .s_axi_wdata(s_axi_wdata), .s_axi_wstrb(s_axi_wstrb), .s_axi_wvalid(s_axi_wvalid),
    .s_axi_wready(s_axi_wready), .s_axi_bresp(s_axi_bresp), .s_axi_bvalid(s_axi_bvalid), .s_axi_bready(s_axi_bready),
    .s_axi_araddr(s_axi_araddr), .s_axi_arprot(s_axi_arprot), .s_axi_arvalid(s_axi_arvalid),
    .s_axi_arready(s_axi_arready), .s_axi_rdata(s_axi_rdata), .s_axi_rresp(s_axi_rresp), .s_axi_rvalid(s_axi_rvalid),
    .s_axi_rready(s_axi_rready),
    .write(write), .write_address(write_address), .write_data(write_data), .write_strobe(write_strobe),
    .write_known(write_known), .read(read), .read_address(read_address), .read_data(read_data),
    .read_known(read_known));

  // ---- what can be written, one cycle after the bus says so: its data stands still until then
  wire [11:0] write_word = {write_address, 2'b00};
  wire        to_control = (write_word == CONTROL);
  wire        to_packet  = (write_word == FRAMES_PER_PACKET);
  reg         control_written, packet_written, clear;
  reg         enable, flush;
  reg  [31:0] frames_per_packet;
  assign write_known = to_control | to_packet;
  always_ff @(posedge aclk) begin
    control_written <= aresetn & write & to_control & write_strobe[0];
    packet_written  <= aresetn & write & to_packet;
    clear           <= aresetn & write & to_control & write_strobe[0] & write_data[CONTROL_CLEAR];
    if (!aresetn) begin
      enable            <= 1'b1;
      flush             <= 1'b0;
      frames_per_packet <= 32'd1;
    end else begin
      if (control_written) begin
        enable <= write_data[CONTROL_ENABLE];
        flush  <= write_data[CONTROL_RESET];
      end
      for (int i = 0; i < 4; i = i + 1)
        if (packet_written & write_strobe[i]) frames_per_packet[8*i +: 8] <= write_data[8*i +: 8];
    end
  end

  // ---- gates: open and close between beats
  reg  open, drain;
  wire waits = core_s_axis_tvalid & ~core_s_axis_tready;
  assign core_s_axis_tvalid = open & s_axis_tvalid;
  assign s_axis_tready      = drain | (open & core_s_axis_tready);
  assign m_axis_tvalid      = core_aresetn & core_m_axis_tvalid;
  assign core_m_axis_tready = core_aresetn & m_axis_tready;
  always_ff @(posedge aclk) begin
    core_aresetn <= aresetn & ~flush;
    drain        <= aresetn & flush;
    if (!aresetn | flush) open <= 1'b0;
    else if (~waits) open <= enable;
  end

  // ---- packets of frames
  reg  [31:0] last_frame;            // number of the last frame of a packet; the first one is 0
  reg  [31:0] frame_in, frame_out;
  wire        in_end;
  wire in_beat  = core_s_axis_tvalid & core_s_axis_tready;
  wire out_beat = m_axis_tvalid & m_axis_tready;
  wire in_last  = in_end & (frame_in == last_frame);
  assign m_axis_tlast = core_m_axis_tlast & (frame_out == last_frame);
  always_ff @(posedge aclk) begin
    last_frame <= aresetn ? frames_per_packet - 1'b1 : '0;
    if (!aresetn | drain | packet_written) begin
      frame_in  <= '0;
      frame_out <= '0;
    end else begin
      if (in_beat & in_end) frame_in <= in_last ? '0 : frame_in + 1'b1;
      if (out_beat & core_m_axis_tlast) frame_out <= m_axis_tlast ? '0 : frame_out + 1'b1;
    end
  end
  reg early_tlast, missing_tlast;
  always_ff @(posedge aclk) begin
    if (!aresetn | clear) begin
      early_tlast   <= 1'b0;
      missing_tlast <= 1'b0;
    end else if (in_beat & (s_axis_tlast != in_last)) begin
      if (s_axis_tlast) early_tlast <= 1'b1;
      else missing_tlast <= 1'b1;
    end
  end

  // ---- what listens
  wire        idle, lost;
  wire [63:0] cycles;
  wire [31:0] frames_in, frames_out, latency, latency_max, interval, stall_in, stall_out, checksum;
  stream_monitor #(.BEATS_IN(BEATS_IN), .STAMPS(STAMPS)) monitor (
    .aclk(aclk), .aresetn(aresetn), .clear(clear), .flush(drain),
    .in_valid(s_axis_tvalid), .in_ready(s_axis_tready), .out_valid(m_axis_tvalid), .out_ready(m_axis_tready),
    .out_end(core_m_axis_tlast), .in_end(in_end), .idle(idle), .cycles(cycles), .frames_in(frames_in),
    .frames_out(frames_out), .latency(latency), .latency_max(latency_max), .interval(interval), .stall_in(stall_in),
    .stall_out(stall_out), .lost(lost));
  crc32 #(.BYTES(OUT_BYTES)) sum (
    .aclk(aclk), .aresetn(aresetn), .clear(clear), .valid(out_beat), .tdata(core_m_axis_tdata), .crc(checksum));

  // ---- what can be read
  reg  [31:0] held;                  // upper half of the cycles
  wire [11:0] read_word = {read_address, 2'b00};
  always_ff @(posedge aclk) if (read & (read_word == CYCLES_LOW)) held <= cycles[63:32];
  wire [31:0] control_bits = (32'(enable) << CONTROL_ENABLE) | (32'(flush) << CONTROL_RESET);
  wire [31:0] status_bits  = (32'(idle) << STATUS_IDLE) | (32'(!idle) << STATUS_BUSY) |
                             (32'(early_tlast | missing_tlast) << STATUS_ERROR) |
                             (32'(early_tlast) << STATUS_EARLY_TLAST) | (32'(missing_tlast) << STATUS_MISSING_TLAST) |
                             (32'(lost) << STATUS_LATENCY_LOST);
  wire [31:0] network_low  = NETWORK[31:0];
  wire [31:0] network_high = NETWORK[63:32];
  wire [31:0] cycles_low   = cycles[31:0];
  always_comb begin
    read_known = 1'b1;
    read_data  = '0;
    case (read_word)
      ID:                read_data = ID_VALUE;
      VERSION:           read_data = VERSION_VALUE;
      NETWORK_LOW:       read_data = network_low;
      NETWORK_HIGH:      read_data = network_high;
      CONTROL:           read_data = control_bits;
      STATUS:            read_data = status_bits;
      FRAMES_PER_PACKET: read_data = frames_per_packet;
      FRAMES_IN:         read_data = frames_in;
      FRAMES_OUT:        read_data = frames_out;
      LATENCY:           read_data = latency;
      LATENCY_MAX:       read_data = latency_max;
      INTERVAL:          read_data = interval;
      STALL_IN:          read_data = stall_in;
      STALL_OUT:         read_data = stall_out;
      CHECKSUM:          read_data = checksum;
      CYCLES_LOW:        read_data = cycles_low;
      CYCLES_HIGH:       read_data = held;
      default:           read_known = 1'b0;
    endcase
  end
endmodule
`default_nettype wire
