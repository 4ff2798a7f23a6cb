# SPDX-License-Identifier: Apache-2.0
"""A model of Vivado and HLS that executes their Tcl in a real Tcl interpreter and checks every command.

A command is refused unless it is known, its options are, and it has as many words as it takes. Block designs are
modelled cell by cell: every parameter's value, every pin's existence, directions, widths, clocks and addresses.

Also a program: ``python vivado_model.py TOOL ARGUMENTS`` stands in for vivado, vivado_hls, vitis_hls or vitis-run of
the release in $FAKE_RELEASE; $FAKE_SLACK is the slack that it reports, $FAKE_FAIL a command that fails.
"""

import fnmatch
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import vivado_ips
from vitis_model import Kernels, link
from vivado_commands import COMMANDS, HLS_ONLY
from vivado_ips import Cell

REPORTS = Path(__file__).parent / "data" / "reports"


class Refused(Exception):
    """A command that the tool would not accept."""


class Model(Kernels):
    """One run of a tool in the current folder; ``calls`` are all commands with their words."""

    def __init__(self, tool: str, release: str, slack_ns: float = 0.29, fail: str = "") -> None:
        self.tool, self.release, self.slack_ns, self.fail = tool, release, slack_ns, fail
        self.calls: list[tuple[str, ...]] = []
        self.project = ""
        self.state: dict = {"files": [], "part": "", "top": "", "runs": {}, "user_id": "FFFFFFFF", "design": None}
        self.cells: dict[str, Cell] = {}
        self.nets: dict[str, str] = {}
        self.buses: dict[str, str] = {}
        self.config: dict[str, str] = {}
        import tkinter  # not everywhere; tests name it where it is missing

        self.tcl = tkinter.Tcl()
        self.tcl.createcommand("model", self._command)
        self.tcl.eval("namespace eval ipx {}")
        for name in (*COMMANDS, "exit"):
            self.tcl.eval(
                f"proc {name} {{args}} {{ lassign [model {name} {{*}}$args] code value; return -code $code $value }}"
            )

    def source(self, script: Path | str) -> None:
        """Execute a script.  Raises TclError where a command is refused or the script itself ends with an error."""
        self.tcl.eval(Path(script).read_text())

    def _command(self, name: str, *words: str) -> tuple[int, object]:
        self.calls.append((name, *words))
        if name == "exit":
            return (0, "") if words in ((), ("0",)) else (1, f"exit {words}")
        try:
            if name == self.fail:
                raise Refused(f"ERROR: [Common 17-69] Command failed: {name}; as the test wants it")
            if self.tool == "vivado" and name in HLS_ONLY:
                raise Refused(f'invalid command name "{name}"')
            options, positional = self._split(name, words)
            handler = getattr(self, name.replace("ipx::", "ipx_"), None)
            return 0, ("" if handler is None else handler(options, *positional))
        except (Refused, ValueError, KeyError, OSError) as error:
            return 1, f"ERROR: {name} {' '.join(words)[:200]}: {error}"

    def _split(self, name: str, words: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
        known, least, most = COMMANDS[name]
        options: dict[str, str] = {}
        positional: list[str] = []
        rest = list(words)
        while rest:
            one = rest.pop(0)
            if one.startswith("-"):
                if one not in known:
                    raise Refused(f"unknown option {one}")
                options[one] = rest.pop(0) if known[one] else ""
            else:
                positional.append(one)
        if not least <= len(positional) <= most:
            raise Refused(f"got {len(positional)} words beside options; expected {least} to {most}")
        return options, positional

    # ---- projects

    def create_project(self, options: dict, name: str, folder: str) -> None:
        self.project = f"{folder}/{name}"
        self.state["part"] = options["-part"]
        Path(folder).mkdir(parents=True, exist_ok=True)

    def open_project(self, options: dict, path: str) -> None:
        if self.tool != "vivado":
            Path(path).mkdir(exist_ok=True)
            return
        saved = json.loads(Path(path).read_text())
        self.state = saved["state"]
        self.project = path.removesuffix(".xpr")

    def close_project(self, options: dict) -> None:
        Path(f"{self.project}.xpr").write_text(json.dumps({"state": self.state}))

    def version(self, options: dict) -> str:
        return f"{self.release}.1"

    def current_project(self, options: dict) -> str:
        return "PROJECT"

    def get_filesets(self, options: dict, name: str) -> str:
        return name

    def add_files(self, options: dict, files: str) -> None:
        for file in self.tcl.splitlist(files):
            if not Path(file).is_file():
                raise Refused(f"{file} does not exist")
            self.state["files"].append(file)

    def set_property(self, options: dict, *words: str) -> None:
        target = words[-1]
        pairs = self.tcl.splitlist(words[0]) if "-dict" in options else words[:-1]
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if self.set_kernel_property(key, value, target):
                continue
            if target in self.cells:
                if not key.startswith("CONFIG."):
                    raise Refused(f"{key} is no parameter of a cell")
                self.cells[target].set(key.removeprefix("CONFIG."), value)
            elif key == "BITSTREAM.CONFIG.USERID":
                self.state["user_id"] = f"{int(value, 16):08X}"
            elif key == "top":
                self.state["top"] = value
            elif key == "board_part":
                self.state["board"] = value
            elif key not in ("name", "version", "ip_repo_paths", "synth_checkpoint_mode"):
                raise Refused(f"unknown property {key}")
            elif key == "ip_repo_paths":
                for path in self.tcl.splitlist(value):
                    if not list(Path(path).rglob("component.xml")):
                        raise Refused(f"{path} holds no IP")

    def get_property(self, options: dict, key: str, target: str) -> str:
        if key == "VLNV":
            return target
        if key == "PROGRESS":
            return self.state["runs"].get(target, "0%")
        if key == "STATUS":
            return "route_design ERROR"
        raise Refused(f"unknown property {key}")

    # ---- IP packaging

    def ipx_package_project(self, options: dict) -> None:
        (source,) = [file for file in self.state["files"] if file.endswith(f"/{self.state['top']}.v")]
        self.core = vivado_ips.from_verilog(Path(source).read_text())
        self.core_folder = Path(options["-root_dir"])

    def ipx_current_core(self, options: dict) -> str:
        return "CORE"

    def ipx_get_bus_interfaces(self, options: dict, name: str) -> str:
        return name if name in self.core[0] else ""

    def ipx_associate_bus_interfaces(self, options: dict, core: str) -> None:
        if options["-busif"] not in self.core[0] or self.core[1].get(options["-clock"]) != ("in", "clock"):
            raise Refused("no such interface or clock")

    def ipx_save_core(self, options: dict, core: str) -> None:
        self.core_folder.mkdir(parents=True, exist_ok=True)
        (self.core_folder / "component.xml").write_text(json.dumps(self.core))

    # ---- block designs

    def get_board_parts(self, options: dict, pattern: str) -> object:
        known = [*(f"{one}:1.{n}" for one in os.environ.get("FAKE_BOARDS", "").split() for n in (0, 10, 9))]
        return tuple(one for one in known if fnmatch.fnmatch(one, pattern))

    def get_ipdefs(self, options: dict, pattern: str) -> object:
        ip = pattern.split(":")[2]
        return (f"xilinx.com:ip:{ip}:{vivado_ips.VERSIONS.get(ip, '3.4')}",) if ip in vivado_ips.PARAMETERS else ()

    def create_bd_cell(self, options: dict, name: str) -> str:
        vendor, _, ip, _ = options["-vlnv"].split(":")
        cell = Cell(name, ip)
        if vendor == "slimfab":
            path = "ip/accelerator/component.xml" if ip == "accelerator" else "hls/solution1/impl/ip/component.xml"
            cell.interfaces, cell.pins, cell.widths = json.loads(Path(path).read_text())
        cell.refresh()
        self.cells[name] = cell
        return name

    def apply_bd_automation(self, options: dict, cell: str) -> None:
        if not options["-rule"].endswith(self.cells[cell].ip) or "board" not in self.state:
            raise Refused("no such rule, or no board")
        if dict(zip(*[iter(self.tcl.splitlist(options["-config"]))] * 2, strict=True)).get("apply_board_preset") != "1":
            raise Refused("expected the board's preset")

    def get_bd_cells(self, options: dict, name: str) -> str:
        return self.cells[name].name

    def get_bd_pins(self, options: dict, path: str) -> str:
        cell, _, pin = path.partition("/")
        return f"{cell}/{pin}" if pin in self.cells[cell].pins else self._no(path)

    def get_bd_intf_pins(self, options: dict, path: str) -> object:
        cell, _, name = path.partition("/")
        found = tuple(f"{cell}/{one}" for one in self.cells[cell].interfaces if fnmatch.fnmatchcase(one, name))
        return found if found or "-quiet" in options else self._no(path)

    def _no(self, path: str) -> str:
        raise Refused(f"no object {path}")

    def connect_bd_net(self, options: dict, source: str, *sinks: str) -> None:
        direction, kind = self._pin(source)
        if direction != "out":
            raise Refused(f"{source} drives nothing")
        for sink in sinks:
            if self._pin(sink) != ("in", kind) or sink in self.nets:
                raise Refused(f"{sink} cannot be driven by {source}")
            self.nets[sink] = source

    def _pin(self, path: str) -> tuple[str, str]:
        cell, _, pin = path.partition("/")
        return tuple(self.cells[cell].pins[pin])

    def connect_bd_intf_net(self, options: dict, source: str, sink: str) -> None:
        (kind, role, _), (other, other_role, _) = self._bus(source), self._bus(sink)
        if kind != other or (role, other_role) != ("master", "slave"):
            raise Refused(f"{source} and {sink} are {kind} {role} and {other} {other_role}")
        if source in self.buses or sink in self.buses.values():
            raise Refused("is connected already")
        if kind == "axis":
            widths = [self._width(source), self._width(sink)]
            if None not in widths and widths[0] != widths[1]:
                raise Refused(f"widths {widths[0]} and {widths[1]} differ")
            if widths[1] is None:  # S2MM takes the width that comes
                cell, _, name = sink.partition("/")
                self.cells[cell].widths[name] = widths[0]
        self.buses[source] = sink

    def _bus(self, path: str) -> tuple[str, str, str]:
        cell, _, name = path.partition("/")
        return tuple(self.cells[cell].interfaces[name])

    def _width(self, path: str) -> int | None:
        cell, _, name = path.partition("/")
        return self.cells[cell].widths.get(name)

    def assign_bd_address(self, options: dict) -> None:
        base = 0x43C00000
        slaves = [sink for source, sink in self.buses.items() if source.startswith("control_0/")]
        self.state["addresses"] = {sink.split("/")[0]: base + 0x10000 * n for n, sink in enumerate(slaves)}

    def validate_bd_design(self, options: dict) -> None:
        if not self.state.get("addresses"):
            raise Refused("nothing has an address")
        for cell in self.cells.values():
            for pin, (direction, _) in cell.pins.items():
                if direction == "in" and f"{cell.name}/{pin}" not in self.nets:
                    raise Refused(f"{cell.name}/{pin} is not connected")
            for name in cell.interfaces:
                if f"{cell.name}/{name}" not in (*self.buses, *self.buses.values()):
                    raise Refused(f"{cell.name}/{name} is not connected")
        clocks = {source for sink, source in self.nets.items() if self._pin(sink)[1] == "clock"}
        if len(clocks) != 1:
            raise Refused(f"got clocks {clocks}; expected one")
        dma = self.cells["axi_dma_0"].settings
        for direction, stream in (("mm2s", "M_AXIS_MM2S"), ("s2mm", "S_AXIS_S2MM")):
            memory, width = int(dma[f"c_m_axi_{direction}_data_width"]), self.cells["axi_dma_0"].widths[stream]
            if width > memory or str(width) not in vivado_ips.POWERS:
                raise Refused(f"a stream of {width} bits does not fit {memory} bits of memory")
            if memory // 8 * int(dma[f"c_{direction}_burst_size"]) > 4096:
                raise Refused("bursts cross 4 KiB")
        self.state["design"] = {name: asdict(cell) for name, cell in self.cells.items()}

    def get_files(self, options: dict, name: str) -> str:
        return name

    def generate_target(self, options: dict, kind: str, file: str) -> None:
        if self.state["design"] is None:
            raise Refused("the design was not validated")
        year, number = map(int, self.release.split("."))
        root = "gen" if (year, number) >= (2020, 2) else "srcs"
        folder = Path(f"{self.project}.{root}/sources_1/bd/design/hw_handoff")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "design.hwh").write_text(vivado_ips.handoff(self.state["part"], self.release, self.cells))

    # ---- runs and reports

    def get_runs(self, options: dict, name: str) -> str:
        return name

    def launch_runs(self, options: dict, name: str) -> None:
        if self.state["top"] != "design_wrapper" or not options["-jobs"].isdigit():
            raise Refused("expected the block design's wrapper as top, and a number of jobs")
        self.state["runs"][name] = "50%" if self.fail == "run" else "100%"

    def phys_opt_design(self, options: dict) -> None:
        self.slack_ns += 0.1

    def report_utilization(self, options: dict) -> None:
        name = "utilisation_7series.rpt" if self.state["part"].startswith("xc7") else "utilisation_ultrascale.rpt"
        part = self.state["part"].replace("xc7", "7")
        text = re.sub(r"(\| Device +: ).*", rf"\g<1>{part}", (REPORTS / name).read_text())
        Path(options["-file"]).write_text(text)

    def report_power(self, options: dict) -> None:
        Path(options["-file"]).write_text((REPORTS / "power.rpt").read_text())

    def report_timing_summary(self, options: dict) -> str:
        bad = self.slack_ns < 0
        text = (REPORTS / "timing.rpt").read_text().replace("-0.247", f"{self.slack_ns:6.3f}")
        if not bad:
            text = text.replace("-1.318", " 0.000").replace("        11 ", "         0 ")
        text += vivado_ips.clock_summary(self.state["part"], self.state["design"] or {})
        if "-file" in options:
            Path(options["-file"]).write_text(text)
            return ""
        return text

    def current_design(self, options: dict) -> str:
        return "DESIGN"

    def write_bitstream(self, options: dict, path: str) -> None:
        from boards import bitfile  # slow to load, and most steps do without

        part = self.state["part"]
        short = part[2:].rpartition("-")[0] if part.startswith("xc7") else part
        Path(path).write_bytes(bitfile.write("design_wrapper", short, int(self.state["user_id"], 16), self.release))

    def read_xdc(self, options: dict, path: str) -> None:
        Path(path).read_text()

    # ---- HLS

    def open_solution(self, options: dict, name: str) -> None:
        if ("-flow_target" in options) == (self.tool == "vivado_hls"):
            raise Refused("unknown option -flow_target, or it is missing")

    def config_array_partition(self, options: dict) -> None:
        if self.tool != "vivado_hls":
            raise Refused("unknown option -maximum_size")

    def csynth_design(self, options: dict) -> None:
        for folder in ("hls/solution1/syn/report", "hls/solution1/syn/verilog"):
            Path(folder).mkdir(parents=True, exist_ok=True)
        Path("hls/solution1/syn/verilog/network.v").write_text("module network;\nendmodule\n")
        Path("hls/solution1/syn/report/network_csynth.xml").write_text((REPORTS / "vitis_csynth.xml").read_text())

    def export_design(self, options: dict) -> None:
        folder = Path("hls/solution1/impl/ip")
        folder.mkdir(parents=True, exist_ok=True)
        source = next(file for file in self.state["files"] if file.endswith("network.cpp"))
        core = vivado_ips.from_cpp(Path(source).read_text(), "_V_V" if self.tool == "vivado_hls" else "")
        (folder / "component.xml").write_text(json.dumps(core))


def script_of(tool: str, words: list[str]) -> str:
    """The Tcl script that a tool's command line names; SystemExit where it would not start."""
    forms: dict[str, Callable[[], bool]] = {
        "vivado": lambda: words[:2] == ["-mode", "batch"] and words[-2] == "-source",
        "vivado_hls": lambda: words[:1] == ["-f"],
        "vitis_hls": lambda: words[:1] == ["-f"],
        "vitis-run": lambda: words[:3] == ["--mode", "hls", "--tcl"],
    }
    if not forms[tool]():
        raise SystemExit(f"{tool}: unknown arguments {words}")
    return words[-1]


def main(tool: str, words: list[str]) -> None:
    """Stand in for a tool on the command line."""
    release = os.environ.get("FAKE_RELEASE", "2022.2")
    if words in (["-version"], ["--version"]):
        sys.stdout.write(f"Vivado v{release} (64-bit)\n")
        return
    if tool == "v++":
        link(words)
        return
    model = Model(tool, release, float(os.environ.get("FAKE_SLACK", "0.29")), os.environ.get("FAKE_FAIL", ""))
    script = script_of(tool, words)
    from tkinter import TclError

    try:
        model.source(script)
    except TclError as error:
        sys.stdout.write(f"{error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
