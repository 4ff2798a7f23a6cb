# SPDX-License-Identifier: Apache-2.0
"""A hardware handoff (``.hwh``) of an emulated board, with what pynq reads in one that Vivado wrote.

Processor, AXI DMA in direct register mode and the accelerator, joined as a build joins them. Parameter names and their
spelling are Vivado's: the engine's in lower case, the processor's as its family has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from hls.registers import REGISTERS

REGION = 0x1_0000


@dataclass(frozen=True)
class Processor:
    """What differs between the families: names, the bus master, base addresses of engine and accelerator, clocks."""

    arch: str
    system: str
    module: str
    vlnv: str
    master: str
    dma_base: int
    accelerator_base: int
    clock: Mapping[str, str]


_ZYNQ_CLOCK = {
    "PCW_ACT_FPGA{i}_PERIPHERAL_FREQMHZ": "{mhz:.6f}",
    "PCW_FCLK{i}_PERIPHERAL_DIVISOR0": "{first}",
    "PCW_FCLK{i}_PERIPHERAL_DIVISOR1": "{second}",
    "PCW_FCLK{i}_PERIPHERAL_CLKSRC": "IO PLL",
    "PCW_FPGA_FCLK{i}_ENABLE": "{enable}",
}
_ULTRASCALE_CLOCK = {
    "PSU__CRL_APB__PL{i}_REF_CTRL__ACT_FREQMHZ": "{mhz:.6f}",
    "PSU__CRL_APB__PL{i}_REF_CTRL__DIVISOR0": "{first}",
    "PSU__CRL_APB__PL{i}_REF_CTRL__DIVISOR1": "{second}",
    "PSU__CRL_APB__PL{i}_REF_CTRL__SRCSEL": "IOPLL",
    "PSU__FPGA_PL{i}_ENABLE": "{enable}",
}
PROCESSORS = {
    "armv7l": Processor(
        "armv7l", "zynq", "processing_system7", "xilinx.com:ip:processing_system7:5.5", "M_AXI_GP0",
        0x4040_0000, 0x43C0_0000, _ZYNQ_CLOCK,
    ),
    "aarch64": Processor(
        "aarch64", "zynquplus", "zynq_ultra_ps_e", "xilinx.com:ip:zynq_ultra_ps_e:3.5", "M_AXI_HPM0_FPD",
        0xA000_0000, 0xA001_0000, _ULTRASCALE_CLOCK,
    ),
}  # fmt: skip


def handoff(
    name: str, board: str, arch: str, part: tuple[str, str, str], clock_mhz: float, words: tuple[int, int]
) -> str:
    """The text of a handoff with the cells ``axi_dma_0`` and ``accelerator_0``.

    Args:
        part: device, package and speed grade as Vivado writes them, such as ("7z020", "clg400", "-1").
        words: bytes of the DMA engine's streams, to the accelerator and from it.
    """
    processor = PROCESSORS[arch]
    device, package, grade = part
    body = "".join([_dma(processor, words), _accelerator(processor), _processor(processor, clock_mhz)])
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n'
        '<EDKSYSTEM EDWVERSION="1.2" VIVADOVERSION="emulated">\n'
        f"<SYSTEMINFO ARCH={quoteattr(processor.system)} BOARD={quoteattr(board)} DEVICE={quoteattr(device)} "
        f"NAME={quoteattr(name)} PACKAGE={quoteattr(package)} SPEEDGRADE={quoteattr(grade)}/>\n"
        f"<EXTERNALPORTS/><EXTERNALINTERFACES/>\n<MODULES>\n{body}</MODULES>\n</EDKSYSTEM>\n"
    )


def _dma(processor: Processor, words: tuple[int, int]) -> str:
    bits = [8 * max(word, 4) for word in words]
    parameters = {
        "c_include_mm2s": 1, "c_include_s2mm": 1, "c_include_sg": 0, "c_micro_dma": 0, "c_sg_length_width": 26,
        "c_include_mm2s_dre": 0, "c_include_s2mm_dre": 0,
        "c_m_axi_mm2s_data_width": bits[0], "c_m_axi_s2mm_data_width": bits[1],
        "c_m_axis_mm2s_tdata_width": 8 * words[0], "c_s_axis_s2mm_tdata_width": 8 * words[1],
    }  # fmt: skip
    buses = [
        _bus("S_AXI_LITE", "TARGET", "aximm", "gp_dma"),
        _bus("M_AXIS_MM2S", "INITIATOR", "axis", "sent"),
        _bus("S_AXIS_S2MM", "TARGET", "axis", "received"),
    ]
    return _module("axi_dma_0", "axi_dma", "xilinx.com:ip:axi_dma:7.1", parameters, buses)


def _accelerator(processor: Processor) -> str:
    registers = "".join(
        f"<REGISTER NAME={quoteattr(one.name)}>"
        + "".join(
            f"<PROPERTY NAME={quoteattr(key)} VALUE={quoteattr(str(value))}/>"
            for key, value in (
                ("DESCRIPTION", one.meaning), ("ADDRESS_OFFSET", one.offset), ("SIZE", 32), ("ACCESS", one.access),
            )
        )
        + "<FIELDS/></REGISTER>"
        for one in REGISTERS
    )  # fmt: skip
    block = (
        '<ADDRESSBLOCKS><ADDRESSBLOCK ACCESS="" INTERFACE="s_axi" NAME="reg0" RANGE="4096" USAGE="register">'
        f"<REGISTERS>{registers}</REGISTERS></ADDRESSBLOCK></ADDRESSBLOCKS>"
    )
    buses = [
        _bus("s_axi", "TARGET", "aximm", "gp_accelerator"),
        _bus("s_axis", "TARGET", "axis", "sent"),
        _bus("m_axis", "INITIATOR", "axis", "received"),
    ]
    return _module("accelerator_0", "top", "slimfab:user:top:1.0", {}, buses, block)


def _processor(processor: Processor, clock_mhz: float) -> str:
    parameters = {
        key.format(i=index): value.format(
            mhz=clock_mhz if index == 0 else 10.0, first=1, second=1, enable=int(index == 0)
        )
        for index in range(4)
        for key, value in processor.clock.items()
    }
    cells = {"axi_dma_0": (processor.dma_base, "S_AXI_LITE"), "accelerator_0": (processor.accelerator_base, "s_axi")}
    ranges = "".join(
        f'<MEMRANGE ADDRESSBLOCK="Reg" BASENAME="C_BASEADDR" BASEVALUE="0x{base:08X}" HIGHNAME="C_HIGHADDR" '
        f'HIGHVALUE="0x{base + REGION - 1:08X}" INSTANCE="{cell}" MASTERBUSINTERFACE="{processor.master}" '
        f'MEMTYPE="REGISTER" SLAVEBUSINTERFACE="{port}"/>'
        for cell, (base, port) in cells.items()
    )
    peripherals = "".join(f'<PERIPHERAL INSTANCE="{cell}"/>' for cell in cells)
    memory = f"<MEMORYMAP>{ranges}</MEMORYMAP><PERIPHERALS>{peripherals}</PERIPHERALS>"
    buses = [_bus(processor.master, "INITIATOR", "aximm", "gp")]
    return _module(f"{processor.module}_0", processor.module, processor.vlnv, parameters, buses, "", memory)


def _module(
    name: str, kind: str, vlnv: str, parameters: Mapping[str, object], buses: list[str], head: str = "", tail: str = ""
) -> str:
    listed = "".join(f'<PARAMETER NAME="{key}" VALUE="{value}"/>' for key, value in parameters.items())
    return (
        f'<MODULE FULLNAME="/{name}" HWVERSION="{vlnv.split(":")[-1]}" INSTANCE="{name}" IPTYPE="PERIPHERAL" '
        f'MODCLASS="PERIPHERAL" MODTYPE="{kind}" VLNV="{vlnv}">{head}<PARAMETERS>{listed}</PARAMETERS><PORTS/>'
        f"<BUSINTERFACES>{''.join(buses)}</BUSINTERFACES>{tail}</MODULE>\n"
    )


def _bus(name: str, role: str, kind: str, net: str) -> str:
    vlnv = f"xilinx.com:interface:{kind}:1.0"
    return f'<BUSINTERFACE BUSNAME="{net}" NAME="{name}" TYPE="{role}" VLNV="{vlnv}"><PORTMAPS/></BUSINTERFACE>'
