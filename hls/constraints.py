# SPDX-License-Identifier: Apache-2.0
"""Timing constraints of an emitted design: its clock, for Vivado and for tools that read SDC."""


def xdc(clock_mhz: float) -> str:
    """For Vivado, where top is implemented by itself.

    Inside a larger design the clock comes with that design's constraints, hence the mode.
    """
    return (
        f"# Vivado: read_xdc -mode out_of_context top.xdc; synth_design -top top -mode out_of_context\n{sdc(clock_mhz)}"
    )


def sdc(clock_mhz: float) -> str:
    """Synopsys Design Constraints, as ``nextpnr --sdc`` and the vendors' tools read them."""
    return f"create_clock -name aclk -period {1000 / clock_mhz:.3f} [get_ports aclk]\n"
