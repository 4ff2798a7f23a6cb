# SPDX-License-Identifier: Apache-2.0
"""A small catalogue of AMD's IPs for the model of Vivado: pins, interfaces and parameters with the values they allow.

From the product guides: PG082 (Zynq-7000), PG201 (Zynq UltraScale+), PG021 (AXI DMA), PG247 (SmartConnect), PG164
(Processor System Reset). Interfaces are (kind, role, clock pin); pins are (direction, kind).
"""

import re
from dataclasses import dataclass, field

POWERS = {str(2**n) for n in range(3, 11)}
MEMORY_WIDTHS = {"32", "64", "128", "256", "512", "1024"}
YES_NO = {"0", "1"}


def number(low: float, high: float):
    """A parameter that is a number from low to high."""
    return lambda text: re.fullmatch(r"\d+(\.\d+)?", text) is not None and low <= float(text) <= high


PARAMETERS = {
    "processing_system7": {
        "PCW_FPGA0_PERIPHERAL_FREQMHZ": number(0.1, 250), "PCW_EN_CLK0_PORT": YES_NO, "PCW_USE_M_AXI_GP0": YES_NO,
        "PCW_USE_S_AXI_HP0": YES_NO, "PCW_S_AXI_HP0_DATA_WIDTH": {"32", "64"},
    },
    "zynq_ultra_ps_e": {
        "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ": number(0.1, 600), "PSU__FPGA_PL0_ENABLE": YES_NO,
        "PSU__USE__M_AXI_GP0": YES_NO, "PSU__USE__M_AXI_GP1": YES_NO, "PSU__USE__M_AXI_GP2": YES_NO,
        "PSU__USE__S_AXI_GP2": YES_NO, "PSU__SAXIGP2__DATA_WIDTH": {"32", "64", "128"},
    },
    "axi_dma": {
        "c_include_sg": YES_NO, "c_sg_include_stscntrl_strm": YES_NO, "c_sg_length_width": number(8, 26),
        "c_addr_width": number(32, 64), "c_include_mm2s": YES_NO, "c_include_s2mm": YES_NO,
        "c_m_axis_mm2s_tdata_width": POWERS, "c_m_axi_mm2s_data_width": MEMORY_WIDTHS,
        "c_m_axi_s2mm_data_width": MEMORY_WIDTHS, "c_mm2s_burst_size": {"2", "4", "8", "16", "32", "64", "128", "256"},
        "c_s2mm_burst_size": {"2", "4", "8", "16", "32", "64", "128", "256"},
    },
    "smartconnect": {"NUM_SI": number(1, 16), "NUM_MI": number(1, 16), "NUM_CLKS": number(1, 16)},
    "proc_sys_reset": {}, "accelerator": {}, "network": {},
}  # fmt: skip
#: Settings without which an interface or pin of a processor is not there.
ENABLED_BY = {
    "M_AXI_GP0": "PCW_USE_M_AXI_GP0", "M_AXI_GP0_ACLK": "PCW_USE_M_AXI_GP0", "S_AXI_HP0": "PCW_USE_S_AXI_HP0",
    "S_AXI_HP0_ACLK": "PCW_USE_S_AXI_HP0", "FCLK_CLK0": "PCW_EN_CLK0_PORT",
    "M_AXI_HPM0_FPD": "PSU__USE__M_AXI_GP0", "maxihpm0_fpd_aclk": "PSU__USE__M_AXI_GP0",
    "S_AXI_HP0_FPD": "PSU__USE__S_AXI_GP2", "saxihp0_fpd_aclk": "PSU__USE__S_AXI_GP2",
    "pl_clk0": "PSU__FPGA_PL0_ENABLE",
}  # fmt: skip
#: (address bits, what a processor reaches) are not modelled; that everything reachable gets an address is.
FIXED = {
    "processing_system7": (
        {"M_AXI_GP0": ("aximm", "master", "M_AXI_GP0_ACLK"), "S_AXI_HP0": ("aximm", "slave", "S_AXI_HP0_ACLK")},
        {
            "FCLK_CLK0": ("out", "clock"), "FCLK_RESET0_N": ("out", "reset"),
            "M_AXI_GP0_ACLK": ("in", "clock"), "S_AXI_HP0_ACLK": ("in", "clock"),
        },
    ),
    "zynq_ultra_ps_e": (
        {
            "M_AXI_HPM0_FPD": ("aximm", "master", "maxihpm0_fpd_aclk"),
            "S_AXI_HP0_FPD": ("aximm", "slave", "saxihp0_fpd_aclk"),
        },
        {
            "pl_clk0": ("out", "clock"), "pl_resetn0": ("out", "reset"),
            "maxihpm0_fpd_aclk": ("in", "clock"), "saxihp0_fpd_aclk": ("in", "clock"),
        },
    ),
    "axi_dma": (
        {
            "S_AXI_LITE": ("aximm", "slave", "s_axi_lite_aclk"), "M_AXI_MM2S": ("aximm", "master", "m_axi_mm2s_aclk"),
            "M_AXI_S2MM": ("aximm", "master", "m_axi_s2mm_aclk"),
            "M_AXIS_MM2S": ("axis", "master", "m_axi_mm2s_aclk"), "S_AXIS_S2MM": ("axis", "slave", "m_axi_s2mm_aclk"),
        },
        {
            "s_axi_lite_aclk": ("in", "clock"), "m_axi_mm2s_aclk": ("in", "clock"), "m_axi_s2mm_aclk": ("in", "clock"),
            "axi_resetn": ("in", "reset"),
        },
    ),
    "proc_sys_reset": (
        {},
        {
            "slowest_sync_clk": ("in", "clock"), "ext_reset_in": ("in", "reset"),
            "peripheral_aresetn": ("out", "reset"), "interconnect_aresetn": ("out", "reset"),
        },
    ),
}  # fmt: skip
VERSIONS = {"processing_system7": "5.5", "axi_dma": "7.1", "smartconnect": "1.0", "proc_sys_reset": "5.0"}


@dataclass
class Cell:
    """One cell of a block design."""

    name: str
    ip: str
    settings: dict[str, str] = field(default_factory=dict)
    interfaces: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    pins: dict[str, tuple[str, str]] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)

    def refresh(self) -> None:
        """What of it exists under its settings."""
        if self.ip == "smartconnect":
            ports = {f"S{n:02d}_AXI": "slave" for n in range(int(self.settings.get("NUM_SI", "1")))}
            ports |= {f"M{n:02d}_AXI": "master" for n in range(int(self.settings.get("NUM_MI", "1")))}
            self.interfaces = {name: ("aximm", role, "aclk") for name, role in ports.items()}
            self.pins = {"aclk": ("in", "clock"), "aresetn": ("in", "reset")}
        elif self.ip in FIXED:
            self.interfaces, self.pins = dict(FIXED[self.ip][0]), dict(FIXED[self.ip][1])
            for table in (self.interfaces, self.pins):
                for name in [one for one in table if one in ENABLED_BY and self.settings.get(ENABLED_BY[one]) != "1"]:
                    del table[name]
            self.widths["M_AXIS_MM2S"] = int(self.settings.get("c_m_axis_mm2s_tdata_width", "32"))

    def set(self, key: str, value: str) -> None:
        """Change a parameter.  Raises ValueError for one that the IP does not have, or a value that it refuses."""
        allowed = PARAMETERS[self.ip].get(key)
        if allowed is None:
            raise ValueError(f"{self.ip} has no parameter {key}")
        if not (allowed(value) if callable(allowed) else value in allowed):
            raise ValueError(f"{self.ip}.{key} does not allow {value}")
        self.settings[key] = value
        self.refresh()


def from_verilog(text: str) -> tuple[dict, dict, dict]:
    """Interfaces, pins and stream widths of a Verilog module, as Vivado infers them from its ports' names."""
    ports = {
        name: (direction, int(high or 0) + 1)
        for direction, high, name in re.findall(r"^\s*(input|output)\s+wire (?:\[(\d+):0\] )?(\w+),?$", text, re.M)
    }
    pins = {name: ("in" if ports[name][0] == "input" else "out", "clock" if "clk" in name else "reset")
            for name in ports if name.endswith(("aclk", "aresetn", "ap_clk", "ap_rst_n"))}  # fmt: skip
    interfaces, widths = {}, {}
    clock = "ap_clk" if "ap_clk" in ports else "aclk"
    for name in [one for one in ports if one.endswith(("_awaddr", "_araddr"))]:
        role = "slave" if ports[name][0] == "input" else "master"
        interfaces[name.rpartition("_")[0]] = ("aximm", role, clock)
    for name in [one.removesuffix("_tvalid") for one in ports if one.endswith("_tvalid")]:
        source = ports[f"{name}_tvalid"][0] == "output"
        if ports[f"{name}_tready"][0] == ports[f"{name}_tvalid"][0]:
            raise ValueError(f"{name}: valid and ready point the same way")
        interfaces[name] = ("axis", "master" if source else "slave", "aclk")
        widths[name] = ports[f"{name}_tdata"][1]
    return interfaces, pins, widths


def from_cpp(text: str, suffix: str) -> tuple[dict, dict, dict]:
    """The same of a C++ function with two streams of ap_uint, as HLS names its ports."""
    widths = {
        f"{stream}{suffix}": int(bits)
        for end, stream in (("in", "s_axis"), ("out", "m_axis"))
        for bits in re.findall(rf"typedef ap_uint<(\d+)> {end}_beat;", text)
    }
    interfaces = {name: ("axis", "slave" if name[0] == "s" else "master", "ap_clk") for name in widths}
    return interfaces, {"ap_clk": ("in", "clock"), "ap_rst_n": ("in", "reset")}, widths


#: What is asked of a processor's clock → what the handoff says it is.
ACTUAL = {
    "PCW_FPGA0_PERIPHERAL_FREQMHZ": "PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ",
    "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ": "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ",
}


def handoff(part: str, release: str, cells: dict[str, Cell]) -> str:
    """The hardware handoff of a block design."""
    names = (part[2:7], part[7:13], part[13:]) if part.startswith("xc7") else part.split("-")[:3]
    device, package, speed = names[0], names[1], names[2] if names[2].startswith("-") else f"-{names[2]}"
    modules = []
    for cell in cells.values():
        values = dict(cell.settings)
        if cell.ip == "axi_dma":
            values["c_s_axis_s2mm_tdata_width"] = str(cell.widths["S_AXIS_S2MM"])
        values |= {actual: f"{float(values[key]):.6f}" for key, actual in ACTUAL.items() if key in values}
        text = "".join(f'<PARAMETER NAME="{key}" VALUE="{value}"/>' for key, value in values.items())
        modules.append(
            f'<MODULE FULLNAME="/{cell.name}" INSTANCE="{cell.name}" MODTYPE="{cell.ip}">'
            f"<PARAMETERS>{text}</PARAMETERS></MODULE>"
        )
    return (
        f'<EDKSYSTEM VIVADOVERSION="{release}"><SYSTEMINFO DEVICE="{device}" PACKAGE="{package}" '
        f'SPEEDGRADE="{speed}"/><MODULES>{"".join(modules)}</MODULES></EDKSYSTEM>'
    )


def clock_summary(part: str, design: dict[str, dict]) -> str:
    """The section of a timing report that names the processor's clock."""
    settings = {key: value for cell in design.values() for key, value in cell["settings"].items()}
    mhz = [float(settings[key]) for key in ACTUAL if key in settings]
    if not mhz:
        return ""
    name, period_ns = "clk_fpga_0" if part.startswith("xc7") else "clk_pl_0", 1000 / mhz[0]
    row = f"{name}  {{0.000 {period_ns / 2:.3f}}}      {period_ns:.3f}          {mhz[0]:.3f}         "
    return f"\n| Clock Summary\n| -------------\n\nClock     Waveform(ns)       Period(ns)      Frequency(MHz)\n{row}\n"
