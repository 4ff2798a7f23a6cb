// SPDX-License-Identifier: Apache-2.0
// Writes every beat that passes a wire into a file, one line each, in hexadecimal; in hardware it is nothing.
//
//   latency  none: it only looks
//   II       1 cycle per beat
`default_nettype none
module tap #(
  parameter integer WIDTH = 8,
  parameter         FILE  = "beats.txt"
) (
  input wire             aclk,
  input wire             aresetn,
  input wire [WIDTH-1:0] axis_tdata,
  input wire             axis_tvalid,
  input wire             axis_tready
);
`ifdef SYNTHESIS
  wire unused = &{1'b0, aclk, aresetn, axis_tdata, axis_tvalid, axis_tready};
`else
  integer file;
  initial file = $fopen(FILE, "w");
  always @(posedge aclk) if (aresetn & axis_tvalid & axis_tready) $fwrite(file, "%h\n", axis_tdata);
`endif
endmodule
`default_nettype wire
