# ---- 20_package.tcl
if {![string match 2022.2* [version -short]]} { error "vivado: got release [version -short]; expected 2022.2; take that, or name the other with --tools" }
# accelerator as an IP.
create_project -force -part xck26-sfvc784-2LV-c package work/package
add_files -norecurse -fileset sources_1 [list \
  sources/core.sv \
  sources/top.v \
  sources/accelerator.v \
  sources/weights_w1.mem \
]
set_property top accelerator [get_filesets sources_1]
update_compile_order -fileset sources_1
set folder [file normalize ip/accelerator]
ipx::package_project -root_dir $folder -vendor slimfab -library design -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property name accelerator $core
set_property version 1.0 $core
foreach bus {s_axi s_axis m_axis} {
  if {[llength [ipx::get_bus_interfaces $bus -of_objects $core]] != 1} {
    error "accelerator: got no interface $bus; expected Vivado to infer it from the ports' names"
  }
}
ipx::associate_bus_interfaces -busif s_axi -clock aclk $core
ipx::associate_bus_interfaces -busif s_axis -clock aclk $core
ipx::associate_bus_interfaces -busif m_axis -clock aclk $core
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::save_core $core
close_project
# ---- 30_design.tcl
if {![string match 2022.2* [version -short]]} { error "vivado: got release [version -short]; expected 2022.2; take that, or name the other with --tools" }
# AMD Kria KV260: processor, AXI DMA and accelerator at 100 MHz.
# The newest version that this Vivado has of an IP.
proc cell {ip name} {
  set found [lsort -dictionary [get_ipdefs -quiet xilinx.com:ip:$ip:*]]
  if {[llength $found] == 0} { error "$ip: Vivado has no such IP; expected it in the catalogue of this part" }
  create_bd_cell -type ip -vlnv [get_property VLNV [lindex $found end]] $name
}
# Two interfaces joined; Vivado HLS adds letters to their names, hence the pattern.
proc bus {source sink} {
  foreach end [list $source $sink] {
    if {[llength [get_bd_intf_pins -quiet $end]] != 1} { error "$end: expected one interface of that name" }
  }
  connect_bd_intf_net [get_bd_intf_pins $source] [get_bd_intf_pins $sink]
}
if {[info exists ::env(BOARD_FILES)]} { set_param board.repoPaths [list $::env(BOARD_FILES)] }
create_project -force -part xck26-sfvc784-2LV-c build work/build
set board [lindex [lsort -dictionary [get_board_parts -quiet xilinx.com:kv260_som:part0:*]] end]
if {$board eq ""} { error {xilinx.com:kv260_som:part0: Vivado has no such board part; expected its board files; install them in Vivado's board store (Tools, Vivado Store), or set BOARD_FILES to their folder} }
set_property board_part $board [current_project]
set_property ip_repo_paths [list [file normalize ip]] [current_project]
update_ip_catalog -rebuild
create_bd_design design
cell zynq_ultra_ps_e zynq_ultra_ps_e_0
apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e -config {apply_board_preset "1"} [get_bd_cells zynq_ultra_ps_e_0]
set_property -dict [list CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ 100 CONFIG.PSU__FPGA_PL0_ENABLE 1 CONFIG.PSU__USE__M_AXI_GP0 1 CONFIG.PSU__USE__M_AXI_GP1 0 CONFIG.PSU__USE__M_AXI_GP2 0 CONFIG.PSU__USE__S_AXI_GP2 1 CONFIG.PSU__SAXIGP2__DATA_WIDTH 128] [get_bd_cells zynq_ultra_ps_e_0]
cell axi_dma axi_dma_0
set_property -dict [list CONFIG.c_include_sg 0 CONFIG.c_sg_include_stscntrl_strm 0 CONFIG.c_sg_length_width 26 CONFIG.c_addr_width 40 CONFIG.c_include_mm2s 1 CONFIG.c_include_s2mm 1 CONFIG.c_m_axis_mm2s_tdata_width 32 CONFIG.c_m_axi_mm2s_data_width 32 CONFIG.c_mm2s_burst_size 256 CONFIG.c_m_axi_s2mm_data_width 128 CONFIG.c_s2mm_burst_size 256] [get_bd_cells axi_dma_0]
create_bd_cell -type ip -vlnv slimfab:design:accelerator:1.0 accelerator_0
cell proc_sys_reset reset_0
cell smartconnect control_0
set_property -dict [list CONFIG.NUM_SI 1 CONFIG.NUM_MI 2 CONFIG.NUM_CLKS 1] [get_bd_cells control_0]
cell smartconnect memory_0
set_property -dict [list CONFIG.NUM_SI 2 CONFIG.NUM_MI 1 CONFIG.NUM_CLKS 1] [get_bd_cells memory_0]
bus zynq_ultra_ps_e_0/M_AXI_HPM0_FPD control_0/S00_AXI
bus control_0/M00_AXI axi_dma_0/S_AXI_LITE
bus control_0/M01_AXI accelerator_0/s_axi
bus axi_dma_0/M_AXI_MM2S memory_0/S00_AXI
bus axi_dma_0/M_AXI_S2MM memory_0/S01_AXI
bus memory_0/M00_AXI zynq_ultra_ps_e_0/S_AXI_HP0_FPD
bus axi_dma_0/M_AXIS_MM2S accelerator_0/s_axis
bus accelerator_0/m_axis axi_dma_0/S_AXIS_S2MM
connect_bd_net [get_bd_pins zynq_ultra_ps_e_0/pl_clk0] [get_bd_pins zynq_ultra_ps_e_0/maxihpm0_fpd_aclk] [get_bd_pins zynq_ultra_ps_e_0/saxihp0_fpd_aclk] [get_bd_pins axi_dma_0/s_axi_lite_aclk] [get_bd_pins axi_dma_0/m_axi_mm2s_aclk] [get_bd_pins axi_dma_0/m_axi_s2mm_aclk] [get_bd_pins accelerator_0/aclk] [get_bd_pins control_0/aclk] [get_bd_pins memory_0/aclk] [get_bd_pins reset_0/slowest_sync_clk]
connect_bd_net [get_bd_pins zynq_ultra_ps_e_0/pl_resetn0] [get_bd_pins reset_0/ext_reset_in]
connect_bd_net [get_bd_pins reset_0/peripheral_aresetn] [get_bd_pins axi_dma_0/axi_resetn] [get_bd_pins accelerator_0/aresetn] [get_bd_pins control_0/aresetn] [get_bd_pins memory_0/aresetn]
assign_bd_address
validate_bd_design
save_bd_design
set_property synth_checkpoint_mode None [get_files design.bd]
generate_target all [get_files design.bd]
make_wrapper -files [get_files design.bd] -top -import
set_property top design_wrapper [get_filesets sources_1]
update_compile_order -fileset sources_1
close_project
# ---- 40_implement.tcl
if {![string match 2022.2* [version -short]]} { error "vivado: got release [version -short]; expected 2022.2; take that, or name the other with --tools" }
# Synthesis, place and route, reports, and a bitstream if timing is met. JOBS sets how many processes run at once.
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
file delete -force tiny.bit tiny.hwh
file mkdir reports
set jobs [expr {[info exists ::env(JOBS)] ? $::env(JOBS) : 4}]
open_project work/build/build.xpr
foreach run {synth_1 impl_1} {
  if {[get_property PROGRESS [get_runs $run]] ne "100%"} {
    reset_run $run
    launch_runs $run -jobs $jobs
    wait_on_run $run
  }
  if {[get_property PROGRESS [get_runs $run]] ne "100%"} {
    error "$run: got status [get_property STATUS [get_runs $run]]; see its runme.log under work/build/build.runs"
  }
}
open_run impl_1
if {[lindex [slack] 0] < 0} { phys_opt_design -directive AggressiveExplore }
report_utilization -file reports/utilisation.rpt
report_utilization -hierarchical -file reports/hierarchy.rpt
report_timing_summary -file reports/timing.rpt
report_power -file reports/power.rpt
require_timing
set_property BITSTREAM.CONFIG.USERID 0x00000000 [current_design]
write_bitstream -force tiny.bit
file copy -force work/build/build.gen/sources_1/bd/design/hw_handoff/design.hwh tiny.hwh
close_project
