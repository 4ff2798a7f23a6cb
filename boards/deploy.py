# SPDX-License-Identifier: Apache-2.0
"""Run and measure a network on a board, and judge every integer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boards import processors
from boards.measurement import Measurement, Power, Window
from boards.session import Session
from hls.dataflow import Array
from hwsim import serial
from hwsim.errors import InputError

DRIVER, NOTEBOOKS = Path(__file__).parent / "driver", Path(__file__).parent / "notebooks"


def driver_files() -> dict[str, bytes]:
    """The files of the driver, by the names that they have in a bundle."""
    return {f"driver/{file.name}": file.read_bytes() for file in sorted(DRIVER.glob("*.py"))}


def notebook_files() -> dict[str, bytes]:
    """The notebooks for board users, by the names that they have in a bundle."""
    return {file.name: file.read_bytes() for file in sorted(NOTEBOOKS.glob("*.ipynb"))}


@dataclass(frozen=True)
class Effort:
    """How much is measured: runs of one image, runs of every transfer size, seconds of each window of power."""

    warm_up: int = 10
    runs: int = 1000
    repeats: int = 20
    window_s: float = 10.0

    def __post_init__(self) -> None:
        if min(self.runs, self.repeats) < 1 or self.warm_up < 0 or self.window_s < 0:
            raise InputError(
                f"measure: got {self.runs} runs, {self.repeats} repeats, {self.warm_up} warm-up runs and windows of "
                f"{self.window_s:g} s; expected at least 1, 1, 0 and 0"
            )


def measure(
    session: Session, folder: Path | str, images: Array, expected: Array, transport: str, effort: Effort | None = None
) -> Measurement:
    """Measure a bundle on a board.

    Args:
        folder: the unpacked bundle that the session runs.
        images: (N, *input shape) integers or real numbers.
        expected: (N, *output shape) integers of the golden executor.
        transport: how the session reaches the board: "local", "ssh", "pynq-remote" or "emulated".

    Raises:
        BoardError: by its ``kind``.
    """
    manifest = serial.read_json(Path(folder) / "manifest.json")
    answer, arrays = session.ask("measure", {"settings": asdict(effort or Effort())}, np.asarray(images))
    outputs, stages, sizes, seconds, from_cpu = arrays
    notes = [] if answer["clock_was_steady"] else ["the clock changed while it was measured"]
    if answer["power"].get("failed"):
        notes.append(f"a power sensor failed: {answer['power']['failed']}")
    return Measurement(
        board=str(manifest["board"]),
        transport=transport,
        bitstream_hash=hashlib.sha256((Path(folder) / f"{manifest['name']}.bit").read_bytes()).hexdigest(),
        model_hash=str(manifest["model_hash"]),
        clock_mhz=float(answer["clock_mhz"]),
        images=len(images),
        integers=int(expected.size),
        mismatches=int(np.count_nonzero(outputs != expected)),
        output_hash=str(answer["output_hash"]),
        latency_s=tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in stages),
        transfers=tuple((int(size), float(one)) for size, one in zip(sizes, seconds, strict=True)),
        cycles=int(answer["cycles"]),
        counters=answer["counters"],
        power=_power(answer["power"]),
        processors=tuple(processors.read(row, from_cpu, expected) for row in answer["processors"]),
        versions=_versions(session, answer),
        notes=tuple(notes),
    )


def _power(found: Mapping[str, Any]) -> tuple[Power, ...]:
    if not found or not found["inferences"]:
        return ()
    rails = found["busy"]["watts"]
    windows = [
        {rail: Window(tuple(found[when]["times"]), tuple(found[when]["watts"][rail])) for rail in rails}
        for when in ("idle", "busy")
    ]
    return tuple(Power(rail, windows[0][rail], windows[1][rail], found["inferences"]) for rail in rails)


def _versions(session: Session, answer: Mapping[str, Any]) -> dict[str, str]:
    named = {name: str(session.about[name]) for name in ("pynq", "numpy", "python")}
    return {**named, "kernel": str(answer["kernel"]), "machine": str(answer["machine"])}
