// SPDX-License-Identifier: Apache-2.0
// Multiplies LANES channels per beat each by a factor of its own and adds a shift, exactly: y = x * scale + shift.
//
//   DSP = 1  parts    ceil((bits of x - 1) / 17) * ceil((bits of a scale - 1) / 17), at least one each; an unsigned
//                     number has one bit more
//            latency  3 + ceil(log2(parts + 1)) cycles
//   DSP = 0  latency  4 + ceil(log2(ceil(NARROW / 2))) cycles, where the narrower operand has NARROW bits
//   II       1 cycle per beat
//
// Channels come round every BLOCKS beats; word b of a memory belongs to block b, its first lane in the low bits.  A
// shift is given in the format of the result, which must hold every y.  For DSP blocks, operands are cut into parts of
// 17 bits and a sign, so that each partial product is one block (18 x 18 bits in ECP5, 25 x 18 in 7 series) between
// registers.
`default_nettype none
module scale #(
  parameter integer LANES      = 2,
  parameter integer BLOCKS     = 4,
  parameter integer IN_WIDTH   = 20,
  parameter integer IN_SIGNED  = 1,
  parameter integer S_WIDTH    = 8,
  parameter integer S_SIGNED   = 1,
  parameter integer SHIFT      = 0,    // products are shifted left to the binary point of the shift
  parameter integer OUT_WIDTH  = 28,
  parameter integer DSP        = 1,
  parameter         MEMORY     = "auto",
  parameter         SCALE_FILE = "none",
  parameter         SHIFT_FILE = "none"
) (
  input  wire                       aclk,
  input  wire                       aresetn,
  input  wire [LANES*IN_WIDTH-1:0]  s_axis_tdata,
  input  wire                       s_axis_tvalid,
  output wire                       s_axis_tready,
  output wire [LANES*OUT_WIDTH-1:0] m_axis_tdata,
  output wire                       m_axis_tvalid,
  input  wire                       m_axis_tready
);
  localparam integer PART     = 17;
  localparam integer X_BITS   = (IN_SIGNED != 0) ? IN_WIDTH : IN_WIDTH + 1;
  localparam integer S_BITS   = (S_SIGNED != 0) ? S_WIDTH : S_WIDTH + 1;
  localparam integer X_PARTS  = (DSP == 0 || X_BITS == 1) ? 1 : (X_BITS + PART - 2) / PART;
  localparam integer S_PARTS  = (DSP == 0 || S_BITS == 1) ? 1 : (S_BITS + PART - 2) / PART;
  localparam integer NARROW   = (IN_WIDTH < S_WIDTH) ? IN_WIDTH : S_WIDTH;
  localparam integer MULTIPLY = (DSP == 0) ? 1 + $clog2((NARROW + 1) / 2) : 1;   // cycles
  localparam integer TERMS    = X_PARTS * S_PARTS + 1;
  localparam integer SUM      = OUT_WIDTH + $clog2(TERMS);
  localparam integer BW       = (BLOCKS > 1) ? $clog2(BLOCKS) : 1;
  localparam integer QW       = MULTIPLY * BW;
  localparam integer LAST     = MULTIPLY + $clog2(TERMS) + 1;   // the last register

  reg  [LAST:0] valid_q;
  reg  [BW-1:0] block;
  reg  [QW-1:0] block_q;   // delayed by 1, 2, ... cycles, from the low bits up
  wire          advance = ~m_axis_tvalid | m_axis_tready;
  assign s_axis_tready = advance;
  assign m_axis_tvalid = valid_q[LAST];
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      valid_q <= '0;
      block   <= '0;
    end else if (advance) begin
      valid_q <= {valid_q[LAST-1:0], s_axis_tvalid};
      if (s_axis_tvalid) block <= (block == BW'(BLOCKS - 1)) ? '0 : block + 1'b1;
    end
  end
  always_ff @(posedge aclk) if (advance) block_q <= QW'({block_q, block});

  // The scale is due with x, the shift with the product.
  wire [LANES*S_WIDTH-1:0]   scales;
  wire [LANES*OUT_WIDTH-1:0] shifts;
  rom #(.WIDTH(LANES * S_WIDTH), .DEPTH(BLOCKS), .STYLE(MEMORY), .FILE(SCALE_FILE)) scale_rom (
    .aclk(aclk), .enable(advance), .address(block), .data(scales));
  rom #(.WIDTH(LANES * OUT_WIDTH), .DEPTH(BLOCKS), .STYLE(MEMORY), .FILE(SHIFT_FILE)) shift_rom (
    .aclk(aclk), .enable(advance), .address(block_q[(MULTIPLY-1)*BW +: BW]), .data(shifts));

  reg [LANES*IN_WIDTH-1:0] x1, x2;
  always_ff @(posedge aclk) if (advance) begin
    x1 <= s_axis_tdata;
    x2 <= x1;
  end

  generate
    for (genvar i = 0; i < LANES; i = i + 1) begin : g_lane
      wire [IN_WIDTH-1:0]        x = x2[i*IN_WIDTH +: IN_WIDTH];
      wire [S_WIDTH-1:0]         s = scales[i*S_WIDTH +: S_WIDTH];
      wire [TERMS*OUT_WIDTH-1:0] terms;
      wire [SUM-1:0]             sum;
      assign terms[0 +: OUT_WIDTH] = shifts[i*OUT_WIDTH +: OUT_WIDTH];
      if (DSP == 0) begin : g_luts
        wire [IN_WIDTH+S_WIDTH-1:0] product;
        product_lut #(.X_WIDTH(IN_WIDTH), .X_SIGNED(IN_SIGNED), .Y_WIDTH(S_WIDTH), .Y_SIGNED(S_SIGNED)) multiplier (
          .aclk(aclk), .enable({MULTIPLY{advance}}), .x(x), .y(s), .product(product));
        wire sign = (IN_SIGNED != 0 || S_SIGNED != 0) & product[IN_WIDTH+S_WIDTH-1];
        wire signed [IN_WIDTH+S_WIDTH:0] exact = $signed({sign, product});
        assign terms[OUT_WIDTH +: OUT_WIDTH] = OUT_WIDTH'(exact) << SHIFT;
        wire unused = &{1'b0, exact};
      end else begin : g_dsp
        wire x_sign = (IN_SIGNED != 0) & x[IN_WIDTH-1];
        wire s_sign = (S_SIGNED != 0) & s[S_WIDTH-1];
        wire [X_PARTS*PART:0] xs = (X_PARTS*PART+1)'($signed({x_sign, x}));
        wire [S_PARTS*PART:0] ss = (S_PARTS*PART+1)'($signed({s_sign, s}));
        for (genvar j = 0; j < X_PARTS; j = j + 1) begin : g_x
          for (genvar k = 0; k < S_PARTS; k = k + 1) begin : g_s
            // All parts but the last are without a sign.
            wire signed [PART:0] a = $signed({(j == X_PARTS - 1) & xs[j*PART + PART], xs[j*PART +: PART]});
            wire signed [PART:0] b = $signed({(k == S_PARTS - 1) & ss[k*PART + PART], ss[k*PART +: PART]});
            (* use_dsp = "yes" *) reg signed [2*PART+1:0] product;
            always_ff @(posedge aclk) if (advance) product <= a * b;
            assign terms[(j*S_PARTS + k + 1)*OUT_WIDTH +: OUT_WIDTH]
              = OUT_WIDTH'(product) << (SHIFT + (j + k)*PART);
            wire unused = &{1'b0, product};
          end
        end
      end
      adder_tree #(.COUNT(TERMS), .WIDTH(OUT_WIDTH)) sum_up (
        .aclk(aclk), .enable({$clog2(TERMS){advance}}), .terms(terms), .sum(sum));
      assign m_axis_tdata[i*OUT_WIDTH +: OUT_WIDTH] = sum[OUT_WIDTH-1:0];   // sums on the way may be wider
      wire unused = &{1'b0, sum};
    end
  endgenerate
endmodule
`default_nettype wire
