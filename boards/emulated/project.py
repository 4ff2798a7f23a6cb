# SPDX-License-Identifier: Apache-2.0
"""A bundle's files for the emulated board: what a build would give, with the emitted SystemVerilog in place of bits."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from boards import bitfile
from boards.board import Board, load
from boards.cpu.emit import bundle_files as cpu_files
from boards.deploy import driver_files
from boards.emulated.board import DESCRIPTION, Emulation
from boards.emulated.hwh import handoff
from boards.manifest import WORD_BYTES, Manifest, Port
from hls.dataflow import Array
from hls.emit import Manifest as EmittedManifest
from hls.emit import Port as EmittedPort
from hls.emit import load_manifest
from hls.rtl_compile import FAST, Effort, compile_design
from hwsim import reference, serial
from hwsim.errors import InputError
from hwsim.fixed import FixedPoint
from hwsim.network import Network

NAME = "accelerator"
_ARCHITECTURES = {"zynq-7000": "armv7l", "zynq-ultrascale+": "aarch64"}  # by the board's shell


def word_bytes(port: EmittedPort) -> int:
    """Bytes of memory that one beat takes: the narrowest stream of the DMA engine that holds it.

    Raises:
        InputError: the beat is wider than the engine's streams.
    """
    for word in WORD_BYTES:
        if word >= port.bytes:
            return word
    raise InputError(
        f"port: got beats of {port.bytes} bytes; expected at most {WORD_BYTES[-1]}, as the DMA engine's streams have; "
        "fold the first and the last layer more"
    )


def emulated_board(name: str) -> Board:
    """A board that can be emulated.

    Raises:
        UnknownNameError, DeviceError: there is none of that name, or its file is not right.
        InputError: it has no processor that pynq runs on.
    """
    found = load(name)
    if found.shell not in _ARCHITECTURES:
        raise InputError(f"{name}: has no processor that pynq runs on; expected a Zynq board, such as pynq-z2")
    return found


def write_emulated(
    network: Network,
    weights: Mapping[str, Array],
    images: Array,
    emitted: Path | str,
    folder: Path | str,
    board: str = "pynq-z2",
    *,
    cache: Path | None = None,
    optimise: Effort = FAST,
) -> Path:
    """Compile an emitted folder and lay out what the driver and the emulated board read.

    Args:
        images: (N, *shape) integers of the input's format: the golden vectors, N at least 1.
        emitted: what :func:`hls.emit.emit` wrote for the network.
        folder: replaced if it holds an emulated bundle.
        board: its processor, part and name; see :mod:`boards.board`.

    Raises:
        InputError: a port does not fit the DMA engine, the board has no such processor, or the emitted folder is of
            another network.
        ToolMissing, ToolFailed, OutputError: see :func:`hls.rtl_compile.compile_design`.
    """
    design = load_manifest(emitted)
    if design.network_hash != network.hash:
        raise InputError(f"{emitted}: is of network {design.network_hash}; expected {network.hash}; emit it anew")
    known = emulated_board(board)
    library = compile_design(emitted, design, cache, optimise)
    name, target = NAME, Path(folder)
    arch = _ARCHITECTURES[known.shell]
    words = word_bytes(design.input), word_bytes(design.output)
    if (target / DESCRIPTION).exists():
        shutil.rmtree(target)
    identity = int(design.network_hash[:8], 16)
    serial.atomic_write(target / f"{name}.bit", bitfile.write(name, known.part.replace("-", ""), identity, "emulated"))
    hardware = handoff(name, known.board_part, arch, _part(known.part), design.design.clock_mhz, words)
    serial.atomic_write(target / f"{name}.hwh", hardware)
    (target / "golden").mkdir(parents=True, exist_ok=True)
    np.save(target / "golden" / "inputs.npy", images)
    np.save(target / "golden" / "outputs.npy", reference.execute(network, weights, images))
    for file, data in (driver_files() | cpu_files(network, weights)).items():
        serial.atomic_write(target / file, data)
    machine = Emulation(
        f"{board} (emulated)", arch, str(library.resolve()), str(Path(emitted).resolve()),
        design.input.bytes, words[0], design.output.bytes, words[1], "axi_dma_0", "accelerator_0",
        sum(unit.latency + unit.interval for unit in design.units),
    )  # fmt: skip
    serial.write_json(target / DESCRIPTION, asdict(machine))
    serial.write_json(target / "manifest.json", _manifest(name, known, network, design, words))
    return target


def _manifest(name: str, board: Board, network: Network, design: EmittedManifest, words: tuple[int, int]) -> Manifest:
    source, result = (network.tensors[ends[0]].shape for ends in (network.inputs, network.outputs))
    return Manifest(
        name,
        board.name,
        board.part,
        "emulated",
        design.network_hash,
        design.network_hash[:8],
        design.design.clock_mhz,
        None,
        _port(design.input, source, words[0]),
        _port(design.output, result, words[1]),
        {},
        latency_cycles=sum(unit.latency for unit in design.units),
        interval_cycles=design.interval,
    )


def _port(port: EmittedPort, shape: tuple[int, ...], word: int) -> Port:
    scale = FixedPoint.parse(port.format).step
    return Port(port.format, scale, shape, port.image, port.lanes, port.beats, word)


def _part(text: str) -> tuple[str, str, str]:
    """Device, package and speed grade as a handoff has them, of a part such as xc7z020clg400-1."""
    match = re.fullmatch(r"xc(7z\d{3})([a-z]+\d+)(-\w+)|(xc\w+)-(\w+)(-.+)", text)
    if match is None:
        raise InputError(f"{text}: is no part of a Zynq; expected one such as xc7z020clg400-1; choose another board")
    groups = [group for group in match.groups() if group is not None]
    return groups[0], groups[1], groups[2]
