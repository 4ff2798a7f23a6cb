# SPDX-License-Identifier: Apache-2.0
"""Netlists of a design's parts: every distinct instance is synthesised once, and kept.

Parts are synthesised each by itself: equal ones – FIFOs above all – are done once, nothing is optimised across their
borders, and an interrupted synthesis goes on where it stopped. Each has a yosys of its own, because what yosys makes
of a module depends a little on what else it has read.
"""

import hashlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hls.synthesis.counts import Counts, count
from hls.synthesis.programs import Program, run
from hls.synthesis.structure import Part, Structure, text_of
from hwsim import serial
from hwsim.errors import OutputError

log = logging.getLogger(__name__)

Listen = Callable[[int, int], None]
MODULE = "unit"  # the name of every netlist's module


@dataclass(frozen=True)
class _Recipe:
    """A family's way: its cells; synthesis, in steps behind elaboration; the same without memories; statistics.

    ``defaults`` are parameters that depend on the family, and change neither bits nor cycles: module → assignments.
    """

    cells: tuple[str, ...]
    synth: str
    steps: tuple[str, ...]
    steps_without_memory: tuple[str, ...]
    stat: str
    defaults: Mapping[str, str] = field(default_factory=dict)


def _xilinx(family: str) -> _Recipe:
    cells = "read_verilog -lib -specify +/xilinx/cells_sim.v", "read_verilog -lib +/xilinx/cells_xtra.v"
    # Reading how memories are mapped takes longer than all the rest of a small unit.
    without = "prepare:map_memory", "map_ffram:"
    synth = f"synth_xilinx -family {family} -flatten -noiopad -noclkbuf"
    return _Recipe(cells, synth, ("prepare:",), without, "stat -json -tech xilinx")


_ECP5_CELLS = ("read_verilog -lib -specify +/ecp5/cells_sim.v +/ecp5/cells_bb.v",)
_RECIPES: Mapping[str, _Recipe] = {
    "xc7": _xilinx("xc7"),
    "xcup": _xilinx("xcup"),
    # A multiplier of an ECP5 takes 18 x 18 bits (Lattice FPGA-TN-02205).
    "ecp5": _Recipe(_ECP5_CELLS, "synth_ecp5", ("coarse:",), ("coarse:",), "stat -json", {"multiply": "-set PORT 18"}),
}
_ARRAY = re.compile(r"\breg\b[^;]*\]\s*\w+\s*\[")


@dataclass(frozen=True)
class Job:
    """One netlist to be made: what for, the files it reads, the yosys commands, and the key of its content.

    A file is a path, or the text itself.
    """

    what: str
    files: Mapping[str, Path | str]
    commands: tuple[str, ...]
    key: str


def default_cache() -> Path:
    """Where netlists are kept: ``$XDG_CACHE_HOME/slimfab/synthesis`` or ``~/.cache/slimfab/synthesis``."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "slimfab" / "synthesis"


def workplace(root: Path) -> "tempfile.TemporaryDirectory[str]":
    """A folder for intermediate files, beside the cache that the results are moved to.

    Raises:
        OutputError: the cache folder cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=root, prefix=".")
    except OSError as error:
        raise OutputError(f"{root}: cannot write ({error.strerror}); choose a writable cache folder") from error


def part_job(structure: Structure, part: Part, family: str, yosys: Program) -> Job:
    """The netlist of one instance."""
    sources = structure.sources_of(part.module)
    texts = [(structure.folder / name).read_text() for name in sources]
    memories = tuple(text_of(value) for value in part.parameters.values() if text_of(value) in structure.memories)
    # All at once: some of the new parameters with some of the old ones may make no legal module.
    defaults = tuple(
        f"chparam {values} {module}"
        for module, values in _RECIPES[family].defaults.items()
        if module in {Path(name).stem for name in sources}
    )
    settings = " ".join(f"-set {name} {value}" for name, value in sorted(part.parameters.items()))
    elaborate = (
        f"read_verilog -sv {' '.join(sources)}",
        *defaults,
        *((f"chparam {settings} {part.module}",) if settings else ()),
        f"hierarchy -check -top {part.module}",
    )
    commands = _commands(family, elaborate, any(_ARRAY.search(text) for text in texts))
    # A memory's content counts, not the name of its file.
    values = (structure.memories.get(text_of(value), value) for _, value in sorted(part.parameters.items()))
    key = _key(yosys, *_commands(family, (*defaults, part.module), True), *sorted(part.parameters), *values, *texts)
    files = {name: structure.folder / name for name in (*sources, *memories)}
    return Job(f"{part.layer or structure.network}: {part.unit}", files, commands, key)


def joint_job(structure: Structure, family: str, yosys: Program) -> Job:
    """The netlist of the generated modules, with every part of them left as an empty box."""
    boxes = f"* {' '.join(structure.generated)} {'%u ' * (len(structure.generated) - 1)}%d"
    elaborate = (
        f"read_verilog -sv {' '.join(structure.files)}",
        f"hierarchy -check -top {structure.top}",
        f"blackbox {boxes}",
    )
    commands = _commands(family, elaborate, False)
    texts = [(structure.folder / name).read_text() for name in structure.files]
    files = {name: structure.folder / name for name in (*structure.files, *structure.memories)}
    return Job(structure.network, files, commands, _key(yosys, *commands, *texts))


def text_job(what: str, text: str, top: str, family: str, yosys: Program) -> Job:
    """The netlist of a Verilog text."""
    commands = _commands(family, ("read_verilog -sv text.v", f"hierarchy -check -top {top}"), False)
    return Job(what, {"text.v": text}, commands, _key(yosys, *commands, text))


def make(
    jobs: Iterable[Job],
    yosys: Program,
    root: Path,
    work: Path,
    workers: int = 1,
    listen: Listen = lambda done, of: None,
) -> None:
    """Make the netlists that the cache lacks, ``workers`` at a time.

    Args:
        listen: called with how many are made, of how many.

    Raises:
        ToolFailed: yosys failed; names the layer that it worked on.
        OutputError: the cache folder cannot be written.
    """
    missing = {job.key: job for job in jobs if not (root / job.key).exists()}
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(_make, job, yosys, root, work) for job in missing.values()]
        try:
            for done, future in enumerate(running, 1):
                listen(done - 1, len(running))
                future.result()
                log.info("%d of %d netlists made", done, len(running))
        finally:  # a failure or an interruption starts nothing more
            pool.shutdown(wait=True, cancel_futures=True)


def counts(job: Job, family: str, root: Path) -> Counts:
    """Resources of a finished netlist."""
    module = serial.read_json(root / job.key / "stat.json")["modules"][f"\\{MODULE}"]
    cells = {kind: int(number) for kind, number in module.get("num_cells_by_type", {}).items()}
    return count(family, cells, int(module.get("estimated_num_lc", 0)))


def netlist(job: Job, root: Path) -> Any:
    """The module of a finished netlist as yosys's JSON has it."""
    return serial.read_json(root / job.key / "netlist.json")["modules"][MODULE]


def _commands(family: str, elaborate: tuple[str, ...], memories: bool) -> tuple[str, ...]:
    recipe = _RECIPES[family]
    return (
        *recipe.cells,
        *elaborate,
        f"rename -top {MODULE}",
        *(f"{recipe.synth} -run {steps}" for steps in (recipe.steps if memories else recipe.steps_without_memory)),
        f"select {MODULE}",
        "write_json -selected netlist.json",
        "select -clear",
        f"tee -q -o stat.json {recipe.stat}",
    )


def _make(job: Job, yosys: Program, root: Path, work: Path) -> None:
    folder = Path(tempfile.mkdtemp(dir=work))
    for name, file in job.files.items():
        if isinstance(file, Path):
            shutil.copyfile(file, folder / name)
        else:
            (folder / name).write_text(file)
    (folder / "commands.ys").write_text("\n".join(job.commands) + "\n")
    run(yosys, ["-q", "-s", "commands.ys"], folder, root / "failed" / job.key, job.what)
    result = folder / "result"
    try:
        result.mkdir()
        for name in ("netlist.json", "stat.json"):
            os.replace(folder / name, result / name)
        os.replace(result, root / job.key)
    except OSError as error:
        if not (root / job.key).exists():  # another process may have been faster
            raise OutputError(f"{root}: cannot write ({error.strerror}); choose a writable cache folder") from error


def _key(yosys: Program, *parts: str) -> str:
    return hashlib.sha256("\0".join([yosys.label, *parts]).encode()).hexdigest()[:24]
