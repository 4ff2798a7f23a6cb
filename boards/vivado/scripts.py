# SPDX-License-Identifier: Apache-2.0
"""The Tcl of a build, step by step; every script runs in the build's folder and ends with an error or complete.

Sources are AMD's command references (UG835 for Vivado, UG1399 and UG902 for HLS).
"""

from collections.abc import Sequence

from boards.board import Board
from boards.vivado.network_cpp import TOP as NETWORK
from boards.vivado.releases import Release
from boards.vivado.shell import NAME as SHELL
from boards.vivado.tcl import listed, word

HLS_PROJECT = "hls"
#: Where C synthesis leaves the IP, its report and its Verilog.
HLS_IP, HLS_REPORT = f"{HLS_PROJECT}/solution1/impl/ip", f"{HLS_PROJECT}/solution1/syn/report/{NETWORK}_csynth.xml"
HLS_VERILOG = f"{HLS_PROJECT}/solution1/syn/verilog"
UTILISATION, HIERARCHY = "reports/utilisation.rpt", "reports/hierarchy.rpt"
TIMING, POWER = "reports/timing.rpt", "reports/power.rpt"

#: Tcl: ends with an error unless setup, hold and pulse widths of a routed design have slack.
GATE = r"""
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
"""


def require_release(release: Release) -> str:
    """The first command of a Vivado script: the release that it was written for."""
    remedy = "take that, or name the other with --tools"
    return (
        f"if {{![string match {release}* [version -short]]}} "
        f'{{ error "vivado: got release [version -short]; expected {release}; {remedy}" }}\n'
    )


def synthesise_cpp(release: Release, part: str, clock_mhz: float, sources: Sequence[str]) -> str:
    """C synthesis of an hls4ml network and its export as an IP."""
    solution = "open_solution -reset solution1"
    if release.has_vitis_hls:
        solution += " -flow_target vivado"
    files = "\n".join(f"  add_files {word(name)} -cflags {{-std=c++0x}}" for name in sources)
    limit = "" if release.has_vitis_hls else "\n  config_array_partition -maximum_size 4096"
    return f"""\
# C synthesis of the network, with {" ".join(release.hls_command)} of {release}.
if {{[catch {{
  open_project -reset {HLS_PROJECT}
  set_top {NETWORK}
{files}
  {solution}
  set_part {word(part)}
  create_clock -period {1000 / clock_mhz:.3f} -name default{limit}
  config_compile -name_max_length 80
  config_schedule -enable_dsp_full_reg=false
  csynth_design
  export_design -format ip_catalog -vendor slimfab -library design -version 1.0
}} message]}} {{
  puts stderr "hls: $message"
  exit 1
}}
exit 0
"""


def package(part: str, files: Sequence[str], interfaces: Sequence[str]) -> str:
    """The shell, and with it emitted SystemVerilog, as an IP for block designs."""
    associations = "\n".join(f"ipx::associate_bus_interfaces -busif {name} -clock aclk $core" for name in interfaces)
    return f"""\
# {SHELL} as an IP.
create_project -force -part {word(part)} package work/package
add_files -norecurse -fileset sources_1 {listed(files)}
set_property top {SHELL} [get_filesets sources_1]
update_compile_order -fileset sources_1
set folder [file normalize ip/{SHELL}]
ipx::package_project -root_dir $folder -vendor slimfab -library design -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property name {SHELL} $core
set_property version 1.0 $core
foreach bus {{{" ".join(interfaces)}}} {{
  if {{[llength [ipx::get_bus_interfaces $bus -of_objects $core]] != 1}} {{
    error "{SHELL}: got no interface $bus; expected Vivado to infer it from the ports' names"
  }}
}}
{associations}
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::save_core $core
close_project
"""


def implement(release: Release, name: str, build_id: str) -> str:
    """Synthesis, place and route of the block design; no bitstream unless timing is met."""
    handoff = f"work/build/build.{release.handoff_root}/sources_1/bd/design/hw_handoff/design.hwh"
    return f"""\
# Synthesis, place and route, reports, and a bitstream if timing is met. JOBS sets how many processes run at once.
{GATE.strip()}
file delete -force {name}.bit {name}.hwh
file mkdir reports
set jobs [expr {{[info exists ::env(JOBS)] ? $::env(JOBS) : 4}}]
open_project work/build/build.xpr
foreach run {{synth_1 impl_1}} {{
  if {{[get_property PROGRESS [get_runs $run]] ne "100%"}} {{
    reset_run $run
    launch_runs $run -jobs $jobs
    wait_on_run $run
  }}
  if {{[get_property PROGRESS [get_runs $run]] ne "100%"}} {{
    error "$run: got status [get_property STATUS [get_runs $run]]; see its runme.log under work/build/build.runs"
  }}
}}
open_run impl_1
if {{[lindex [slack] 0] < 0}} {{ phys_opt_design -directive AggressiveExplore }}
{_reports()}
require_timing
set_property BITSTREAM.CONFIG.USERID 0x{build_id.upper()} [current_design]
write_bitstream -force {name}.bit
file copy -force {handoff} {name}.hwh
close_project
"""


def implement_alone(part: str, top: str, files: Sequence[str], constraints: str, pattern: str = "") -> str:
    """The design by itself, out of context: resources, timing and power for boards that no bitstream is made for."""
    more = f"\nadd_files -norecurse -fileset sources_1 [glob {pattern}]" if pattern else ""
    return f"""\
# {top} by itself, out of context: no bitstream.
{GATE.strip()}
file mkdir reports
create_project -force -part {word(part)} alone work/alone
add_files -norecurse -fileset sources_1 {listed(files)}{more}
set_property top {top} [get_filesets sources_1]
update_compile_order -fileset sources_1
read_xdc -mode out_of_context {word(constraints)}
synth_design -top {top} -part {word(part)} -mode out_of_context
opt_design
place_design
phys_opt_design
route_design
{_reports()}
require_timing
close_project
"""


def _reports() -> str:
    return f"""\
report_utilization -file {UTILISATION}
report_utilization -hierarchical -file {HIERARCHY}
report_timing_summary -file {TIMING}
report_power -file {POWER}"""


def missing_board(board: Board) -> str:
    """What to say where Vivado does not know a board."""
    where = f"from {board.board_files}" if board.board_files else "in Vivado's board store (Tools, Vivado Store)"
    return (
        f"{board.board_part}: Vivado has no such board part; expected its board files; install them {where}, "
        "or set BOARD_FILES to their folder"
    )
