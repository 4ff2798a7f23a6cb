# SPDX-License-Identifier: Apache-2.0
"""RTL simulation: integers in, integers and exact cycles out, through the SystemVerilog that slimfab emits.

The verilated design runs in a subprocess, which reads the weights from the emitted folder.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hls.beats import from_hex, from_stream, pack, to_stream, unpack
from hls.dataflow import Array, Dataflow
from hls.emit import Manifest, load_manifest, write
from hls.layers import build
from hls.mappable import check_images
from hls.registers import REGISTERS
from hls.rtl_compile import FAST, Effort, compile_design
from hls.verilog import data_bytes, tap_file
from hwsim.design import Design
from hwsim.errors import InputError, ToolFailed
from hwsim.network import Network

_WORKER = Path(__file__).with_name("rtl_worker.py")
_SPARE_CYCLES = 10_000


@dataclass(frozen=True)
class Stalls:
    """How often the source pauses between beats and the sink is not ready, as probabilities; ``seed`` chooses when."""

    idle: float = 0.0
    stall: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        if not (0 <= self.idle < 1 and 0 <= self.stall < 1):
            raise InputError(f"stalls: got idle={self.idle}, stall={self.stall}; expected probabilities below 1")


@dataclass(frozen=True, eq=False)
class Run:
    """One simulation: (N, values per image) integers in stream order, and the cycle in which each beat passed.

    ``in_cycles`` is (N, beats per image in), ``out_cycles`` (N, beats per image out); ``stalls`` are the cycles in
    which a beat was offered but not taken, at the input and at the output; ``counters`` are the design's own
    :data:`hls.registers.REGISTERS` by name, read when the last image had left.
    """

    values: Array
    in_cycles: Array
    out_cycles: Array
    stalls: tuple[int, int] = (0, 0)
    counters: Mapping[str, int] = field(default_factory=dict)

    @property
    def latency(self) -> int:
        """Cycles from the first beat in to the last beat out of the first image."""
        return int(self.out_cycles[0, -1] - self.in_cycles[0, 0])

    @property
    def interval(self) -> int | None:
        """Cycles between the last beats of the last two images; None for one image."""
        return int(self.out_cycles[-1, -1] - self.out_cycles[-2, -1]) if len(self.out_cycles) > 1 else None


class RtlExecutor:
    """A network's emitted SystemVerilog, compiled with Verilator on first use and kept by content.

    Args:
        design: backend "Slimfab"; see :func:`hls.layers.build`.
        folder: where the design is emitted; replaced if it holds one.
        cache: folder of compiled libraries; the user's cache folder by default.
        optimise: whether the sources are simulated as synthesis reads them (:data:`hls.rtl_compile.QUICK`) or by
            modules that are the same from outside in every cycle (``FAST``).

    Raises:
        UnsupportedError: a layer has no template, or its folding does not divide.
        OutputError: the folder cannot be written.
    """

    def __init__(
        self,
        network: Network,
        weights: Mapping[str, Array],
        design: Design,
        folder: Path | str,
        *,
        cache: Path | None = None,
        optimise: Effort = FAST,
    ) -> None:
        self.network, self.design, self.folder = network, design, Path(folder)
        self.cache, self.optimise = cache, optimise
        self.load_weights(weights)

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        """Take other weights of the same formats.

        What was compiled serves on, as long as every layer has as many blocks of weights other than zero as before;
        else the next prediction compiles the new structure.

        Raises:
            WeightsError: weights are missing, misshapen or leave their format.
        """
        self.dataflow = build(self.network, weights, self.design)
        self.manifest = write(self.dataflow, self.folder)
        self.last_run: Run | None = None

    def predict(self, x: npt.ArrayLike) -> Array:
        """(N, *input shape) integers of the input's format → (N, *output shape) integers of the output's.

        :attr:`last_run` then holds the cycles.

        Raises:
            NetworkError: x does not fit the network's input.
            ToolMissing, ToolFailed: see :func:`simulate`.
        """
        images = check_images(self.network, x)
        shape = self.network.tensors[self.network.outputs[0]].shape
        if len(images) == 0:
            return np.zeros((0, *shape), dtype=np.int64)
        values = to_stream(self.dataflow.input, images)
        self.last_run = simulate(self.dataflow, self.folder, values, cache=self.cache, optimise=self.optimise)
        return from_stream(self.dataflow.output, self.last_run.values, shape)

    def trace(self, x: npt.ArrayLike) -> dict[str, Array]:
        """Integers of every layer's output, by golden name, as they pass the streams.

        Emits the design once more beside its folder, with every such stream tapped, and compiles that.

        Raises:
            NetworkError, ToolMissing, ToolFailed: see :meth:`predict`.
        """
        images = check_images(self.network, x)
        count, streams = len(images), self.dataflow.tensors
        if count == 0:
            return {name: np.zeros((0, *self.network.tensors[name].shape), dtype=np.int64) for name in streams}
        folder = self.folder.with_name(f"{self.folder.name}-trace")
        write(self.dataflow, folder, sorted({stream.wire for stream in streams.values()}))
        # Pixels below the last window pass a stream after the last result: another image pushes them out.
        values = to_stream(self.dataflow.input, np.concatenate([images, images[-1:]]))
        simulate(self.dataflow, folder, values, cache=self.cache, optimise=self.optimise)
        found = {}
        for name, stream in streams.items():
            beats = from_hex((folder / tap_file(stream.wire)).read_text(), data_bytes(stream))
            passed = unpack(stream, beats[: count * stream.beats]).reshape(count, -1)
            found[name] = from_stream(stream, passed, self.network.tensors[name].shape)
        return found


def simulate(
    dataflow: Dataflow,
    folder: Path | str,
    values: Array,
    stalls: Stalls | None = None,
    *,
    resets: Sequence[int] = (),
    cache: Path | None = None,
    optimise: Effort = FAST,
) -> Run:
    """Stream images through an emitted design.

    Args:
        folder: what :func:`hls.emit.write` wrote for the dataflow.
        values: (N, values per image) integers in the order of the input stream; N at least 1.
        stalls: pauses of source and sink; none by default.
        resets: before the run, the stream is begun once for each of these and broken off by aresetn after so many
            cycles, wherever it is then.

    Raises:
        ToolMissing: there is no Verilator or no g++.
        ToolFailed: compilation failed, or the design got stuck or marked the end of an image wrongly.
        OutputError: a file of the folder is missing or was changed.
    """
    manifest = load_manifest(folder)
    library = compile_design(folder, manifest, cache, optimise)
    with tempfile.TemporaryDirectory(prefix="slimfab-rtl-") as name:
        work = Path(name)
        pack(dataflow.input, values).tofile(work / "inputs")
        _run_worker(library, Path(folder).resolve(), manifest, work, len(values), stalls or Stalls(), resets)
        return _read_run(dataflow, manifest, work, len(values))


def _run_worker(
    library: Path, folder: Path, manifest: Manifest, work: Path, images: int, stalls: Stalls, resets: Sequence[int]
) -> None:
    slowest = max([manifest.interval, *(unit.latency for unit in manifest.units)])
    wait = slowest * len(manifest.units) + _SPARE_CYCLES
    job = {
        "library": str(library.resolve()),
        "folder": str(work),
        "frame_in": manifest.input.beats,
        "bytes_in": manifest.input.bytes,
        "beats_out": images * manifest.output.beats,
        "bytes_out": manifest.output.bytes,
        "idle": round(stalls.idle * 65536),
        "stall": round(stalls.stall * 65536),
        "seed": stalls.seed,
        "patience": round(wait / ((1 - stalls.idle) * (1 - stalls.stall))),
        "resets": list(resets),
        "registers": {register.name: register.offset for register in REGISTERS},
    }
    with (work / "run.log").open("w") as log:
        code = subprocess.run(
            [sys.executable, "-I", "-S", str(_WORKER), json.dumps(job)],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code != 0:
        kept = folder / "run.log"
        shutil.copyfile(work / "run.log", kept)
        lines = [line.strip() for line in kept.read_text(errors="replace").splitlines() if line.strip()]
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        last = lines[-1][-200:] if lines else "no output"
        raise ToolFailed(f"{manifest.network}: RTL simulation failed ({how}: {last}); log: {kept}")


def _read_run(dataflow: Dataflow, manifest: Manifest, work: Path, images: int) -> Run:
    """What the worker left in its folder."""
    counts, beats = json.loads((work / "counts.json").read_text()), manifest.output.beats
    given = int(counts["given"])
    if given < images * beats:
        raise ToolFailed(
            f"{manifest.network}: the design got stuck after {given} of {images * beats} beats; deepen its FIFOs"
        )
    ends = np.flatnonzero(np.fromfile(work / "last", dtype=np.uint8))
    if not np.array_equal(ends, np.arange(1, images + 1) * beats - 1):
        raise ToolFailed(f"{manifest.network}: TLAST came with beats {ends[:8].tolist()}; expected every {beats}th")
    out = np.fromfile(work / "out_beats", dtype=np.uint8).reshape(given, manifest.output.bytes)
    stall_in, stall_out = counts["stalls"]
    return Run(
        unpack(dataflow.output, out).reshape(images, -1),
        np.fromfile(work / "in_cycle", dtype=np.int64).reshape(images, -1),
        np.fromfile(work / "out_cycle", dtype=np.int64).reshape(images, beats),
        (stall_in, stall_out),
        counts["registers"],
    )
