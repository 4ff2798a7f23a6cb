# SPDX-License-Identifier: Apache-2.0
"""An accelerator on an Alveo card: the kernel as an .xo file, and v++, which links it to the card's platform.

Sources are AMD's "Creating User-Managed RTL Kernels" and "v++ Command" (UG1393; UG1700 and UG1702 since 2024.1). v++
itself lowers the kernel's clock where timing is not met; the clock that it settled on is in the .xclbin.
"""

import math
from collections.abc import Sequence

from boards import xclbin
from boards.board import Platform
from boards.vivado.kernel import ARGUMENTS, CONTROL, NAME, RANGE, RECEIVE, SEND
from boards.vivado.releases import ALTERNATIVES, Release
from boards.vivado.tcl import listed, word
from hwsim.errors import InputError, ToolMissing

STEP = "60_link"


def check_release(platform: Platform, release: Release) -> None:
    """Whether a release has a platform.  Raises ToolMissing where it is older."""
    if release < Release.parse(platform.since):
        raise ToolMissing(
            f"vivado: got release {release}; expected {platform.since} or newer, which has platform {platform.name}; "
            f"name one with --tools; {ALTERNATIVES}"
        )


def package_kernel(part: str, files: Sequence[str], name: str) -> str:
    """The kernel as an IP with its registers, and that as ``name``.xo."""
    registers = "\n".join(
        f"register $block {register} 0x{offset:04X} {bits} {word(port)}"
        for register, (offset, bits, port) in ARGUMENTS.items()
    )
    return f"""\
# {NAME} as a kernel that programs control through its registers.
# A register, and the memory port that it holds an address for.
proc register {{block name offset bits port}} {{
  set one [ipx::add_register $name $block]
  set_property address_offset $offset $one
  set_property size $bits $one
  if {{$port ne ""}} {{ set_property value $port [ipx::add_register_parameter ASSOCIATED_BUSIF $one] }}
}}
create_project -force -part {word(part)} kernel work/kernel
add_files -norecurse -fileset sources_1 {listed(files)}
set_property top {NAME} [get_filesets sources_1]
update_compile_order -fileset sources_1
set folder [file normalize ip/{NAME}]
ipx::package_project -root_dir $folder -vendor slimfab -library design -taxonomy /KernelIP -import_files -force
set core [ipx::current_core]
set_property name {NAME} $core
set_property version 1.0 $core
set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
set_property vitis_drc {{ctrl_protocol user_managed}} $core
set_property ipi_drc {{ignore_freq_hz true}} $core
foreach bus {{{CONTROL} {SEND} {RECEIVE}}} {{
  if {{[llength [ipx::get_bus_interfaces $bus -of_objects $core]] != 1}} {{
    error "{NAME}: got no interface $bus; expected Vivado to infer it from the ports' names"
  }}
  ipx::associate_bus_interfaces -busif $bus -clock ap_clk $core
}}
set block [ipx::add_address_block -quiet reg0 [ipx::add_memory_map -quiet {CONTROL} $core]]
set_property range {RANGE} $block
{registers}
set_property slave_memory_map_ref {CONTROL} [ipx::get_bus_interfaces {CONTROL} -of_objects $core]
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::save_core $core
package_xo -force -xo_path {name}.xo -kernel_name {NAME} -ip_directory $folder -ctrl_protocol user_managed
close_project
"""


def configuration(platform: Platform, clock_mhz: float, name: str, build_id: str) -> str:
    """What v++ reads: the platform, the clock, and which memory each port reaches.

    Raises:
        InputError: the clock is below 1 MHz; v++ takes whole ones.
    """
    if clock_mhz < 1:
        raise InputError(f"clock: got {clock_mhz:g} MHz; expected 1 or more, as v++ takes whole MHz; ask for more")
    unit = xclbin.instance(build_id)
    return f"""\
# One kernel on {platform.name}; {name}.xo becomes {name}.xclbin.
platform={platform.name}
target=hw
input_files={name}.xo
output={name}.xclbin
kernel_frequency={math.floor(clock_mhz)}
temp_dir=work/link
log_dir=logs/link
report_dir=work/reports

[connectivity]
nk={NAME}:1:{unit}
sp={unit}.{SEND}:{platform.memory}
sp={unit}.{RECEIVE}:{platform.memory}
"""


def command(configuration_file: str) -> tuple[str, ...]:
    """The program that links, with its arguments."""
    return ("v++", "--link", "--config", configuration_file)
