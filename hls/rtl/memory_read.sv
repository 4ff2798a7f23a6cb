// SPDX-License-Identifier: Apache-2.0
// Sends a buffer in memory as a stream: an AXI4 manager that only reads (Arm IHI 0022), TLAST with the last word.
//
//   latency  3 cycles from `start` to the first address; a word leaves 1 cycle after its beat came from memory
//   II       1 cycle per word, while memory answers a beat per cycle; bursts follow each other before answers come
//
// A beat of memory has BYTES bytes and holds BYTES / WORD words, the first in the low bits.  `address` is a multiple of
// BYTES and `length`, in bytes, one of WORD, at least one; of the last beat only the words that belong to it leave.
// Bursts end where BURST beats of memory end, so none crosses 4 KiB.  What is asked for has a place in the FIFO: memory
// never waits.  `cancel` asks for nothing more and forgets what comes; hold it until `busy` is 0.
`default_nettype none
module memory_read #(
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
  output reg                refused,     // SLVERR came since `start`
  output reg                nowhere,     // DECERR
  output reg                m_axi_arvalid,
  input  wire               m_axi_arready,
  output reg  [63:0]        m_axi_araddr,
  output reg  [7:0]         m_axi_arlen,
  input  wire               m_axi_rvalid,
  output wire               m_axi_rready,
  input  wire [8*BYTES-1:0] m_axi_rdata,
  input  wire [1:0]         m_axi_rresp,
  output wire [8*WORD-1:0]  m_axis_tdata,
  output wire               m_axis_tvalid,
  output wire               m_axis_tlast,
  input  wire               m_axis_tready
);
  localparam integer SHIFT = $clog2(BYTES);
  localparam integer PLACE = $clog2(BURST);
  localparam integer BEATS = LENGTH - SHIFT + 1;    // bits of a number of beats
  localparam integer WORDS = LENGTH - $clog2(WORD);
  localparam integer K     = BYTES / WORD;
  localparam integer KW    = (K > 1) ? $clog2(K) : 1;
  localparam integer DEPTH = 4 * BURST;
  localparam integer RW    = $clog2(DEPTH + 1);
`ifndef SYNTHESIS
  initial if (BURST * BYTES > 4096 || BURST < 2 || BURST > 256)
    $fatal(1, "memory_read: bursts of %0d x %0d bytes; expected 2 to 256 beats within 4 KiB", BURST, BYTES);
`endif

  // ---- asking: a burst ends where BURST beats of memory end, or with the buffer
  reg  [63:SHIFT]  next;
  reg  [BEATS-1:0] left;                            // beats not yet asked for
  reg  [RW-1:0]    room;                            // places that nothing was asked for
  reg  [RW-1:0]    awaited;                         // beats asked for that have not come
  wire [PLACE:0]   whole = (PLACE+1)'(BURST) - {1'b0, next[SHIFT+PLACE-1:SHIFT]};
  wire [PLACE:0]   beats = (left < BEATS'(whole)) ? left[PLACE:0] : whole;
  wire             ask   = (left != '0) & ~m_axi_arvalid & (room >= RW'(BURST)) & ~cancel;
  wire             come  = m_axi_rvalid & m_axi_rready;
  wire             pop;
  wire [BEATS-1:0] all_beats = BEATS'({1'b0, length[LENGTH-1:SHIFT]}) + BEATS'(|length[SHIFT-1:0]);
  assign m_axi_rready = 1'b1;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      m_axi_arvalid <= 1'b0;
      left          <= '0;
      room          <= RW'(DEPTH);
      awaited       <= '0;
    end else begin
      if (start) left <= all_beats;
      else if (cancel) left <= '0;
      else if (ask) left <= left - BEATS'(beats);
      if (ask) m_axi_arvalid <= 1'b1;
      else if (m_axi_arready) m_axi_arvalid <= 1'b0;
      awaited <= awaited + (ask ? RW'(beats) : '0) - RW'(come);
      if (cancel & ~busy) room <= RW'(DEPTH);
      else room <= room - (ask ? RW'(beats) : '0) + RW'(pop);
    end
  end
  always_ff @(posedge aclk) begin
    if (start) next <= address[63:SHIFT];
    else if (ask) next <= next + (64-SHIFT)'(beats);
    if (ask) begin
      m_axi_araddr <= {next, SHIFT'(0)};
      m_axi_arlen  <= 8'(beats - 1'b1);
    end
    if (start) begin
      refused <= 1'b0;
      nowhere <= 1'b0;
    end else if (come) begin
      if (m_axi_rresp == 2'b10) refused <= 1'b1;
      if (m_axi_rresp == 2'b11) nowhere <= 1'b1;
    end
  end

  // ---- handing on: K words of a beat, and of the last beat those that are wanted
  wire [8*BYTES-1:0] beat;
  wire               has_beat, takes;
  fifo #(.WIDTH(8 * BYTES), .DEPTH(DEPTH)) beats_in (
    .aclk(aclk), .aresetn(aresetn & ~cancel),
    .s_axis_tdata(m_axi_rdata), .s_axis_tvalid(m_axi_rvalid & ~cancel), .s_axis_tready(takes),
    .m_axis_tdata(beat), .m_axis_tvalid(has_beat), .m_axis_tready(pop));
  reg  [WORDS-1:0] words;                           // that have not left
  reg  [KW-1:0]    part;
  wire             leaves = m_axis_tvalid & m_axis_tready;
  assign m_axis_tvalid = has_beat & ~cancel;
  assign m_axis_tlast  = (words == WORDS'(1));
  assign pop           = leaves & ((part == KW'(K - 1)) | m_axis_tlast);
  assign busy          = (words != '0) | (left != '0) | (awaited != '0) | m_axi_arvalid;
  generate
    if (K > 1) begin : g_parts
      assign m_axis_tdata = beat[part*8*WORD +: 8*WORD];
    end else begin : g_whole
      assign m_axis_tdata = beat;
    end
  endgenerate
  always_ff @(posedge aclk) begin
    if (!aresetn | cancel) begin
      words <= '0;
      part  <= '0;
    end else if (start) begin
      words <= length[LENGTH-1:$clog2(WORD)];
      part  <= '0;
    end else if (leaves) begin
      words <= words - 1'b1;
      part  <= pop ? '0 : part + 1'b1;
    end
  end
`ifndef SYNTHESIS
  always @(posedge aclk) if (aresetn & ~cancel & m_axi_rvalid)
    assert (takes) else $fatal(1, "memory_read: a beat came that was not asked for");
`endif
  wire unused = &{1'b0, takes, address[SHIFT-1:0], length};
endmodule
`default_nettype wire
