// SPDX-License-Identifier: Apache-2.0
// Counts what passes a design between its two streams: frames, cycles from first beat in to last beat out, and waits.
//
//   latency  a counter shows an event at most 4 cycles later
//   II       1 cycle per beat
//
// Counters are modulo 2**32.  `clear` sets them to zero but forgets no frame that is on its way; `flush` forgets those.
// The cycle in which a frame began is kept for STAMPS frames (a power of two); where more are on their way at once, the
// latency of the frame that leaves is not known: it is left out, and `lost` is set.  The design must hold a frame for
// at least one cycle.
`default_nettype none
module stream_monitor #(
  parameter integer BEATS_IN = 4,    // per frame
  parameter integer STAMPS   = 16
) (
  input  wire        aclk,
  input  wire        aresetn,
  input  wire        clear,
  input  wire        flush,
  input  wire        in_valid,       // at the design's ports
  input  wire        in_ready,
  input  wire        out_valid,
  input  wire        out_ready,
  input  wire        out_end,        // this is the last beat of a frame
  output wire        in_end,
  output wire        idle,           // nothing is on its way
  output reg  [63:0] cycles,         // since aresetn
  output reg  [31:0] frames_in,
  output reg  [31:0] frames_out,
  output reg  [31:0] latency,        // of the last frame that left
  output reg  [31:0] latency_max,
  output reg  [31:0] interval,       // between the last beats of the last two frames
  output reg  [31:0] stall_in,
  output reg  [31:0] stall_out,
  output reg         lost
);
`ifndef SYNTHESIS
  initial if (STAMPS < 2 || (STAMPS & (STAMPS - 1)) != 0)
    $fatal(1, "stream_monitor: STAMPS=%0d; expected a power of two, at least 2", STAMPS);
`endif
  localparam integer SW = $clog2(STAMPS);
  localparam integer BW = (BEATS_IN > 1) ? $clog2(BEATS_IN) : 1;

  // ---- time, in two halves so that no carry is longer than 32 bits
  reg carry;
  wire [31:0] now = cycles[31:0];
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      cycles <= '0;
      carry  <= 1'b0;
    end else begin
      cycles[31:0]  <= now + 1'b1;
      carry         <= (now == 32'hfffffffe);
      cycles[63:32] <= cycles[63:32] + 32'(carry);
    end
  end

  // ---- frames on their way
  reg  [BW-1:0] beat;                // within the frame that comes in
  reg  [31:0]   flying;
  reg  [SW-1:0] newest, oldest;      // stamps
  wire in_beat  = in_valid & in_ready & ~flush;
  wire out_beat = out_valid & out_ready;
  wire begins   = in_beat & (beat == '0);
  wire ends     = out_beat & out_end;
  assign in_end = (beat == BW'(BEATS_IN - 1));
  assign idle   = (flying == '0) & (beat == '0);
  always_ff @(posedge aclk) begin
    if (!aresetn | flush) begin
      beat   <= '0;
      flying <= '0;
      newest <= '0;
      oldest <= '0;
    end else begin
      if (in_beat) beat <= in_end ? '0 : beat + 1'b1;
      if (begins) newest <= newest + 1'b1;
      if (ends) oldest <= oldest + 1'b1;
      if (begins & ~ends) flying <= flying + 1'b1;
      if (ends & ~begins) flying <= flying - 1'b1;
    end
  end

  // A stamp is used only where no later frame has taken its place, so it is never read while it is written.
  (* no_rw_check, rw_addr_collision = "no" *) reg [31:0] stamps [0:STAMPS-1];
  reg [31:0] began, began2, ended, ended2;
  always_ff @(posedge aclk) if (begins) stamps[newest] <= now;
  always_ff @(posedge aclk) begin
    if (ends) began <= stamps[oldest];
    if (ends) ended <= now;
    began2 <= began;
    ended2 <= ended;
  end

  // ---- behind the streams: what a frame's end says
  reg        end1, end2, measured;   // a frame ended one cycle ago; two; its latency is there
  reg        known1, known2, has_previous;
  always_ff @(posedge aclk) begin
    end1     <= aresetn & ends;
    end2     <= aresetn & ~clear & end1;
    measured <= aresetn & ~clear & end2 & known2;
    known1   <= (flying < STAMPS);
    known2   <= known1;
    if (!aresetn | clear | flush) has_previous <= 1'b0;
    else if (end1) has_previous <= 1'b1;
  end
  reg [31:0] previous;
  always_ff @(posedge aclk) if (end1) previous <= ended;
  always_ff @(posedge aclk) begin
    if (!aresetn | clear) begin
      latency     <= '0;
      latency_max <= '0;
      interval    <= '0;
      lost        <= 1'b0;
    end else begin
      if (end1 & has_previous) interval <= ended - previous;
      if (end2 & known2) latency <= ended2 - began2;
      if (end2 & ~known2) lost <= 1'b1;
      if (measured & (latency > latency_max)) latency_max <= latency;
    end
  end

  // ---- counters, one cycle behind too
  reg enters_q, leaves_q, waits_in_q, waits_out_q;
  always_ff @(posedge aclk) begin
    enters_q    <= aresetn & in_beat & in_end;
    leaves_q    <= aresetn & ends;
    waits_in_q  <= aresetn & in_valid & ~in_ready;
    waits_out_q <= aresetn & out_valid & ~out_ready;
    if (!aresetn | clear) begin
      frames_in  <= '0;
      frames_out <= '0;
      stall_in   <= '0;
      stall_out  <= '0;
    end else begin
      if (enters_q)    frames_in  <= frames_in + 1'b1;
      if (leaves_q)    frames_out <= frames_out + 1'b1;
      if (waits_in_q)  stall_in   <= stall_in + 1'b1;
      if (waits_out_q) stall_out  <= stall_out + 1'b1;
    end
  end
endmodule
`default_nettype wire
