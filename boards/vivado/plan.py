# SPDX-License-Identifier: Apache-2.0
"""A build as a folder: sources, one Tcl script per step, and build.sh, which runs the steps that are not done yet.

build.json      what the folder is
build.sh        runs here, on another machine, or by hand; a second run goes on where the first one stopped
NN_*.tcl        the steps
sources/        SystemVerilog, or hls4ml's C++, with what stands around it
logs/, done/    of every step: what the tool said, and the key of what it was done for
reports/        of Vivado
NAME.bit, .hwh  the result, if timing is met; NAME.xclbin for a card
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from boards import board as boards
from boards.board import Board
from boards.manifest import Port
from boards.vivado import block_design, kernel, link, network_cpp, scripts, shell
from boards.vivado.accelerator import RTL, Accelerator
from boards.vivado.releases import Release
from hls.constraints import sdc, xdc
from hls.templates import RTL as RTL_FOLDER
from hwsim import serial
from hwsim.errors import InputError, OutputError

RECORD, SCRIPT = "build.json", "build.sh"
_HDL = (".v", ".sv", ".mem")


@dataclass(frozen=True)
class Step:
    """One run of a tool; ``key`` is the hash of everything that the result depends on."""

    name: str
    command: tuple[str, ...]
    key: str


@dataclass(frozen=True)
class Plan:
    """What a build folder is for; ``board`` is a name or the path of a file."""

    name: str
    board: str
    part: str
    flow: str
    network_hash: str
    clock_mhz: float
    tools: str
    build_id: str
    input: Port
    output: Port
    steps: tuple[Step, ...]

    @property
    def release(self) -> Release:
        """The release of the tools that the scripts are for."""
        return Release.parse(self.tools)

    @property
    def has_bitstream(self) -> bool:
        """Whether the build ends in a bitstream."""
        return boards.load(self.board).has_bitstream

    @property
    def result_files(self) -> tuple[str, ...]:
        """Names of what the build ends in; none where the design is implemented by itself."""
        if self.has_bitstream:
            return f"{self.name}.bit", f"{self.name}.hwh"
        linked = any(step.name == link.STEP for step in self.steps)
        return (f"{self.name}.xclbin",) if linked else ()


def write(
    board: Board, board_name: str, accelerator: Accelerator, release: Release, folder: Path | str, name: str
) -> Plan:
    """Write a build folder; what is there and still right stays, so that a build goes on where it stopped.

    Args:
        board_name: how ``board`` was named, for later.
        name: of the bitstream and the bundle.

    Raises:
        InputError: the clock is not possible on the board, or the name is none.
        ToolMissing: the release is older than the card's platform.
        OutputError: the folder holds something else or cannot be written.
    """
    target = Path(folder)
    if target.is_file() or (target.exists() and any(target.iterdir()) and not (target / RECORD).exists()):
        raise OutputError(f"{target}: holds files that are no build; choose an empty or new folder")
    if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
        raise InputError(f"name: got {name!r}; expected letters, digits, _ and -")
    files = _sources(board, accelerator)
    draft = _scripts(board, accelerator, release, files, name, "0" * 8)
    build_id = hashlib.sha256("".join([str(release), *draft.values(), _digest(files)]).encode()).hexdigest()[:8]
    texts = _scripts(board, accelerator, release, files, name, build_id)
    plan = Plan(
        name, board_name, board.part, accelerator.flow, accelerator.network_hash, accelerator.clock_mhz, str(release),
        build_id, accelerator.input, accelerator.output, tuple(_steps(texts, release, _digest(files))),
    )  # fmt: skip
    _forget(target, {*(f"sources/{path}" for path in files), *texts})
    for path, data in files.items():
        serial.atomic_write(target / "sources" / path, data)
    for script, text in texts.items():
        serial.atomic_write(target / script, text)
    serial.atomic_write(target / SCRIPT, build_sh(plan, board))
    (target / SCRIPT).chmod(0o755)
    serial.write_json(target / RECORD, plan)
    return plan


def load(folder: Path | str) -> Plan:
    """The plan of a build folder.  Raises ModelFileError where it is none, InputError where it is damaged."""
    path = Path(folder) / RECORD
    return serial.from_json(Plan, serial.read_json(path), str(path))


def is_done(folder: Path | str, step: Step) -> bool:
    """Whether a step's result is there and for this very plan."""
    mark = Path(folder) / "done" / step.name
    return mark.is_file() and mark.read_text() == step.key


def _forget(folder: Path, wanted: set[str]) -> None:
    """Remove sources and scripts of an earlier plan."""
    for path in [*folder.glob("*.tcl"), *folder.glob("*.cfg"), *(folder / "sources").rglob("*")]:
        if path.is_file() and path.relative_to(folder).as_posix() not in wanted:
            path.unlink()


def _is_linked(board: Board, accelerator: Accelerator) -> bool:
    """Whether the accelerator becomes a kernel of a card; networks of HLS are implemented by themselves there."""
    return board.platform is not None and accelerator.flow == RTL


def _sources(board: Board, accelerator: Accelerator) -> dict[str, bytes]:
    files = dict(accelerator.files)
    files[f"{shell.NAME}.v"] = shell.text(accelerator).encode()
    modules = shell.modules(accelerator)
    if _is_linked(board, accelerator):
        files[f"{kernel.NAME}.v"] = kernel.text(accelerator).encode()
        modules += kernel.modules()
    for module in modules:
        files[f"{module}.sv"] = (RTL_FOLDER / f"{module}.sv").read_bytes()
    if accelerator.flow == RTL:
        files[f"{shell.NAME}.xdc"] = xdc(accelerator.clock_mhz).encode()
    else:
        files[f"{network_cpp.TOP}.cpp"] = network_cpp.text(accelerator).encode()
        files[f"{network_cpp.TOP}.xdc"] = sdc(accelerator.clock_mhz).replace("aclk", "ap_clk").encode()
    return files


def _scripts(
    board: Board, accelerator: Accelerator, release: Release, files: Mapping[str, bytes], name: str, build_id: str
) -> dict[str, str]:
    """Scripts by file name, in the order of their run."""
    found = {}
    hdl = [f"sources/{file}" for file in _in_order(accelerator, files)]
    if accelerator.flow != RTL:
        cpp = [f"sources/{file}" for file in (f"{network_cpp.TOP}.cpp", *accelerator.sources)]
        found["10_hls.tcl"] = scripts.synthesise_cpp(release, board.part, accelerator.clock_mhz, cpp)
    head = scripts.require_release(release)
    if not board.has_bitstream:
        if accelerator.flow == RTL:
            text = scripts.implement_alone(board.part, shell.NAME, hdl, f"sources/{shell.NAME}.xdc")
        else:
            verilog, constraints = f"{scripts.HLS_VERILOG}/*", f"sources/{network_cpp.TOP}.xdc"
            text = scripts.implement_alone(board.part, network_cpp.TOP, [], constraints, verilog)
        found["40_implement.tcl"] = head + text
        if board.platform is not None and _is_linked(board, accelerator):
            link.check_release(board.platform, release)
            with_movers = [
                *hdl,
                *(f"sources/{module}.sv" for module in kernel.modules() if f"sources/{module}.sv" not in hdl),
                f"sources/{kernel.NAME}.v",
            ]
            found["50_kernel.tcl"] = head + link.package_kernel(board.part, with_movers, name)
            found[f"{link.STEP}.cfg"] = link.configuration(board.platform, accelerator.clock_mhz, name, build_id)
        return found
    interfaces = ["s_axi", "s_axis", "m_axis"] + ([] if accelerator.flow == RTL else ["to_core", "from_core"])
    found["20_package.tcl"] = head + scripts.package(board.part, hdl, interfaces)
    found["30_design.tcl"] = head + block_design.text(board, accelerator)
    found["40_implement.tcl"] = head + scripts.implement(release, name, build_id)
    return found


def _in_order(accelerator: Accelerator, files: Mapping[str, bytes]) -> list[str]:
    """Sources first as the accelerator orders them, then the shell, then memories."""
    first = [name for name in accelerator.sources if name.endswith(_HDL)]
    modules = [f"{module}.sv" for module in shell.modules(accelerator)]
    memories = [name for name in files if name.endswith(".mem")]
    return [*first, *modules, f"{shell.NAME}.v", *memories]


def _steps(texts: Mapping[str, str], release: Release, sources: str) -> list[Step]:
    steps, key = [], sources
    for script, text in texts.items():
        name = script.rpartition(".")[0]
        # A step is done again when its script, or anything before it, has changed.
        key = hashlib.sha256(f"{key}{release}{text}".encode()).hexdigest()[:16]
        vivado = ("vivado", "-mode", "batch", "-nojournal", "-notrace", "-log", f"logs/{name}.log", "-source", script)
        others = {"10_hls": (*release.hls_command, script), link.STEP: link.command(script)}
        steps.append(Step(name, others.get(name, vivado), key))
    return steps


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def build_sh(plan: Plan, board: Board) -> str:
    """The script that runs what is not done yet."""
    steps = "\n".join(f"step {step.name} {step.key} {' '.join(step.command)}" for step in plan.steps)
    return f"""\
#!/bin/bash
# {plan.name} for {board.title}, with Vivado {plan.tools}. Run it where the tools are; finished steps are skipped.
#   SETTINGS=/tools/Xilinx/Vivado/{plan.tools}/settings64.sh   read first, if the tools are not on PATH
#   BOARD_FILES=folder                                      of board files that Vivado does not have
#   JOBS=4                                                  processes at once
cd "$(dirname "$0")" || exit 1
mkdir -p logs done
if [ -n "${{SETTINGS:-}}" ]; then source "$SETTINGS" || exit 1; fi

step() {{
  name=$1 key=$2
  shift 2
  if [ "$(cat "done/$name" 2>/dev/null)" = "$key" ]; then echo "$name: done before"; return; fi
  rm -f "done/$name"
  command -v "$1" >/dev/null || {{ echo "$name: $1 is not on PATH; set SETTINGS" >&2; exit 127; }}
  echo "$name: $1"
  "$@" >"logs/$name.out" 2>&1 </dev/null || {{
    code=$?
    grep -h -m 3 -i -e '^error' -e '; expected' "logs/$name.out" >&2
    echo "$name: $1 failed with exit code $code; see logs/$name.out" >&2
    exit "$code"
  }}
  printf '%s' "$key" >"done/$name"
}}

{steps}
"""
