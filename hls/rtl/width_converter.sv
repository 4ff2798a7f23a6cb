// SPDX-License-Identifier: Apache-2.0
// Repacks a stream of IN_LANES values per beat into OUT_LANES values per beat; the first value is in the low bits.
//
//   OUT_LANES = k * IN_LANES:  latency 1 cycle after the k-th beat;   II k cycles per beat out
//   IN_LANES = k * OUT_LANES:  latency 1 cycle for the first part;    II k cycles per beat in
//   equal:                     a wire
//
// Other pairs take two of these through a common multiple or divisor.
`default_nettype none
module width_converter #(
  parameter integer WIDTH     = 8,   // bits per value
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
`ifndef SYNTHESIS
  initial if (IN_LANES % OUT_LANES != 0 && OUT_LANES % IN_LANES != 0)
    $fatal(1, "width_converter: %0d and %0d lanes; one must divide the other", IN_LANES, OUT_LANES);
`endif
  generate
    if (IN_LANES < OUT_LANES) begin : g_up
      localparam integer K  = OUT_LANES / IN_LANES;
      localparam integer KW = $clog2(K);
      reg [OUT_LANES*WIDTH-1:0] word;
      reg [KW-1:0]              part;   // how many beats have come
      reg                       full;
      wire                      push = s_axis_tvalid & s_axis_tready;
      wire                      last = (part == KW'(K - 1));
      assign s_axis_tready = ~full | m_axis_tready;
      assign m_axis_tvalid = full;
      assign m_axis_tdata  = word;

      // The first beat has come down to the low bits when the last one enters.
      always_ff @(posedge aclk) if (push) word <= {s_axis_tdata, word[OUT_LANES*WIDTH-1 : IN_LANES*WIDTH]};

      always_ff @(posedge aclk) begin
        if (!aresetn) begin
          part <= '0;
          full <= 1'b0;
        end else begin
          if (push) part <= last ? '0 : part + 1'b1;
          if (push & last) full <= 1'b1;
          else if (m_axis_tready) full <= 1'b0;
        end
      end
    end else if (IN_LANES > OUT_LANES) begin : g_down
      localparam integer K  = IN_LANES / OUT_LANES;
      localparam integer KW = $clog2(K);
      reg [IN_LANES*WIDTH-1:0] word;
      reg [KW-1:0]             part;    // how many parts of the word have left
      reg                      full;
      wire                     pop  = m_axis_tvalid & m_axis_tready;
      wire                     last = (part == KW'(K - 1));
      assign s_axis_tready = ~full | (pop & last);
      assign m_axis_tvalid = full;
      assign m_axis_tdata  = word[OUT_LANES*WIDTH-1:0];

      always_ff @(posedge aclk) begin
        if (s_axis_tvalid & s_axis_tready) word <= s_axis_tdata;
        else if (pop) word <= word >> (OUT_LANES * WIDTH);
      end

      always_ff @(posedge aclk) begin
        if (!aresetn) begin
          part <= '0;
          full <= 1'b0;
        end else begin
          if (pop) part <= last ? '0 : part + 1'b1;
          if (s_axis_tready) full <= s_axis_tvalid;
        end
      end
    end else begin : g_wire
      wire unused = &{1'b0, aclk, aresetn};
      assign s_axis_tready = m_axis_tready;
      assign m_axis_tvalid = s_axis_tvalid;
      assign m_axis_tdata  = s_axis_tdata;
    end
  endgenerate
endmodule
`default_nettype wire
