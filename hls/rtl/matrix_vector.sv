// SPDX-License-Identifier: Apache-2.0
// Folded matrix-vector product: MH exact sums of MW products plus a bias, PE rows and SIMD columns at a time.
//
//   SF = MW / SIMD beats in, NF = MH / PE beats out per vector
//   latency  SF * NF - 1 + 4 + ceil(log2(SIMD)) cycles from the first beat in to the last beat out
//   II       SF * NF cycles per vector
//
// The vector is stored while the first PE rows are computed and replayed for the others.  Word n * SF + s of the
// weights holds rows n * PE ... n * PE + PE - 1 and columns s * SIMD ... s * SIMD + SIMD - 1, row after row, from the
// low bits up; word n of the biases holds those of the same rows.  ACC_WIDTH must hold the exact result; sums on the
// way may wrap, which modulo arithmetic undoes.  A stalled output stops the whole pipeline.
`default_nettype none
module matrix_vector #(
  parameter integer MW          = 16,
  parameter integer MH          = 8,
  parameter integer PE          = 2,
  parameter integer SIMD        = 4,
  parameter integer IN_WIDTH    = 8,
  parameter integer IN_SIGNED   = 1,
  parameter integer W_WIDTH     = 8,
  parameter integer W_SIGNED    = 1,
  parameter integer ACC_WIDTH   = 20,
  parameter integer SHIFT       = 0,    // products are shifted left to the bias's binary point
  parameter         WEIGHT_FILE = "none",
  parameter         BIAS_FILE   = "none"
) (
  input  wire                      aclk,
  input  wire                      aresetn,
  input  wire [SIMD*IN_WIDTH-1:0]  s_axis_tdata,
  input  wire                      s_axis_tvalid,
  output wire                      s_axis_tready,
  output wire [PE*ACC_WIDTH-1:0]   m_axis_tdata,
  output wire                      m_axis_tvalid,
  input  wire                      m_axis_tready
);
`ifndef SYNTHESIS
  initial begin
    if (MW % SIMD != 0) $fatal(1, "matrix_vector: SIMD=%0d must divide MW=%0d", SIMD, MW);
    if (MH % PE != 0) $fatal(1, "matrix_vector: PE=%0d must divide MH=%0d", PE, MH);
  end
`endif
  localparam integer SF    = MW / SIMD;
  localparam integer NF    = MH / PE;
  localparam integer SFW   = (SF > 1) ? $clog2(SF) : 1;
  localparam integer NFW   = (NF > 1) ? $clog2(NF) : 1;
  localparam integer AW    = (SF * NF > 1) ? $clog2(SF * NF) : 1;
  localparam integer TREE  = $clog2(SIMD);      // levels of the adder tree
  localparam integer STEPS = 3 + TREE;          // registers in front of the accumulator
  localparam integer PW    = IN_WIDTH + W_WIDTH + 2;

  // Control: which column block (s) of which row block (n) is issued.
  reg  [SFW-1:0] s;
  reg  [NFW-1:0] n;
  reg  [AW-1:0]  address;
  wire           advance = ~m_axis_tvalid | m_axis_tready;
  wire           loads   = (n == '0);
  wire           issue   = ~loads | s_axis_tvalid;
  wire           s_last  = (s == SFW'(SF - 1));
  wire           n_last  = (n == NFW'(NF - 1));
  assign s_axis_tready = advance & loads;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      s       <= '0;
      n       <= '0;
      address <= '0;
    end else if (advance & issue) begin
      s       <= s_last ? '0 : s + 1'b1;
      address <= (s_last & n_last) ? '0 : address + 1'b1;
      if (s_last) n <= n_last ? '0 : n + 1'b1;
    end
  end

  // What travels with the data: validity, first and last block of a sum, the row block.
  reg [STEPS-1:0]     valid_q, first_q, last_q;
  reg [STEPS*NFW-1:0] n_q;
  generate
    for (genvar i = 0; i < STEPS; i = i + 1) begin : g_travel
      if (i == 0) begin : g_enter
        always_ff @(posedge aclk) if (!aresetn) valid_q[0] <= 1'b0; else if (advance) valid_q[0] <= issue;
        always_ff @(posedge aclk) if (advance) begin
          first_q[0]    <= (s == '0);
          last_q[0]     <= s_last;
          n_q[NFW-1:0]  <= n;
        end
      end else begin : g_step
        always_ff @(posedge aclk) if (!aresetn) valid_q[i] <= 1'b0; else if (advance) valid_q[i] <= valid_q[i-1];
        always_ff @(posedge aclk) if (advance) begin
          first_q[i]          <= first_q[i-1];
          last_q[i]           <= last_q[i-1];
          n_q[i*NFW +: NFW]   <= n_q[(i-1)*NFW +: NFW];
        end
      end
    end
  endgenerate

  // The vector: from the stream while it is new, from the replay buffer afterwards.
  reg [SIMD*IN_WIDTH-1:0] replay [0:SF-1];
  reg [SIMD*IN_WIDTH-1:0] x1, x2;
  always_ff @(posedge aclk) if (advance & issue & loads) replay[s] <= s_axis_tdata;
  always_ff @(posedge aclk) if (advance) begin
    x1 <= loads ? s_axis_tdata : replay[s];
    x2 <= x1;
  end

  // Weights through two registers, as block RAM wants it; so do the biases, which are due two steps before the end.
  reg [PE*SIMD*W_WIDTH-1:0] weights [0:SF*NF-1];
  reg [PE*SIMD*W_WIDTH-1:0] w1, w2;
  generate
    if (WEIGHT_FILE != "none") begin : g_weights
      initial $readmemh(WEIGHT_FILE, weights);
    end else begin : g_no_weights
      initial weights[0] = '0;
    end
  endgenerate
  always_ff @(posedge aclk) if (advance) begin
    w1 <= weights[address];
    w2 <= w1;
  end

  reg [PE*ACC_WIDTH-1:0] biases [0:NF-1];
  reg [PE*ACC_WIDTH-1:0] b1, b2;
  generate
    if (BIAS_FILE != "none") begin : g_biases
      initial $readmemh(BIAS_FILE, biases);
    end else begin : g_no_biases
      initial biases[0] = '0;
    end
  endgenerate
  always_ff @(posedge aclk) if (advance) begin
    b1 <= biases[n_q[(STEPS-3)*NFW +: NFW]];
    b2 <= b1;
  end

  generate
    for (genvar p = 0; p < PE; p = p + 1) begin : g_row
      reg  [SIMD*ACC_WIDTH-1:0] products;
      wire [ACC_WIDTH-1:0]      sum;
      reg  [ACC_WIDTH-1:0]      accumulator;
      for (genvar i = 0; i < SIMD; i = i + 1) begin : g_column
        wire x_sign = (IN_SIGNED != 0) & x2[i*IN_WIDTH + IN_WIDTH - 1];
        wire w_sign = (W_SIGNED != 0) & w2[(p*SIMD + i)*W_WIDTH + W_WIDTH - 1];
        wire signed [IN_WIDTH:0] x = $signed({x_sign, x2[i*IN_WIDTH +: IN_WIDTH]});
        wire signed [W_WIDTH:0]  w = $signed({w_sign, w2[(p*SIMD + i)*W_WIDTH +: W_WIDTH]});
        wire signed [PW-1:0]     product = x * w;
        always_ff @(posedge aclk) if (advance)
          products[i*ACC_WIDTH +: ACC_WIDTH] <= ACC_WIDTH'(product) << SHIFT;
      end
      adder_tree #(.COUNT(SIMD), .WIDTH(ACC_WIDTH)) tree (
        .aclk(aclk), .enable(advance), .terms(products), .sum(sum));
      always_ff @(posedge aclk) if (advance & valid_q[STEPS-1])
        accumulator <= (first_q[STEPS-1] ? b2[p*ACC_WIDTH +: ACC_WIDTH] : accumulator) + sum;
      assign m_axis_tdata[p*ACC_WIDTH +: ACC_WIDTH] = accumulator;
    end
  endgenerate

  // The accumulator is the output register: it holds still while a finished sum waits.
  reg done;
  always_ff @(posedge aclk) begin
    if (!aresetn) done <= 1'b0;
    else if (advance) done <= valid_q[STEPS-1] & last_q[STEPS-1];
  end
  assign m_axis_tvalid = done;
  wire unused = &{1'b0, n_q};
endmodule
`default_nettype wire
