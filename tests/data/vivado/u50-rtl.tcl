# ---- 40_implement.tcl
if {![string match 2022.2* [version -short]]} { error "vivado: got release [version -short]; expected 2022.2; take that, or name the other with --tools" }
# accelerator by itself, out of context: no bitstream.
# The row under the names of report_timing_summary: WNS TNS failing total WHS THS failing total WPWS TPWS failing total.
proc slack {} {
  set text [report_timing_summary -return_string]
  if {![regexp {WNS\(ns\)[^\n]*\n[ -]+\n([^\n]*)} $text -> row]} { error "timing: no summary; expected constraints" }
  return $row
}
proc require_timing {} {
  set row [slack]
  foreach {place name} {0 setup 4 hold 8 {pulse width}} {
    set ns [lindex $row $place]
    if {$ns eq "NA" && $place == 8} { continue }
    if {![string is double -strict $ns]} { error "timing: no $name slack; expected a constrained clock" }
    if {$ns < 0} { error "timing: got a $name slack of $ns ns; expected 0 or more; build for a slower clock" }
  }
}
file mkdir reports
create_project -force -part xcu50-fsvh2104-2-e alone work/alone
add_files -norecurse -fileset sources_1 [list \
  sources/core.sv \
  sources/top.v \
  sources/accelerator.v \
  sources/weights_w1.mem \
]
set_property top accelerator [get_filesets sources_1]
update_compile_order -fileset sources_1
read_xdc -mode out_of_context sources/accelerator.xdc
synth_design -top accelerator -part xcu50-fsvh2104-2-e -mode out_of_context
opt_design
place_design
phys_opt_design
route_design
report_utilization -file reports/utilisation.rpt
report_utilization -hierarchical -file reports/hierarchy.rpt
report_timing_summary -file reports/timing.rpt
report_power -file reports/power.rpt
require_timing
close_project
# ---- 50_kernel.tcl
if {![string match 2022.2* [version -short]]} { error "vivado: got release [version -short]; expected 2022.2; take that, or name the other with --tools" }
# slimfab_kernel as a kernel that programs control through its registers.
# A register, and the memory port that it holds an address for.
proc register {block name offset bits port} {
  set one [ipx::add_register $name $block]
  set_property address_offset $offset $one
  set_property size $bits $one
  if {$port ne ""} { set_property value $port [ipx::add_register_parameter ASSOCIATED_BUSIF $one] }
}
create_project -force -part xcu50-fsvh2104-2-e kernel work/kernel
add_files -norecurse -fileset sources_1 [list \
  sources/core.sv \
  sources/top.v \
  sources/accelerator.v \
  sources/weights_w1.mem \
  sources/axi_lite.sv \
  sources/axi_lite_split.sv \
  sources/data_mover.sv \
  sources/fifo.sv \
  sources/fifo_memory.sv \
  sources/fifo_short.sv \
  sources/memory_read.sv \
  sources/memory_write.sv \
  sources/slimfab_kernel.v \
]
set_property top slimfab_kernel [get_filesets sources_1]
update_compile_order -fileset sources_1
set folder [file normalize ip/slimfab_kernel]
ipx::package_project -root_dir $folder -vendor slimfab -library design -taxonomy /KernelIP -import_files -force
set core [ipx::current_core]
set_property name slimfab_kernel $core
set_property version 1.0 $core
set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
set_property vitis_drc {ctrl_protocol user_managed} $core
set_property ipi_drc {ignore_freq_hz true} $core
foreach bus {s_axi_control m_axi_send m_axi_receive} {
  if {[llength [ipx::get_bus_interfaces $bus -of_objects $core]] != 1} {
    error "slimfab_kernel: got no interface $bus; expected Vivado to infer it from the ports' names"
  }
  ipx::associate_bus_interfaces -busif $bus -clock ap_clk $core
}
set block [ipx::add_address_block -quiet reg0 [ipx::add_memory_map -quiet s_axi_control $core]]
set_property range 8192 $block
register $block send 0x1018 64 m_axi_send
register $block send_bytes 0x1028 32 {}
register $block receive 0x1048 64 m_axi_receive
register $block receive_bytes 0x1058 32 {}
set_property slave_memory_map_ref s_axi_control [ipx::get_bus_interfaces s_axi_control -of_objects $core]
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::save_core $core
package_xo -force -xo_path tiny.xo -kernel_name slimfab_kernel -ip_directory $folder -ctrl_protocol user_managed
close_project
# ---- 60_link.cfg
# One kernel on xilinx_u50_gen3x16_xdma_5_202210_1; tiny.xo becomes tiny.xclbin.
platform=xilinx_u50_gen3x16_xdma_5_202210_1
target=hw
input_files=tiny.xo
output=tiny.xclbin
kernel_frequency=100
temp_dir=work/link
log_dir=logs/link
report_dir=work/reports

[connectivity]
nk=slimfab_kernel:1:slimfab_00000000
sp=slimfab_00000000.m_axi_send:HBM[0]
sp=slimfab_00000000.m_axi_receive:HBM[0]
