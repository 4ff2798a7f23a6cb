# SPDX-License-Identifier: Apache-2.0
"""What one operation and one access of an accelerator take, in pJ: a table, scaled to the device's technology.

* A multiply-accumulate: Horowitz, ISSCC 2014, 45 nm at 0.9 V, by the number of bits (`hwsim/energy.py`).
* A register file of 0.5 kB, the network between elements, a buffer of more than 100 kB: 1, 2 and 6 times a 16-bit
  product per 16-bit word (Chen, Emer, Sze, ISCA 2016, table IV, from a 65 nm process).
* Register files of other sizes in proportion to their bytes, as github:xuanyoya/Interstellar-CNN-scheduler has them
  (examples/arch/3_level_mem_explore_asic.json: twice per doubling); buffers in proportion to the SRAM reads of
  Horowitz's table.
* The network is the device's number: the 2 of that table are for wires of 1 to 2 mm, neighbours are nearer.
* DRAM: the device's number per bit; that table's 200 products are 19.7 pJ per bit at 65 nm and 1.0 V, Horowitz's 20.3.

Technology: energies on chip are proportional to capacitance times voltage squared, and capacitance to feature size,

    E(node, V) = E(45 nm, 0.9 V) (node / 45) (V / 0.9)^2

which is the rule of constant fields without leakage; interfaces to DRAM do not scale.
"""

from dataclasses import dataclass

from hwsim.device import Device
from hwsim.energy import mac_pj, sram_pj_per_bit

NODE_NM, SUPPLY_V = 45.0, 0.9  # of Horowitz's table
WORD_BITS = 16
REGISTER, BUFFER = 1.0, 6.0  # products per word: ISCA 2016, table IV
REGISTER_BYTES = 512.0  # the size that table's register file has
BUFFER_KIB = 100.0  # the size that table's buffer has at least


@dataclass(frozen=True)
class Prices:
    """Energy of one multiply-accumulate in pJ, and of one bit read or written at each level."""

    mac_pj: float
    register_pj: float
    noc_pj: float
    buffer_pj: float
    dram_pj: float


def prices(device: Device) -> Prices:
    """The table of a device of kind npu."""
    scale = device["node_nm"] / NODE_NM * (device["supply_v"] / SUPPLY_V) ** 2
    word = mac_pj(WORD_BITS, WORD_BITS) * scale / WORD_BITS
    larger = sram_pj_per_bit(device["buffer_kib"] * 8192) / sram_pj_per_bit(BUFFER_KIB * 8192)
    return Prices(
        mac_pj=mac_pj(device["operand_bits"], device["operand_bits"]) * scale,
        register_pj=REGISTER * word * device["register_bytes"] / REGISTER_BYTES,
        noc_pj=device["noc_products"] * word, buffer_pj=BUFFER * word * larger,
        dram_pj=device["dram_pj_per_bit"],
    )  # fmt: skip
