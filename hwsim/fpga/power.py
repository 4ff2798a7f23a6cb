# SPDX-License-Identifier: Apache-2.0
"""What a design switches: the energy of one inference that a board's static power does not contain."""

from hwsim.energy import breakdown
from hwsim.fpga.stages import FLOAT_BITS, pipeline
from hwsim.network import Network

FPGA_OVER_ASIC = 14.0  # dynamic power of logic against an ASIC of the same node: Kuon, Rose, IEEE TCAD 26(2), 2007
ON_CHIP_BITS = 18 * 1024.0  # energy of on-chip accesses is that of one block RAM


def dynamic_uj(network: Network) -> float:
    """Energy of the arithmetic and of the memories on chip for one inference.

    Weights stay on chip, so the DRAM part of the table does not apply; inputs and outputs are small beside it.
    """
    return sum(dynamic_parts_uj(network))


def dynamic_parts_uj(network: Network) -> tuple[float, float]:
    """The same, apart: arithmetic, and memories on chip."""
    parts = breakdown(network, ON_CHIP_BITS, widest=FLOAT_BITS if pipeline(network).has_float else 64.0)
    return FPGA_OVER_ASIC * float(parts.mac_uj.sum()), FPGA_OVER_ASIC * float(parts.on_chip_uj.sum())
