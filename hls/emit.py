# SPDX-License-Identifier: Apache-2.0
"""Write a quantised network as SystemVerilog: a folder that simulates and synthesises by itself.

top.v           AXI4-Stream in, core, AXI4-Stream out with TLAST; registers behind AXI4-Lite
core.sv         the units, joined by streams
MODULE.sv       the modules they need
*.mem           weights and biases, for $readmemh
files.f         the sources in the order of their use
top.xdc, .sdc   the clock, for synthesis and place and route
manifest.json   the streams at both ends, the registers, the cycles of every unit, and a hash of every file
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from hls.constraints import sdc, xdc
from hls.dataflow import Array, Dataflow, Stream, arrival_order
from hls.layers import build
from hls.registers import REGISTERS, Register
from hls.templates import RTL, sources
from hls.verilog import CORE, TOP, core, data_bytes, top
from hwsim import serial
from hwsim.design import Design
from hwsim.errors import OutputError
from hwsim.fixed import FixedPoint
from hwsim.network import Network


@dataclass(frozen=True)
class Port:
    """One end of the design: ``lanes`` integers of ``format`` per beat, ``beats`` per image, in ``bytes`` of TDATA.

    ``image`` is (channels, rows, columns) of what travels, pixel by pixel with the channels innermost.
    """

    format: str
    lanes: int
    beats: int
    bytes: int
    image: tuple[int, int, int]

    @property
    def stream(self) -> Stream:
        """The same as a stream, for :mod:`hls.beats`."""
        return Stream("", FixedPoint.parse(self.format), self.lanes, self.image, arrival_order(self.image))


@dataclass(frozen=True)
class UnitCycles:
    """What :mod:`hwsim.fpga.dataflow` says of one unit, in cycles per image."""

    unit: str
    module: str
    layer: str
    latency: int
    interval: int


@dataclass(frozen=True)
class Manifest:
    """What the folder holds; ``files`` maps a file's name to the SHA-256 of its content.

    ``interval`` is the number of cycles between images that the slowest unit needs.
    """

    network: str
    network_hash: str
    design: Design
    input: Port
    output: Port
    interval: int
    units: tuple[UnitCycles, ...]
    registers: tuple[Register, ...]
    files: Mapping[str, str]


def emit(network: Network, weights: Mapping[str, Array], design: Design, folder: Path | str) -> Manifest:
    """Write a network's SystemVerilog; the folder is replaced as a whole, or stays as it was.

    Args:
        weights: integers of the parameter tensors' formats.
        design: backend "Slimfab"; see :func:`hls.layers.build`.

    Raises:
        UnsupportedError, NetworkError, WeightsError: see :func:`hls.layers.build`.
        OutputError: the folder cannot be written, or holds something else.
    """
    return write(build(network, weights, design), folder)


def write(dataflow: Dataflow, folder: Path | str, taps: Collection[str] = ()) -> Manifest:
    """Like :func:`emit`, for a dataflow that is made already.

    Args:
        taps: wires whose beats a simulation shall write into files, see :func:`hls.verilog.core`.
    """
    target = Path(folder)
    if target.is_file():
        raise OutputError(f"{target}: is a file; choose an empty or new folder")
    if target.exists() and any(target.iterdir()) and not (target / "manifest.json").exists():
        raise OutputError(f"{target}: holds files that are no emitted design; choose an empty or new folder")
    files = _files(dataflow, taps)
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(files.items())}
    manifest = _manifest(dataflow, hashes)
    with serial.replacing(target) as folder_beside:
        for name, text in files.items():
            serial.atomic_write(folder_beside / name, text)
        serial.write_json(folder_beside / "manifest.json", manifest)
    return manifest


def load_manifest(folder: Path | str) -> Manifest:
    """Read the manifest of an emitted folder and check that every file is as it was written.

    Raises:
        ModelFileError: there is no manifest, or it is damaged.
        OutputError: a file is missing or was changed. (A simulator would take a missing memory for zeros.)
    """
    path = Path(folder) / "manifest.json"
    manifest = serial.from_json(Manifest, serial.read_json(path), str(path))
    for name, expected in manifest.files.items():
        file = Path(folder) / name
        if not file.is_file():
            raise OutputError(f"{file}: is missing; emit the design again")
        if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            raise OutputError(f"{file}: was changed after it was written; emit the design again")
    return manifest


def _files(dataflow: Dataflow, taps: Collection[str]) -> dict[str, str]:
    known = {unit.module for unit in dataflow.units if not unit.sources}
    modules = sources({"control", "frame_last", *(["tap"] if taps else []), *known})
    files = {f"{name}.sv": (RTL / f"{name}.sv").read_text() for name in modules}
    for unit in dataflow.units:
        files |= unit.sources
    files |= {f"{CORE}.sv": core(dataflow, taps), f"{TOP}.v": top(dataflow)}
    files["files.f"] = "".join(f"{name}\n" for name in files)
    clock_mhz = dataflow.design.clock_mhz
    files |= {f"{TOP}.xdc": xdc(clock_mhz), f"{TOP}.sdc": sdc(clock_mhz)}
    for unit in dataflow.units:
        files |= {name: "".join(f"{word}\n" for word in lines) for name, lines in unit.memories.items()}
    return files


def _manifest(dataflow: Dataflow, hashes: Mapping[str, str]) -> Manifest:
    cycles = tuple(
        UnitCycles(unit.name, unit.module, unit.layer, unit.timing.latency, unit.timing.interval)
        for unit in dataflow.units
    )
    ends = _port(dataflow.input), _port(dataflow.output)
    return Manifest(
        dataflow.name, dataflow.network_hash, dataflow.design, *ends, dataflow.interval, cycles, REGISTERS, dict(hashes)
    )


def _port(stream: Stream) -> Port:
    return Port(str(stream.format), stream.lanes, stream.beats, data_bytes(stream), stream.image)
