# SPDX-License-Identifier: Apache-2.0
"""What is built: a folder of emitted SystemVerilog, or an hls4ml project, and the streams at its ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boards.manifest import WORD_BYTES, Port
from hls import emit
from hls.graph import Placement
from hls.project import PROJECT_NAME, Project
from hwsim.errors import OutputError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Network

RTL, HLS4ML = "rtl", "hls4ml"
#: Most bits of a beat that an hls4ml network is fed with and answers with: a port of Zynq-7000's memory (AMD UG585).
BEAT_BITS = 64


@dataclass(frozen=True, eq=False)
class Accelerator:
    """A design with an AXI4-Stream at both ends.

    ``files`` are its sources by name; ``sources`` those of them that a tool compiles, in their order.
    """

    flow: str
    network_hash: str
    clock_mhz: float
    input: Port
    output: Port
    files: Mapping[str, bytes]
    sources: tuple[str, ...]
    io_type: str = "io_stream"


def from_rtl(folder: Path | str, network: Network) -> Accelerator:
    """An emitted folder (:func:`hls.emit.emit`), its files checked against its manifest.

    Raises:
        OutputError: a file is missing or was changed, or the folder was emitted from another network.
        UnsupportedError: a beat is wider than AXI DMA's words.
    """
    manifest = emit.load_manifest(folder)
    if manifest.network_hash != network.hash:
        raise OutputError(
            f"{folder}: was emitted from network {manifest.network_hash}; expected {network.hash}; emit it again"
        )
    shapes = [network.tensors[names[0]].shape for names in (network.inputs, network.outputs)]
    source, result = _port(manifest.input, shapes[0]), _port(manifest.output, shapes[1])
    files = {name: (Path(folder) / name).read_bytes() for name in sorted(manifest.files)}
    sources = tuple(files["files.f"].decode().split())
    return Accelerator(RTL, network.hash, manifest.design.clock_mhz, source, result, files, sources)


def from_project(project: Project, network: Network) -> Accelerator:
    """An hls4ml project (:func:`hls.project.write_project`).

    Raises:
        UnsupportedError: a beat is wider than AXI DMA's words.
    """
    lowered = project.lowered
    design = lowered.design
    source = _hls_port(lowered.input, network.tensors[network.inputs[0]].shape, design.io_type)
    result = _hls_port(lowered.output, network.tensors[network.outputs[0]].shape, design.io_type)
    root = project.folder / "firmware"
    files = {
        f"firmware/{path.relative_to(root)}": path.read_bytes() for path in sorted(root.rglob("*")) if _wanted(path)
    }
    sources = (f"firmware/{PROJECT_NAME}.cpp",)
    return Accelerator(HLS4ML, network.hash, design.clock_mhz, source, result, files, sources, design.io_type)


def _wanted(path: Path) -> bool:
    # ap_types are a copy of AMD's own headers for C simulation; HLS brings its own.
    return path.is_file() and path.suffix in (".cpp", ".h") and "ap_types" not in path.parts


def _hls_port(placement: Placement, shape: tuple[int, ...], io_type: str) -> Port:
    channels, rows, columns = shape if len(shape) == 3 else (int(np.prod(shape)), 1, 1)
    image = channels, rows, columns
    lanes = _lanes(image, placement.format.width, io_type)
    beats = int(np.prod(image)) // lanes
    return _port(emit.Port(str(placement.format), lanes, beats, 0, image), shape)


def _lanes(image: tuple[int, ...], width: int, io_type: str) -> int:
    """As many values as fit into a beat, so that whole pixels (io_stream) or whole images consist of whole beats."""
    values = image[0] if io_type == "io_stream" else int(np.prod(image))
    return max(n for n in range(1, values + 1) if values % n == 0 and (n == 1 or n * width <= BEAT_BITS))


def _port(end: emit.Port, shape: tuple[int, ...]) -> Port:
    fmt = FixedPoint.parse(end.format)
    needed = -(-fmt.width * end.lanes // 8)
    word_bytes = next((size for size in WORD_BYTES if size >= needed), None)
    if word_bytes is None:
        raise UnsupportedError(
            f"stream: a beat of {end.lanes} x {fmt.width} bits takes {needed} bytes; expected at most {WORD_BYTES[-1]},"
            " the widest word of AXI DMA; fold the first and the last layer more (smaller pe and simd)"
        )
    return Port(end.format, fmt.step, shape, end.image, end.lanes, end.beats, word_bytes)
