# SPDX-License-Identifier: Apache-2.0
"""Kernels in the model of Vivado, and a stand-in for v++, which links what package_xo wrote."""

import json
import os
from pathlib import Path

from boards import board, xclbin

KERNEL_PROPERTIES = {
    "sdx_kernel": "true", "sdx_kernel_type": "rtl", "vitis_drc": "ctrl_protocol user_managed",
    "ipi_drc": "ignore_freq_hz true",
}  # fmt: skip
#: What a configuration of v++ may say (AMD UG1393, "v++ Command").
GENERAL = {"platform", "target", "input_files", "output", "kernel_frequency", "temp_dir", "log_dir", "report_dir"}
CONNECTIVITY = {"nk", "sp"}


class Kernels:
    """The commands that make a kernel of an IP; ``core`` are its interfaces, pins and widths."""

    core: tuple[dict, dict, dict]

    def ipx_add_memory_map(self, options: dict, name: str, core: str) -> str:
        if self.core[0][name][:2] != ("aximm", "slave"):
            raise ValueError(f"{name} is no subordinate")
        self.registers: dict[str, dict] = {}
        self.kernel: dict[str, str] = {}
        return f"map {name}"

    def ipx_add_address_block(self, options: dict, name: str, memory_map: str) -> str:
        return f"block {name} of {memory_map}"

    def ipx_add_register(self, options: dict, name: str, block: str) -> str:
        if not block.startswith("block ") or name in self.registers:
            raise ValueError("no block, or the register is there already")
        self.registers[name] = {}
        return f"register {name}"

    def ipx_add_register_parameter(self, options: dict, name: str, register: str) -> str:
        if name != "ASSOCIATED_BUSIF" or not register.startswith("register "):
            raise ValueError("expected ASSOCIATED_BUSIF of a register")
        return f"parameter {register}"

    def set_kernel_property(self, key: str, value: str, target: str) -> bool:
        """Whether a property is one of a kernel's, which is then set."""
        if target == "CORE" and key in KERNEL_PROPERTIES:
            if value != KERNEL_PROPERTIES[key]:
                raise ValueError(f"{key} does not allow {value}")
            self.marks = {**getattr(self, "marks", {}), key: value}
        elif target.startswith("register ") and key in ("address_offset", "size"):
            self.registers[target.removeprefix("register ")][key] = int(value, 0)
        elif target.startswith("parameter register ") and key == "value":
            if self.core[0][value][:2] != ("aximm", "master"):
                raise ValueError(f"{value} is no memory port")
            self.registers[target.removeprefix("parameter register ")]["port"] = value
        elif target.startswith("block ") and key == "range":
            self.kernel["range"] = value
        elif key == "slave_memory_map_ref" and self.core[0][target][1] == "slave":
            self.kernel["control"] = value
        else:
            return False
        return True

    def package_xo(self, options: dict) -> None:
        if not (Path(options["-ip_directory"]) / "component.xml").is_file():
            raise ValueError("the IP was not saved")
        if self.marks != KERNEL_PROPERTIES or options["-ctrl_protocol"] != "user_managed":
            raise ValueError(f"got {self.marks}; expected a user-managed RTL kernel")
        if self.kernel.get("control") != "s_axi_control" or self.core[1]["ap_clk"] != ("in", "clock"):
            raise ValueError("expected registers behind s_axi_control, and ap_clk")
        taken: set[int] = set()
        for register in self.registers.values():
            places = set(range(register["address_offset"], register["address_offset"] + register["size"] // 8))
            if places & taken or max(places) >= int(self.kernel["range"]) or min(places) % (register["size"] // 8):
                raise ValueError(f"a register at {min(places)} does not fit")
            if "port" in register and register["size"] != 64:
                raise ValueError("addresses have 64 bits")
            taken |= places
        masters = {name for name, (kind, role, _) in self.core[0].items() if (kind, role) == ("aximm", "master")}
        if masters != {register.get("port") for register in self.registers.values()} - {None}:
            raise ValueError("a memory port has no address, or an address no port")
        Path(options["-xo_path"]).write_text(json.dumps({"name": options["-kernel_name"], "ports": sorted(masters)}))


def link(words: list[str]) -> None:
    """Do what v++ would; SystemExit with its words where it would refuse."""
    if words[:2] != ["--link", "--config"] or len(words) != 3:
        raise SystemExit(f"v++: unknown arguments {words}")
    if os.environ.get("FAKE_FAIL") == "v++":
        raise SystemExit("ERROR: [v++ 60-602] Source file does not exist; as the test wants it")
    general, connectivity = _read(Path(words[2]))
    known = {one.platform.name: one for one in map(board.load, board.names()) if one.platform is not None}
    if general["platform"] not in known or general["target"] != "hw" or not general["kernel_frequency"].isdigit():
        raise SystemExit("ERROR: [v++ 60-1258] No valid platform was found")
    kernel = json.loads(Path(general["input_files"]).read_text())
    (name, count, instance) = connectivity["nk"][0].split(":")
    ports = {f"{instance}.{port}" for port in kernel["ports"]}
    joined = dict(one.partition(":")[::2] for one in connectivity["sp"])
    if (name, count) != (kernel["name"], "1") or set(joined) != ports or set(joined.values()) != {"HBM[0]"}:
        raise SystemExit("ERROR: [CFGEN 83-2284] No port or instance of that name")
    one = known[general["platform"]]
    mhz = int(os.environ.get("FAKE_KERNEL_MHZ", general["kernel_frequency"]))
    part = os.environ.get("FAKE_PART", one.part)
    Path(general["output"]).write_bytes(xclbin.write(general["platform"], part, {instance: name}, mhz))


def _read(path: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    general: dict[str, str] = {}
    connectivity: dict[str, list[str]] = {}
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            if key not in (CONNECTIVITY if section == "connectivity" else GENERAL):
                raise SystemExit(f"ERROR: [v++ 60-2247] unrecognised option {key}")
            if section:
                connectivity.setdefault(key, []).append(value)
            else:
                general[key] = value
    return general, connectivity
