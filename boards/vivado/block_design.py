# SPDX-License-Identifier: Apache-2.0
"""The block design: processor, AXI DMA, accelerator, joined net by net, on one clock from the processor.

Nothing is left to Vivado's automation but the processor's preset, so that the design is the same in every release, and
that a test can hold every pin of it against a model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from boards.board import Board
from boards.vivado.accelerator import RTL, Accelerator
from boards.vivado.network_cpp import TOP as NETWORK
from boards.vivado.scripts import HLS_IP, missing_board
from boards.vivado.shell import NAME as SHELL
from boards.vivado.tcl import word

DMA, ACCELERATOR, CORE = "axi_dma_0", "accelerator_0", "network_0"
LENGTH_BITS = 26  # of a transfer's length: 64 MiB, the most that AXI DMA has (AMD PG021)
MAX_BURST_BYTES = 4096  # a burst does not cross 4 KiB (AMBA AXI, A3.4.1)


@dataclass(frozen=True)
class Processor:
    """A processor's cell and its pins; in its settings ``{mhz}`` is the clock, ``{bits}`` the memory port's width.

    ``timed_as`` is what timing reports call the clock.
    """

    ip: str
    cell: str
    preset: str
    settings: Mapping[str, str]
    clock: str
    reset: str
    control: str
    memory: str
    other_clocks: tuple[str, ...]
    address_bits: int
    timed_as: str


PROCESSORS: Mapping[str, Processor] = {
    "zynq-7000": Processor(  # AMD PG082
        "processing_system7", "processing_system7_0",
        'make_external "FIXED_IO, DDR" apply_board_preset "1" Master "Disable" Slave "Disable"',
        {
            "PCW_FPGA0_PERIPHERAL_FREQMHZ": "{mhz}", "PCW_EN_CLK0_PORT": "1", "PCW_USE_M_AXI_GP0": "1",
            "PCW_USE_S_AXI_HP0": "1", "PCW_S_AXI_HP0_DATA_WIDTH": "{bits}",
        },
        "FCLK_CLK0", "FCLK_RESET0_N", "M_AXI_GP0", "S_AXI_HP0", ("M_AXI_GP0_ACLK", "S_AXI_HP0_ACLK"), 32,
        "clk_fpga_0",
    ),
    "zynq-ultrascale+": Processor(  # AMD PG201
        "zynq_ultra_ps_e", "zynq_ultra_ps_e_0", 'apply_board_preset "1"',
        {
            "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ": "{mhz}", "PSU__FPGA_PL0_ENABLE": "1",
            "PSU__USE__M_AXI_GP0": "1", "PSU__USE__M_AXI_GP1": "0", "PSU__USE__M_AXI_GP2": "0",
            "PSU__USE__S_AXI_GP2": "1", "PSU__SAXIGP2__DATA_WIDTH": "{bits}",
        },
        "pl_clk0", "pl_resetn0", "M_AXI_HPM0_FPD", "S_AXI_HP0_FPD", ("maxihpm0_fpd_aclk", "saxihp0_fpd_aclk"), 40,
        "clk_pl_0",
    ),
}  # fmt: skip


def text(board: Board, accelerator: Accelerator) -> str:
    """The Tcl that makes the project ``work/build`` with the block design ``design``."""
    ps = PROCESSORS[board.shell]
    streams = _streams(accelerator)
    numbers = {"mhz": f"{accelerator.clock_mhz:.6g}", "bits": f"{board.device['axi_bits']:g}"}
    repositories = " ".join(
        f"[file normalize {path}]" for path in (["ip"] if accelerator.flow == RTL else ["ip", HLS_IP])
    )
    lines = [
        f"# {board.title}: processor, AXI DMA and accelerator at {accelerator.clock_mhz:g} MHz.",
        _NEWEST.strip(),
        "if {[info exists ::env(BOARD_FILES)]} { set_param board.repoPaths [list $::env(BOARD_FILES)] }",
        f"create_project -force -part {word(board.part)} build work/build",
        f"set board [lindex [lsort -dictionary [get_board_parts -quiet {board.board_part}:*]] end]",
        f'if {{$board eq ""}} {{ error {word(missing_board(board))} }}',
        "set_property board_part $board [current_project]",
        f"set_property ip_repo_paths [list {repositories}] [current_project]",
        "update_ip_catalog -rebuild",
        "create_bd_design design",
        f"cell {ps.ip} {ps.cell}",
        f"apply_bd_automation -rule xilinx.com:bd_rule:{ps.ip} -config {{{ps.preset}}} [get_bd_cells {ps.cell}]",
        _settings(ps.cell, {key: value.format(**numbers) for key, value in ps.settings.items()}),
        f"cell axi_dma {DMA}",
        _settings(DMA, _dma(accelerator, ps.address_bits)),
        f"create_bd_cell -type ip -vlnv slimfab:design:{SHELL}:1.0 {ACCELERATOR}",
        *([f"create_bd_cell -type ip -vlnv slimfab:design:{NETWORK}:1.0 {CORE}"] if accelerator.flow != RTL else []),
        "cell proc_sys_reset reset_0",
        "cell smartconnect control_0",
        _settings("control_0", {"NUM_SI": "1", "NUM_MI": "2", "NUM_CLKS": "1"}),
        "cell smartconnect memory_0",
        _settings("memory_0", {"NUM_SI": "2", "NUM_MI": "1", "NUM_CLKS": "1"}),
        *(f"bus {source} {sink}" for source, sink in [*_memory_mapped(ps), *streams]),
        *_nets(ps, accelerator),
        "assign_bd_address",
        "validate_bd_design",
        "save_bd_design",
        "set_property synth_checkpoint_mode None [get_files design.bd]",
        "generate_target all [get_files design.bd]",
        "make_wrapper -files [get_files design.bd] -top -import",
        "set_property top design_wrapper [get_filesets sources_1]",
        "update_compile_order -fileset sources_1",
        "close_project",
    ]
    return "\n".join(lines) + "\n"


_NEWEST = """
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
"""


def _settings(cell: str, settings: Mapping[str, str]) -> str:
    pairs = " ".join(f"CONFIG.{key} {word(value)}" for key, value in settings.items())
    return f"set_property -dict [list {pairs}] [get_bd_cells {cell}]"


def _dma(accelerator: Accelerator, address_bits: int) -> dict[str, str]:
    """AXI DMA without scatter-gather; parameters as AMD PG021 names them."""
    settings = {
        "c_include_sg": "0",
        "c_sg_include_stscntrl_strm": "0",
        "c_sg_length_width": str(LENGTH_BITS),
        "c_addr_width": str(address_bits),
        "c_include_mm2s": "1",
        "c_include_s2mm": "1",
        "c_m_axis_mm2s_tdata_width": str(8 * accelerator.input.word_bytes),
    }
    for direction, port in (("mm2s", accelerator.input), ("s2mm", accelerator.output)):
        bus_bytes = max(4, port.word_bytes)  # the memory side is 32 bits wide or more
        settings[f"c_m_axi_{direction}_data_width"] = str(8 * bus_bytes)
        settings[f"c_{direction}_burst_size"] = str(min(256, MAX_BURST_BYTES // bus_bytes))
    return settings


def _memory_mapped(ps: Processor) -> list[tuple[str, str]]:
    return [
        (f"{ps.cell}/{ps.control}", "control_0/S00_AXI"),
        ("control_0/M00_AXI", f"{DMA}/S_AXI_LITE"),
        ("control_0/M01_AXI", f"{ACCELERATOR}/s_axi"),
        (f"{DMA}/M_AXI_MM2S", "memory_0/S00_AXI"),
        (f"{DMA}/M_AXI_S2MM", "memory_0/S01_AXI"),
        ("memory_0/M00_AXI", f"{ps.cell}/{ps.memory}"),
    ]


def _streams(accelerator: Accelerator) -> Sequence[tuple[str, str]]:
    ends = [(f"{DMA}/M_AXIS_MM2S", f"{ACCELERATOR}/s_axis"), (f"{ACCELERATOR}/m_axis", f"{DMA}/S_AXIS_S2MM")]
    if accelerator.flow == RTL:
        return ends
    return [*ends, (f"{ACCELERATOR}/to_core", f"{CORE}/s_axis*"), (f"{CORE}/m_axis*", f"{ACCELERATOR}/from_core")]


def _nets(ps: Processor, accelerator: Accelerator) -> list[str]:
    clocks = [
        *(f"{ps.cell}/{pin}" for pin in ps.other_clocks),
        f"{DMA}/s_axi_lite_aclk", f"{DMA}/m_axi_mm2s_aclk", f"{DMA}/m_axi_s2mm_aclk",
        f"{ACCELERATOR}/aclk", "control_0/aclk", "memory_0/aclk", "reset_0/slowest_sync_clk",
    ]  # fmt: skip
    resets = [f"{DMA}/axi_resetn", f"{ACCELERATOR}/aresetn", "control_0/aresetn", "memory_0/aresetn"]
    nets = [(f"{ps.cell}/{ps.clock}", clocks), (f"{ps.cell}/{ps.reset}", ["reset_0/ext_reset_in"])]
    if accelerator.flow != RTL:
        clocks.append(f"{CORE}/ap_clk")
        nets.append((f"{ACCELERATOR}/core_aresetn", [f"{CORE}/ap_rst_n"]))
    nets.append(("reset_0/peripheral_aresetn", resets))
    return [f"connect_bd_net {' '.join(f'[get_bd_pins {pin}]' for pin in (source, *sinks))}" for source, sinks in nets]
