// tiny: generated from network 7972a012204b3acb.
// In: 2 x ap_fixed<6,3,AP_RND_CONV,AP_SAT> per beat, 16 beats per image.
// Out: 3 x ap_fixed<6,3,AP_RND_CONV,AP_SAT> per beat, 2 beats per image, TLAST on the last.
// The slowest unit takes 288 cycles per image.
`default_nettype none
module core (
  input  wire aclk,
  input  wire aresetn,
  input  wire [15:0] s_axis_tdata,
  input  wire s_axis_tvalid,
  output wire s_axis_tready,
  output wire [23:0] m_axis_tdata,
  output wire m_axis_tvalid,
  output wire m_axis_tlast,
  input  wire m_axis_tready
);
  wire [11:0] w_input;
  wire v_input, r_input;
  wire [11:0] w_conv2d1_window;
  wire v_conv2d1_window, r_conv2d1_window;
  wire [27:0] w_conv2d1_matrix;
  wire v_conv2d1_matrix, r_conv2d1_matrix;
  wire [11:0] w_conv2d1_cast;
  wire v_conv2d1_cast, r_conv2d1_cast;
  wire [11:0] w_conv2d1_fifo;
  wire v_conv2d1_fifo, r_conv2d1_fifo;
  wire [9:0] w_relu2_cast;
  wire v_relu2_cast, r_relu2_cast;
  wire [9:0] w_relu2_fifo;
  wire v_relu2_fifo, r_relu2_fifo;
  wire [9:0] w_max_pool2d3_window;
  wire v_max_pool2d3_window, r_max_pool2d3_window;
  wire [9:0] w_max_pool2d3_max;
  wire v_max_pool2d3_max, r_max_pool2d3_max;
  wire [9:0] w_max_pool2d3_fifo;
  wire v_max_pool2d3_fifo, r_max_pool2d3_fifo;
  wire [19:0] w_dense5_lanes;
  wire v_dense5_lanes, r_dense5_lanes;
  wire [19:0] w_dense5_vector;
  wire v_dense5_vector, r_dense5_vector;
  wire [38:0] w_dense5_matrix;
  wire v_dense5_matrix, r_dense5_matrix;
  wire [17:0] w_dense5_cast;
  wire v_dense5_cast, r_dense5_cast;
  wire [17:0] w_dense5_fifo;
  wire v_dense5_fifo, r_dense5_fifo;
  assign w_input = s_axis_tdata[11:0];
  assign v_input = s_axis_tvalid;
  assign s_axis_tready = r_input;
  wire unused = &{1'b0, s_axis_tdata};
  // conv2d1: latency 155, interval 288 cycles
  sliding_window #(
    .LANES(2), .WIDTH(6), .BLOCKS(1), .ROWS(4), .COLUMNS(4), .KERNEL_Y(3), .KERNEL_X(3), .STRIDE_Y(1),
    .STRIDE_X(1), .DILATION_Y(1), .DILATION_X(1), .PAD_TOP(1), .PAD_LEFT(1), .OUT_ROWS(4), .OUT_COLUMNS(4),
    .BUFFER_ROWS(6), .BANK(1024), .GROUPS(1), .PAD_VALUE(64'h0000000000000000)
  ) u_conv2d1_window (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_input), .s_axis_tvalid(v_input), .s_axis_tready(r_input),
    .m_axis_tdata(w_conv2d1_window), .m_axis_tvalid(v_conv2d1_window), .m_axis_tready(r_conv2d1_window));
  // conv2d1: latency 295, interval 288 cycles
  matrix_vector #(
    .MW(18), .MH(4), .MATRICES(1), .PARALLEL(1), .PE(2), .SIMD(2), .IN_WIDTH(6), .IN_SIGNED(1), .W_WIDTH(4),
    .W_SIGNED(1), .ACC_WIDTH(14), .SHIFT(0), .ROWS_PER_DSP(0), .SPACING(10), .MEMORY("auto"),
    .WEIGHT_BANK(1024), .VECTOR_BANK(1024), .WEIGHT_FILE("conv2d1_matrix_weights.mem"),
    .BIAS_FILE("conv2d1_matrix_biases.mem")
  ) u_conv2d1_matrix (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_conv2d1_window), .s_axis_tvalid(v_conv2d1_window), .s_axis_tready(r_conv2d1_window),
    .m_axis_tdata(w_conv2d1_matrix), .m_axis_tvalid(v_conv2d1_matrix), .m_axis_tready(r_conv2d1_matrix));
  // conv2d1: latency 33, interval 32 cycles
  cast #(
    .LANES(2), .IN_WIDTH(14), .IN_SIGNED(1), .LEFT(0), .RIGHT(3), .ROUNDING(2), .WIDTH(12), .HAS_LOW(1),
    .HAS_HIGH(1), .LOW(64'hffffffffffffffe0), .HIGH(64'h000000000000001f), .OUT_WIDTH(6)
  ) u_conv2d1_cast (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_conv2d1_matrix), .s_axis_tvalid(v_conv2d1_matrix), .s_axis_tready(r_conv2d1_matrix),
    .m_axis_tdata(w_conv2d1_cast), .m_axis_tvalid(v_conv2d1_cast), .m_axis_tready(r_conv2d1_cast));
  // conv2d1: latency 32, interval 32 cycles
  fifo #(
    .WIDTH(12), .DEPTH(2)
  ) u_conv2d1_fifo (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_conv2d1_cast), .s_axis_tvalid(v_conv2d1_cast), .s_axis_tready(r_conv2d1_cast),
    .m_axis_tdata(w_conv2d1_fifo), .m_axis_tvalid(v_conv2d1_fifo), .m_axis_tready(r_conv2d1_fifo));
  // relu2: latency 33, interval 32 cycles
  cast #(
    .LANES(2), .IN_WIDTH(6), .IN_SIGNED(1), .LEFT(0), .RIGHT(0), .ROUNDING(1), .WIDTH(6), .HAS_LOW(1),
    .HAS_HIGH(0), .LOW(64'h0000000000000000), .HIGH(64'h000000000000001f), .OUT_WIDTH(5)
  ) u_relu2_cast (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_conv2d1_fifo), .s_axis_tvalid(v_conv2d1_fifo), .s_axis_tready(r_conv2d1_fifo),
    .m_axis_tdata(w_relu2_cast), .m_axis_tvalid(v_relu2_cast), .m_axis_tready(r_relu2_cast));
  // relu2: latency 32, interval 32 cycles
  fifo #(
    .WIDTH(10), .DEPTH(2)
  ) u_relu2_fifo (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_relu2_cast), .s_axis_tvalid(v_relu2_cast), .s_axis_tready(r_relu2_cast),
    .m_axis_tdata(w_relu2_fifo), .m_axis_tvalid(v_relu2_fifo), .m_axis_tready(r_relu2_fifo));
  // max_pool2d3: latency 51, interval 32 cycles
  sliding_window #(
    .LANES(2), .WIDTH(5), .BLOCKS(2), .ROWS(4), .COLUMNS(4), .KERNEL_Y(2), .KERNEL_X(2), .STRIDE_Y(2),
    .STRIDE_X(2), .DILATION_Y(1), .DILATION_X(1), .PAD_TOP(0), .PAD_LEFT(0), .OUT_ROWS(2), .OUT_COLUMNS(2),
    .BUFFER_ROWS(5), .BANK(1024), .GROUPS(2), .PAD_VALUE(64'h0000000000000000)
  ) u_max_pool2d3_window (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_relu2_fifo), .s_axis_tvalid(v_relu2_fifo), .s_axis_tready(r_relu2_fifo),
    .m_axis_tdata(w_max_pool2d3_window), .m_axis_tvalid(v_max_pool2d3_window), .m_axis_tready(r_max_pool2d3_window));
  // max_pool2d3: latency 32, interval 32 cycles
  max_pool #(
    .LANES(2), .WIDTH(5), .IN_SIGNED(0), .TAPS(4)
  ) u_max_pool2d3_max (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_max_pool2d3_window), .s_axis_tvalid(v_max_pool2d3_window), .s_axis_tready(r_max_pool2d3_window),
    .m_axis_tdata(w_max_pool2d3_max), .m_axis_tvalid(v_max_pool2d3_max), .m_axis_tready(r_max_pool2d3_max));
  // max_pool2d3: latency 8, interval 8 cycles
  fifo #(
    .WIDTH(10), .DEPTH(2)
  ) u_max_pool2d3_fifo (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_max_pool2d3_max), .s_axis_tvalid(v_max_pool2d3_max), .s_axis_tready(r_max_pool2d3_max),
    .m_axis_tdata(w_max_pool2d3_fifo), .m_axis_tvalid(v_max_pool2d3_fifo), .m_axis_tready(r_max_pool2d3_fifo));
  // dense5: latency 8, interval 8 cycles
  width_converter #(
    .WIDTH(5), .IN_LANES(2), .OUT_LANES(4)
  ) u_dense5_lanes (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_max_pool2d3_fifo), .s_axis_tvalid(v_max_pool2d3_fifo), .s_axis_tready(r_max_pool2d3_fifo),
    .m_axis_tdata(w_dense5_lanes), .m_axis_tvalid(v_dense5_lanes), .m_axis_tready(r_dense5_lanes));
  // dense5: latency 4, interval 4 cycles
  fifo #(
    .WIDTH(20), .DEPTH(4)
  ) u_dense5_vector (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_dense5_lanes), .s_axis_tvalid(v_dense5_lanes), .s_axis_tready(r_dense5_lanes),
    .m_axis_tdata(w_dense5_vector), .m_axis_tvalid(v_dense5_vector), .m_axis_tready(r_dense5_vector));
  // dense5: latency 16, interval 8 cycles
  matrix_vector #(
    .MW(16), .MH(6), .MATRICES(1), .PARALLEL(1), .PE(3), .SIMD(4), .IN_WIDTH(5), .IN_SIGNED(0), .W_WIDTH(4),
    .W_SIGNED(1), .ACC_WIDTH(13), .SHIFT(0), .ROWS_PER_DSP(0), .SPACING(9), .MEMORY("auto"), .WEIGHT_BANK(512),
    .VECTOR_BANK(512), .WEIGHT_FILE("dense5_matrix_weights.mem"), .BIAS_FILE("dense5_matrix_biases.mem")
  ) u_dense5_matrix (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_dense5_vector), .s_axis_tvalid(v_dense5_vector), .s_axis_tready(r_dense5_vector),
    .m_axis_tdata(w_dense5_matrix), .m_axis_tvalid(v_dense5_matrix), .m_axis_tready(r_dense5_matrix));
  // dense5: latency 3, interval 2 cycles
  cast #(
    .LANES(3), .IN_WIDTH(13), .IN_SIGNED(1), .LEFT(0), .RIGHT(3), .ROUNDING(2), .WIDTH(11), .HAS_LOW(1),
    .HAS_HIGH(1), .LOW(64'hffffffffffffffe0), .HIGH(64'h000000000000001f), .OUT_WIDTH(6)
  ) u_dense5_cast (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_dense5_matrix), .s_axis_tvalid(v_dense5_matrix), .s_axis_tready(r_dense5_matrix),
    .m_axis_tdata(w_dense5_cast), .m_axis_tvalid(v_dense5_cast), .m_axis_tready(r_dense5_cast));
  // dense5: latency 2, interval 2 cycles
  fifo #(
    .WIDTH(18), .DEPTH(2)
  ) u_dense5_fifo (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(w_dense5_cast), .s_axis_tvalid(v_dense5_cast), .s_axis_tready(r_dense5_cast),
    .m_axis_tdata(w_dense5_fifo), .m_axis_tvalid(v_dense5_fifo), .m_axis_tready(r_dense5_fifo));
  frame_last #(.WIDTH(24), .BEATS(2)) u_last (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata({6'd0, w_dense5_fifo}), .s_axis_tvalid(v_dense5_fifo), .s_axis_tready(r_dense5_fifo),
    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tlast(m_axis_tlast),
    .m_axis_tready(m_axis_tready));
endmodule
`default_nettype wire
