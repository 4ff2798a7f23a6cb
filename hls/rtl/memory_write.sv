// SPDX-License-Identifier: Apache-2.0
// Stores a stream in a buffer in memory: an AXI4 manager that only writes (Arm IHI 0022), up to TLAST.
//
//   latency  a burst is asked for 2 cycles after its last word came; `busy` is 0 in the cycle after the last answer
//   II       1 cycle per word, while memory takes a beat per cycle; bursts follow each other before answers come
//
// A beat of memory has BYTES bytes and holds BYTES / WORD words, the first in the low bits; strobes leave out what of
// the last beat did not come.  `address` is a multiple of BYTES and `length`, the buffer's bytes, one of WORD, at least
// one.  Bursts end where BURST beats of memory end, so none crosses 4 KiB.  A burst is asked for when all of it has
// come: it never makes memory wait, and TLAST may come anywhere.  `overflow` is up where the buffer ended first; what
// comes behind it stays in the stream.  `cancel` asks for nothing more; hold it until `busy` is 0.
`default_nettype none
module memory_write #(
  parameter integer BYTES  = 4,     // of a beat of memory: 4 to 128, a power of two
  parameter integer WORD   = 2,     // of a word of the stream: a power of two up to BYTES
  parameter integer BURST  = 16,    // beats: a power of two; a burst has at most 4 KiB
  parameter integer LENGTH = 26     // bits of `length`
) (
  input  wire               aclk,
  input  wire               aresetn,
  input  wire               start,
  input  wire               cancel,
  input  wire [63:0]        address,
  input  wire [LENGTH-1:0]  length,
  output wire               busy,
  output wire [LENGTH-1:0]  moved,       // bytes that came since `start`
  output reg                overflow,
  output reg                refused,     // SLVERR came since `start`
  output reg                nowhere,     // DECERR
  output reg                m_axi_awvalid,
  input  wire               m_axi_awready,
  output reg  [63:0]        m_axi_awaddr,
  output reg  [7:0]         m_axi_awlen,
  output wire               m_axi_wvalid,
  input  wire               m_axi_wready,
  output wire [8*BYTES-1:0] m_axi_wdata,
  output wire [BYTES-1:0]   m_axi_wstrb,
  output wire               m_axi_wlast,
  input  wire               m_axi_bvalid,
  output wire               m_axi_bready,
  input  wire [1:0]         m_axi_bresp,
  input  wire [8*WORD-1:0]  s_axis_tdata,
  input  wire               s_axis_tvalid,
  input  wire               s_axis_tlast,
  output wire               s_axis_tready
);
  localparam integer SHIFT = $clog2(BYTES);
  localparam integer PLACE = $clog2(BURST);
  localparam integer WORDS = LENGTH - $clog2(WORD);
  localparam integer K     = BYTES / WORD;
  localparam integer KW    = (K > 1) ? $clog2(K) : 1;
  localparam integer DEPTH = 4 * BURST;
  localparam integer SOON  = 4;      // bursts that have come and are not yet asked for
  localparam integer FLY   = 16;     // bursts that have been asked for and are not yet answered
  localparam integer FW    = $clog2(FLY + 1);
`ifndef SYNTHESIS
  initial if (BURST * BYTES > 4096 || BURST < 2 || BURST > 256)
    $fatal(1, "memory_write: bursts of %0d x %0d bytes; expected 2 to 256 beats within 4 KiB", BURST, BYTES);
`endif

  // ---- gathering: words into beats, beats into bursts
  reg               taking;
  reg  [WORDS-1:0]  words, left;                   // that came, that have room
  reg  [KW-1:0]     part;
  reg  [PLACE-1:0]  place, first;                  // of this beat and of its burst's first one among BURST beats
  wire              room, soon;
  wire              enters   = s_axis_tvalid & s_axis_tready;
  wire              final_in = s_axis_tlast | (left == WORDS'(1));
  wire              beat_in  = enters & ((part == KW'(K - 1)) | final_in);
  wire              ends     = (&place) | final_in;
  wire              burst_in = beat_in & ends;
  wire [8*BYTES-1:0] gathered;
  wire [BYTES-1:0]   strobes;
  assign s_axis_tready = taking & room & soon & ~cancel;
  assign moved         = {words, {(LENGTH-WORDS){1'b0}}};
  generate
    if (K > 1) begin : g_parts
      reg  [8*(BYTES-WORD)-1:0] early;             // words before this one, each at its place
      wire [K-1:0]              comes = K'((2 << part) - 1);
      always_ff @(posedge aclk) if (enters) begin
        for (int i = 0; i < K - 1; i++) if (part == KW'(i)) early[i*8*WORD +: 8*WORD] <= s_axis_tdata;
      end
      for (genvar i = 0; i < K; i++) begin : g_word
        if (i < K - 1) begin : g_early
          assign gathered[i*8*WORD +: 8*WORD] = (part == KW'(i)) ? s_axis_tdata : early[i*8*WORD +: 8*WORD];
        end else begin : g_last
          assign gathered[i*8*WORD +: 8*WORD] = s_axis_tdata;
        end
        assign strobes[i*WORD +: WORD] = {WORD{comes[i]}};
      end
    end else begin : g_whole
      assign gathered = s_axis_tdata;
      assign strobes  = '1;
    end
  endgenerate
  always_ff @(posedge aclk) begin
    if (!aresetn | cancel) taking <= 1'b0;
    else if (start) taking <= 1'b1;
    else if (enters & final_in) taking <= 1'b0;
  end
  always_ff @(posedge aclk) begin
    if (start) begin
      words    <= '0;
      left     <= length[LENGTH-1:$clog2(WORD)];
      part     <= '0;
      place    <= address[SHIFT+PLACE-1:SHIFT];
      first    <= address[SHIFT+PLACE-1:SHIFT];
      overflow <= 1'b0;
    end else if (enters) begin
      words <= words + 1'b1;
      left  <= left - 1'b1;
      part  <= beat_in ? '0 : part + 1'b1;
      if (beat_in) place <= place + 1'b1;
      if (burst_in) first <= place + 1'b1;
      if (final_in & ~s_axis_tlast) overflow <= 1'b1;
    end
  end

  // ---- what has come: beats, and how long their bursts are
  wire              has_beat, send, has_burst, ask;
  wire [PLACE-1:0]  more;                           // beats of the burst, less one
  wire              clear = cancel & ~busy;
  fifo #(.WIDTH(9 * BYTES + 1), .DEPTH(DEPTH)) beats (
    .aclk(aclk), .aresetn(aresetn & ~clear),
    .s_axis_tdata({ends, strobes, gathered}), .s_axis_tvalid(beat_in), .s_axis_tready(room),
    .m_axis_tdata({m_axi_wlast, m_axi_wstrb, m_axi_wdata}), .m_axis_tvalid(has_beat), .m_axis_tready(send));
  fifo #(.WIDTH(PLACE), .DEPTH(SOON)) bursts (
    .aclk(aclk), .aresetn(aresetn & ~clear),
    .s_axis_tdata(place - first), .s_axis_tvalid(burst_in), .s_axis_tready(soon),
    .m_axis_tdata(more), .m_axis_tvalid(has_burst), .m_axis_tready(ask));

  // ---- asking, sending, and hearing of it
  reg  [63:SHIFT]  next;
  reg  [FW-1:0]    unsent, unanswered;              // bursts
  wire             sent = send & m_axi_wlast;
  wire             heard = m_axi_bvalid & m_axi_bready;
  assign ask          = has_burst & ~m_axi_awvalid & (unanswered != FW'(FLY)) & ~cancel;
  assign m_axi_wvalid = has_beat & (unsent != '0);
  assign send         = m_axi_wvalid & m_axi_wready;
  assign m_axi_bready = 1'b1;
  assign busy         = (taking | has_burst) & ~cancel | m_axi_awvalid | (unanswered != '0);
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      m_axi_awvalid <= 1'b0;
      unsent        <= '0;
      unanswered    <= '0;
    end else begin
      if (ask) m_axi_awvalid <= 1'b1;
      else if (m_axi_awready) m_axi_awvalid <= 1'b0;
      unsent     <= unsent + FW'(ask) - FW'(sent);
      unanswered <= unanswered + FW'(ask) - FW'(heard);
    end
  end
  always_ff @(posedge aclk) begin
    if (start) next <= address[63:SHIFT];
    else if (ask) next <= next + (64-SHIFT)'(more) + 1'b1;
    if (ask) begin
      m_axi_awaddr <= {next, SHIFT'(0)};
      m_axi_awlen  <= 8'(more);
    end
    if (start) begin
      refused <= 1'b0;
      nowhere <= 1'b0;
    end else if (heard) begin
      if (m_axi_bresp == 2'b10) refused <= 1'b1;
      if (m_axi_bresp == 2'b11) nowhere <= 1'b1;
    end
  end
  wire unused = &{1'b0, address[SHIFT-1:0], length};
endmodule
`default_nettype wire
