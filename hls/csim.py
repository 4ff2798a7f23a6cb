# SPDX-License-Identifier: Apache-2.0
"""C simulation: integers in, integers out, through the C++ that hls4ml generated.

The library runs in worker processes, because its asserts end the process they fail in. Values cross as float64,
exactly: inputs lie on the input type's grid, and results are checked to lie on the output's.
"""

import json
import os
import re
import selectors
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hls.compile import Library
from hls.lowering import from_hls_order, to_hls_order
from hls.mappable import check_images
from hls.project import PROJECT_NAME
from hwsim.errors import NetworkError, ToolFailed
from hwsim.fixed import FixedPoint
from hwsim.network import Network

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]  # images done, images in all
_WORKER = Path(__file__).with_name("csim_worker.py")

# What a worker says before it dies → what it means.
_CAUSES: Mapping[str, str] = {
    r"Assertion": "the generated C++ refuses this layer; report the network",
    r"file .*weights.* does not exist": "the compiled library lost its weights; delete its cache folder",
    r"No space left on device": "the disk is full; free some space in the temporary folder",
    r"contains leftover data|is read while empty": "streams of different length meet; report the network",
}
_BAD_STREAM = re.compile(r"WARNING: Hls::stream .*|ERROR: .*")


def predict(
    library: Library, network: Network, x: npt.ArrayLike, *, workers: int = 2, progress: Progress | None = None
) -> Array:
    """Run images through the C simulation.

    Args:
        x: (N, *shape) integers of the input's format.
        workers: processes; each takes an equal share of the images.

    Returns:
        (N, *shape) int64 integers of the output's format.

    Raises:
        ToolFailed: a worker died; with its last words and the path of its log.
        NetworkError: x does not fit the network's input.
    """
    lowered = library.project.lowered
    output = lowered.output
    size = int(np.prod(output.shape))
    reals = _run(library, network, x, size, (), workers, progress)
    tensor = network.outputs[0]
    ordered = from_hls_order(reals, lowered, tensor, network.tensors[tensor].shape)
    return to_ints(ordered, _format(network, tensor), tensor)


def trace(library: Library, network: Network, x: npt.ArrayLike) -> dict[str, Array]:
    """Like :func:`predict`, for a project written with ``trace=True``: every golden tensor by name."""
    lowered = library.project.lowered
    nodes = {place.node: int(np.prod(place.shape)) for place in lowered.placements.values()}
    nodes.pop(lowered.input.node)
    reals = _run(library, network, x, int(np.prod(lowered.output.shape)), tuple(nodes.items()), 1, None)
    starts = dict(zip(nodes, np.cumsum([0, *nodes.values()]), strict=False))
    found = {network.inputs[0]: np.asarray(x, dtype=np.int64)}
    for tensor, place in lowered.placements.items():
        if place.node in starts:
            part = reals[:, starts[place.node] : starts[place.node] + nodes[place.node]]
            ordered = from_hls_order(part, lowered, tensor, network.tensors[tensor].shape)
            found[tensor] = to_ints(ordered, _format(network, tensor), tensor)
    return found


def to_ints(reals: Array, fmt: FixedPoint, tensor: str) -> Array:
    """The integers of real numbers that must lie on a format's grid.

    Raises:
        NetworkError: a number lies between two steps or outside the range: the arithmetic was not exact.
    """
    scaled = np.asarray(reals, dtype=np.float64) * 2.0**fmt.frac
    ints = np.rint(scaled).astype(np.int64)
    off = (ints != scaled) | (ints < fmt.min_int) | (ints > fmt.max_int)
    if off.any():
        where = tuple(int(i) for i in np.argwhere(off)[0])
        raise NetworkError(
            f"{tensor}: value {reals[where]} at {where} is not on the grid of {fmt}; the computation "
            "that gave it rounded elsewhere"
        )
    return ints


def _format(network: Network, tensor: str) -> FixedPoint:
    fmt = network.tensors[tensor].format
    assert fmt is not None  # lower() refused float tensors
    return fmt


def _run(
    library: Library,
    network: Network,
    x: npt.ArrayLike,
    output_size: int,
    trace_sizes: tuple[tuple[str, int], ...],
    workers: int,
    progress: Progress | None,
) -> Array:
    """(N, elements) float64 in the order of the nodes."""
    data = check_images(network, x)
    tensor = network.inputs[0]
    columns = sum(size for _, size in trace_sizes) or output_size
    if len(data) == 0:
        return np.zeros((0, columns))
    with tempfile.TemporaryDirectory(prefix="slimfab-csim-") as folder:
        inputs, results = Path(folder) / "inputs.npy", Path(folder) / "results.npy"
        reals = _format(network, tensor).to_real(to_hls_order(data, library.project.lowered, tensor))
        np.save(inputs, reals)
        np.save(results, np.zeros((len(data), columns)))
        job = {
            "library": str(library.path.resolve()),
            "function": f"{PROJECT_NAME}_double",
            "inputs": str(inputs),
            "results": str(results),
            "output_size": output_size,
            "trace": trace_sizes,
        }
        count = max(1, min(workers, len(data)))
        bounds = [len(data) * i // count for i in range(count + 1)]
        _run_workers(
            library, [{**job, "start": a, "stop": b} for a, b in pairwise(bounds)], Path(folder), progress, len(data)
        )
        loaded: Array = np.load(results)
        return loaded


def _run_workers(
    library: Library, jobs: list[dict[str, Any]], folder: Path, progress: Progress | None, total: int
) -> None:
    reader, writer = os.pipe()
    running = []
    try:
        for number, job in enumerate(jobs):
            log = folder / f"worker{number}.log"
            arguments = [sys.executable, str(_WORKER), json.dumps({**job, "progress": writer})]
            with log.open("w") as output:
                process = subprocess.Popen(
                    arguments, cwd=library.folder, stdout=output, stderr=subprocess.STDOUT, pass_fds=(writer,)
                )
            running.append((process, log))
        os.close(writer)
        writer = -1
        _watch(reader, progress, total)
        for process, log in running:
            _check_worker(library, process.wait(), log)
    finally:
        for process, _ in running:
            if process.poll() is None:
                process.kill()
            process.wait()
        for descriptor in (reader, writer):
            if descriptor >= 0:
                os.close(descriptor)


def _watch(reader: int, progress: Progress | None, total: int) -> None:
    """Read progress bytes until every worker has closed its end."""
    done = 0
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while selector.select() and (data := os.read(reader, 65536)):
            done += len(data)
            if progress is not None:
                progress(done, total)


def _check_worker(library: Library, code: int, log: Path) -> None:
    text = log.read_text(errors="replace")
    if code == 0 and not _BAD_STREAM.search(text):
        return
    kept = library.folder / "predict.log"
    try:
        shutil.copyfile(log, kept)
    except OSError:
        kept = Path("unsaved")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = next(
        (line for line in reversed(lines) if "Assertion" in line or _BAD_STREAM.match(line)),
        lines[-1] if lines else "no output",
    )
    cause = next((meaning for pattern, meaning in _CAUSES.items() if re.search(pattern, text)), "see the log")
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    name = library.project.lowered.name
    raise ToolFailed(f"{name}: C simulation failed ({how}: {last[-200:]}); {cause}; log: {kept}")
