// SPDX-License-Identifier: Apache-2.0
// The vectors, the weights and the sums of a matrix unit, for simulation only: what matrix_vector and
// sparse_matrix_vector of this folder share.
//
//   latency  MULTIPLY + ceil(log2(SIMD)) + 5 cycles from `last` to the sums, as multiply_accumulate has it
//   II       1 cycle per block
//
// A block is computed in the cycle in which it is issued. Sums then wait until the registers of the hardware would give
// them. The weights of several rows stand in one 64-bit word, FIELD bits apart, so that one multiplication serves them
// all: sum over k of w[k] * 2**(k * FIELD), times x, is the sum of w[k] * x * 2**(k * FIELD). A FIELD holds the sum of
// all columns; a row begins at LOWEST, so that no field borrows from the next. Sums of more than 64 bits may wrap, one to
// a word: modulo 2**ACC_WIDTH they are the same.
`default_nettype none
module matrix_products #(
  parameter integer PE           = 2,
  parameter integer SIMD         = 4,
  parameter integer PARALLEL     = 1,
  parameter integer IN_WIDTH     = 8,
  parameter integer IN_SIGNED    = 1,
  parameter integer W_WIDTH      = 8,
  parameter integer W_SIGNED     = 1,
  parameter integer ACC_WIDTH    = 20,
  parameter integer SHIFT        = 0,
  parameter integer ROWS_PER_DSP = 2,
  parameter integer COLUMNS      = 16,      // of the matrix: products in a sum
  parameter integer PLACES       = 4,       // for beats of inputs
  parameter integer BLOCKS       = 16,      // of weights
  parameter integer WEIGHT_BANK  = 16,
  parameter integer ROW_BLOCKS   = 4,
  parameter         WEIGHT_FILE  = "none",
  parameter         BIAS_FILE    = "none",
  parameter integer VW           = (PLACES > 1) ? $clog2(PLACES) : 1,   // follow from the others
  parameter integer AW           = (BLOCKS > 1) ? $clog2(BLOCKS) : 1
) (
  input  wire                              aclk,
  input  wire                              aresetn,
  output wire                              advance,
  input  wire                              store,       // a beat of inputs; it can be used in the same cycle
  input  wire [VW-1:0]                     store_place,
  input  wire [PARALLEL*SIMD*IN_WIDTH-1:0] store_data,
  input  wire                              issue,       // counts while `advance` is high
  input  wire                              first,
  input  wire                              last,
  input  wire [VW-1:0]                     place,       // of the inputs
  input  wire [AW-1:0]                     block,       // of the weights
  output wire [PE*ACC_WIDTH-1:0]           m_axis_tdata,
  output wire                              m_axis_tvalid,
  input  wire                              m_axis_tready
);
  localparam integer NARROW   = (IN_WIDTH < W_WIDTH) ? IN_WIDTH : W_WIDTH;
  localparam integer MULTIPLY = (ROWS_PER_DSP == 0) ? 1 + $clog2((NARROW + 1) / 2) : 4;
  localparam integer STEPS    = 4 + MULTIPLY + $clog2(SIMD);   // registers of the hardware up to the sums
  localparam integer RING     = 1 << $clog2(STEPS + 2);        // results on their way, and two in front of the output
  localparam integer QW       = $clog2(RING);
  localparam integer BW       = (ROW_BLOCKS > 1) ? $clog2(ROW_BLOCKS) : 1;

  localparam integer ROWS   = PE / PARALLEL;
  localparam integer EXACT  = IN_WIDTH + W_WIDTH + $clog2(COLUMNS);
  localparam integer FIELD  = (EXACT < 64) ? EXACT : 64;
  localparam integer PACK   = (64 / FIELD < ROWS) ? 64 / FIELD : ROWS;   // rows per word
  localparam integer GROUPS = (ROWS + PACK - 1) / PACK;                  // words per column
  localparam integer TOTALS = PARALLEL * GROUPS;
  localparam integer NW     = (TOTALS * SIMD > 1) ? $clog2(TOTALS * SIMD) : 1;
  localparam [FIELD-1:0] LOWEST = FIELD'(IN_SIGNED != 0 || W_SIGNED != 0) << (FIELD - 1);
  localparam [63:0]      START  = 64'({PACK{LOWEST}});

  localparam integer BANKS = (BLOCKS + WEIGHT_BANK - 1) / WEIGHT_BANK;
  localparam integer LINES = (BANKS > 1) ? WEIGHT_BANK : BLOCKS;
  localparam integer WIDTH = PE * SIMD * W_WIDTH;

  // Depths are powers of two: no index then needs a comparison.
  reg [BANKS*WIDTH-1:0]  lines   [0:LINES-1];   // as they stand in the file
  reg [63:0]             weights [0:(1<<AW)-1][0:TOTALS*SIMD-1];
  reg [PE*ACC_WIDTH-1:0] biases  [0:(1<<BW)-1];
  initial begin : spread
    reg [63:0]   weight;
    reg [NW-1:0] n;
    integer      b, p, i;
    if (WEIGHT_FILE != "none") $readmemh(WEIGHT_FILE, lines);
    if (BIAS_FILE != "none") $readmemh(BIAS_FILE, biases, 0, ROW_BLOCKS - 1);
    /*verilator unroll_disable*/
    for (b = 0; b < BLOCKS; b = b + 1) begin
      /*verilator unroll_disable*/
      for (p = 0; p < PE; p = p + 1) begin
        /*verilator unroll_disable*/
        for (i = 0; i < SIMD; i = i + 1) begin
          weight = 64'(lines[b%LINES][(b/LINES*PE*SIMD+p*SIMD+i)*W_WIDTH +: W_WIDTH]);
          if (W_SIGNED != 0 && weight[W_WIDTH-1]) weight = weight - (64'd1 << W_WIDTH);
          n = NW'((p / ROWS * GROUPS + p % ROWS / PACK) * SIMD + i);
          if (p % ROWS % PACK == 0) weights[b][n] = weight;
          else weights[b][n] = weights[b][n] + (weight << (p % ROWS % PACK * FIELD));
        end
      end
    end
  end

  reg [63:0]             vector  [0:(1<<VW)-1][0:PARALLEL*SIMD-1];
  reg [63:0]             total   [0:TOTALS-1];
  reg [PE*ACC_WIDTH-1:0] waiting [0:RING-1];
  reg [PE*ACC_WIDTH-1:0] front;
  reg [STEPS-1:0]        flight;       // when results will be there
  reg [QW-1:0]           put, get;
  reg [BW-1:0]           row;
  reg [1:0]              count;        // results at the output: as in hardware, room for two
  reg                    some, room;
  assign advance       = room;
  assign m_axis_tvalid = some;
  assign m_axis_tdata  = front;
  always_ff @(posedge aclk) begin : compute
    reg [63:0] sum;
    reg        moves;
    if (store)
      for (int i = 0; i < PARALLEL * SIMD; i = i + 1)
        vector[store_place][i] = (IN_SIGNED != 0) ? 64'($signed(store_data[i*IN_WIDTH +: IN_WIDTH]))
                                                  : 64'(store_data[i*IN_WIDTH +: IN_WIDTH]);
    if (!aresetn) begin
      flight = '0;
      put    = '0;
      get    = '0;
      row    = '0;
      count  = '0;
      some   <= 1'b0;
      room   <= 1'b1;
    end else begin
      moves = some & m_axis_tready;
      if (moves) begin
        get   = get + 1'b1;
        count = count - 1'b1;
      end
      if (room) begin
        if (flight[STEPS-1]) begin
          moves = 1'b1;
          count = count + 1'b1;
        end
        flight = {flight[STEPS-2:0], issue & last};
        if (issue) begin
          for (int q = 0; q < TOTALS; q = q + 1) begin
            sum = first ? START : total[q];
            for (int i = 0; i < SIMD; i = i + 1)
              sum = sum + weights[block][q*SIMD+i] * vector[place][q/GROUPS*SIMD+i];
            total[q] = sum;
          end
          if (last) begin
            for (int p = 0; p < PE; p = p + 1) begin
              sum = 64'(total[p/ROWS*GROUPS+p%ROWS/PACK][p%ROWS%PACK*FIELD +: FIELD]) - 64'(LOWEST);
              waiting[put][p*ACC_WIDTH +: ACC_WIDTH] = biases[row][p*ACC_WIDTH +: ACC_WIDTH] + (ACC_WIDTH'(sum) << SHIFT);
            end
            put = put + 1'b1;
            row = (row == BW'(ROW_BLOCKS - 1)) ? '0 : row + 1'b1;
          end
        end
      end
      if (moves) begin
        front <= waiting[get];
        some  <= (count != 2'd0);
        room  <= (count != 2'd2);
      end
    end
  end
endmodule
`default_nettype wire
