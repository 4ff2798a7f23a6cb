# SPDX-License-Identifier: Apache-2.0
"""From a quantised network to a bundle for a board: folding, sources, AMD's tools, reports, golden vectors."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from boards import board as boards
from boards.board import Board
from boards.bundle import ESTIMATE, Bundle
from boards.cpu.emit import bundle_files as cpu_files
from boards.deploy import driver_files, notebook_files
from boards.vivado import accelerator, plan, results, run
from boards.vivado.accelerator import HLS4ML, RTL, Accelerator
from boards.vivado.releases import ALTERNATIVES, Release
from hwsim import serial
from hwsim.errors import InputError, ToolMissing
from hwsim.estimate import Estimate
from hwsim.network import Network, Weights
from hwsim.registry import suggest
from slimfab import onnx_bundle
from slimfab.rtl import Listen, sample_inputs

if TYPE_CHECKING:
    from hwsim.fpga.folding import Choice, Goal

FLOWS = (RTL, HLS4ML)
GOLDEN_IMAGES = 16


@dataclass(frozen=True)
class Request:
    """What shall be built: ``tools`` is a release such as 2022.2, "" for the one that is installed here."""

    board: str
    flow: str = RTL
    clock_mhz: float | None = None
    tools: str = ""
    goal: "Goal | None" = None
    machine: run.Machine = run.Machine()  # noqa: RUF009 – a frozen record

    def __post_init__(self) -> None:
        if self.flow not in FLOWS:
            raise InputError(f"flow: got '{self.flow}'; {suggest(self.flow, FLOWS)}")

    def release(self) -> Release:
        """The release that scripts are written for.

        Raises:
            ToolMissing: none is named and none installed, or it is not supported.
        """
        found = Release.parse(self.tools) if self.tools else run.installed()
        if found is None:
            raise ToolMissing(
                "vivado: is not installed here; expected 2019.2 to 2025.2; name the release of the machine that has it "
                f"with --tools, and perhaps the machine with --host; {ALTERNATIVES}"
            )
        return found


@dataclass(frozen=True)
class Built:
    """A finished build; ``bundle`` is None for boards that no bitstream is made for."""

    results: results.Results
    estimate: Estimate
    bundle: Bundle | None
    folding: str


def build(
    network: Network, weights: Weights, request: Request, folder: Path, listen: Listen = lambda share, text: None
) -> Built:
    """Build a network for a board; called again, it goes on where it stopped.

    Args:
        folder: sources in design/, the build in build/, and the bundle NAME.zip.
        listen: called with the share that is done and what is being done.

    Raises:
        ToolMissing, ToolFailed: AMD's tools are not there, or fail; says what can be done.
        BudgetError: no folding fits, or timing is not met.
        UnsupportedError, InputError, OutputError, BundleError: what is asked is impossible, or files are not right.
    """
    board, release = boards.load(request.board), request.release()
    choice = _choose(network, board, request)
    made = _sources(network, weights, choice, request.flow, release, folder / "design")
    name = _name(network.name)
    written = plan.write(board, request.board, made, release, folder / "build", name)
    steps = len(written.steps)
    run.run(folder / "build", written, request.machine, _Progress(listen, steps).line)
    found = results.collect(folder / "build", written)
    mapping = "/folded" if request.flow == RTL else ""
    estimate = results.estimate(_expected(network, weights, board, mapping, choice), found)
    serial.write_json(folder / ESTIMATE, estimate)
    bundle = None
    if found.files:
        inputs = sample_inputs(network, GOLDEN_IMAGES)
        outputs = _golden(network, weights, inputs)
        cycles = [None if figure is None else round(figure.value) for figure in (estimate.cycles, estimate.ii)]
        files = cpu_files(network, weights) | onnx_bundle.bundle_files(network, weights)
        if written.has_bitstream:  # the driver is pynq's, which opens no cards
            files |= driver_files() | notebook_files()
        files[ESTIMATE] = (folder / ESTIMATE).read_bytes()
        bundle = results.bundle(found, files, inputs, outputs, folder / f"{name}.zip", *cycles)
    return Built(found, estimate, bundle, choice.text())


class _Progress:
    """Lines of build.sh as shares of a whole."""

    def __init__(self, listen: Callable[[float, str], None], steps: int) -> None:
        self.listen, self.steps, self.begun = listen, steps, 0

    def line(self, text: str) -> None:
        step = text[:2].isdecimal()
        self.listen(min(self.begun / self.steps, 1.0), text)
        self.begun += step


def _choose(network: Network, board: Board, request: Request) -> "Choice":
    from hwsim.fpga.folding import choose

    mapping = "folded" if request.flow == RTL else "hls4ml"
    return choose(network, board.device, mapping, request.clock_mhz, goal=request.goal).require()


def _sources(
    network: Network, weights: Weights, choice: "Choice", flow: str, release: Release, folder: Path
) -> Accelerator:
    if flow == RTL:
        from hls.emit import emit

        emit(network, weights, choice.design, folder)
        return accelerator.from_rtl(folder, network)
    from hls.lowering import lower
    from hls.project import write_project

    design = replace(choice.design, backend="Vitis" if release.has_vitis_hls else "Vivado")
    return accelerator.from_project(write_project(lower(network, weights, design), folder), network)


def _expected(network: Network, weights: Weights, board: Board, mapping: str, choice: "Choice") -> Estimate:
    from hwsim.fpga.assemble import estimate_folded, estimate_hls4ml

    model = estimate_folded if mapping else estimate_hls4ml
    return model(network, board.device, 1, choice.design, weights)


def _golden(network: Network, weights: Weights, inputs: "results.IntArray") -> "results.IntArray":
    from hwsim.reference import execute

    return execute(network, weights, inputs)


def _name(text: str) -> str:
    """A network's name as files can have it."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text)[:64] or "net"
