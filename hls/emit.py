# SPDX-License-Identifier: Apache-2.0
"""Write a quantised network as SystemVerilog: a folder that simulates and synthesises by itself.

top.sv          AXI4-Stream in, the units, AXI4-Stream out with TLAST at the end of an image
MODULE.sv       the modules it needs
*.mem           weights and biases, for $readmemh
files.f         the sources in the order of their use
manifest.json   the streams at both ends, the cycles of every unit, and a hash of every file
"""

import hashlib
import os
import shutil
import tempfile
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hls.dataflow import Array, Dataflow, Stream
from hls.layers import build
from hls.templates import RTL, sources
from hls.templates.unit import Unit
from hwsim import serial
from hwsim.design import Design
from hwsim.errors import OutputError
from hwsim.network import Network

TOP = "top"


@dataclass(frozen=True)
class Port:
    """One end of the design: ``lanes`` integers of ``format`` per beat, ``beats`` per image, in ``bytes`` of TDATA."""

    format: str
    lanes: int
    beats: int
    bytes: int


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


def write(dataflow: Dataflow, folder: Path | str) -> Manifest:
    """Like :func:`emit`, for a dataflow that is made already."""
    target = Path(folder)
    if target.exists() and any(target.iterdir()) and not (target / "manifest.json").exists():
        raise OutputError(f"{target}: holds files that are no emitted design; choose an empty or new folder")
    files = _files(dataflow)
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(files.items())}
    manifest = _manifest(dataflow, hashes)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        build_folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise OutputError(f"{target}: cannot write ({error.strerror}); choose a writable folder") from error
    try:
        for name, text in files.items():
            serial.atomic_write(build_folder / name, text)
        serial.write_json(build_folder / "manifest.json", manifest)
        build_folder.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        os.replace(build_folder, target)
    except OSError as error:
        raise OutputError(f"{target}: cannot write ({error.strerror}); choose a writable folder") from error
    finally:
        shutil.rmtree(build_folder, ignore_errors=True)
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


def _files(dataflow: Dataflow) -> dict[str, str]:
    modules = sources({"frame_last", *(unit.module for unit in dataflow.units)})
    files = {f"{name}.sv": (RTL / f"{name}.sv").read_text() for name in modules}
    files["top.sv"] = _top(dataflow)
    files["files.f"] = "".join(f"{name}.sv\n" for name in (*modules, TOP))
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
        dataflow.name, dataflow.network_hash, dataflow.design, *ends, dataflow.interval, cycles, dict(hashes)
    )


def _port(stream: Stream) -> Port:
    return Port(str(stream.format), stream.lanes, stream.beats, _bytes(stream))


def _bytes(stream: Stream) -> int:
    """AXI4-Stream's TDATA is whole bytes."""
    return -(-stream.format.width * stream.lanes // 8)


def _top(dataflow: Dataflow) -> str:
    source, result = dataflow.input, dataflow.output
    in_bits, out_bits = source.format.width * source.lanes, result.format.width * result.lanes
    lines = [
        f"// {dataflow.name}: generated from network {dataflow.network_hash}.",
        f"// In: {source.lanes} x {source.format} per beat, {source.beats} beats per image.",
        f"// Out: {result.lanes} x {result.format} per beat, {result.beats} beats per image, TLAST on the last.",
        f"// The slowest unit takes {dataflow.interval} cycles per image.",
        "`default_nettype none",
        f"module {TOP} (",
        "  input  wire aclk,",
        "  input  wire aresetn,",
        f"  input  wire [{8 * _bytes(source) - 1}:0] s_axis_tdata,",
        "  input  wire s_axis_tvalid,",
        "  output wire s_axis_tready,",
        f"  output wire [{8 * _bytes(result) - 1}:0] m_axis_tdata,",
        "  output wire m_axis_tvalid,",
        "  output wire m_axis_tlast,",
        "  input  wire m_axis_tready",
        ");",
    ]
    for name, width in dataflow.wires.items():
        lines += [f"  wire [{width - 1}:0] w_{name};", f"  wire v_{name}, r_{name};"]
    lines += [
        f"  assign w_{source.wire} = s_axis_tdata[{in_bits - 1}:0];",
        f"  assign v_{source.wire} = s_axis_tvalid;",
        f"  assign s_axis_tready = r_{source.wire};",
    ]
    if in_bits % 8:
        lines.append("  wire unused = &{1'b0, s_axis_tdata};")
    for unit in dataflow.units:
        lines += _instance(unit)
    padding = 8 * _bytes(result) - out_bits
    last = f"{{{padding}'d0, w_{result.wire}}}" if padding else f"w_{result.wire}"
    lines += [
        f"  frame_last #(.WIDTH({8 * _bytes(result)}), .BEATS({result.beats})) u_last (",
        "    .aclk(aclk), .aresetn(aresetn),",
        f"    .s_axis_tdata({last}), .s_axis_tvalid(v_{result.wire}), .s_axis_tready(r_{result.wire}),",
        "    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tlast(m_axis_tlast),",
        "    .m_axis_tready(m_axis_tready));",
        "endmodule",
        "`default_nettype wire",
    ]
    return "\n".join(lines) + "\n"


def _instance(unit: Unit) -> list[str]:
    parameters = ", ".join(f".{name}({value})" for name, value in unit.parameters.items())
    return [
        f"  // {unit.layer}: latency {unit.timing.latency}, interval {unit.timing.interval} cycles",
        f"  {unit.module} #(",
        *textwrap.wrap(parameters, 112, initial_indent="    ", subsequent_indent="    "),
        f"  ) u_{unit.name} (",
        "    .aclk(aclk), .aresetn(aresetn),",
        f"    {_side('s', unit.inputs)},",
        f"    {_side('m', unit.outputs)});",
    ]


def _side(end: str, wires: tuple[str, ...]) -> str:
    """The ports of one side: several wires side by side, the first in the low bits."""
    signals = (("tdata", "w"), ("tvalid", "v"), ("tready", "r"))
    joined = {signal: ", ".join(f"{prefix}_{wire}" for wire in reversed(wires)) for signal, prefix in signals}
    return ", ".join(
        f".{end}_axis_{signal}({{{names}}})" if len(wires) > 1 else f".{end}_axis_{signal}({names})"
        for signal, names in joined.items()
    )
