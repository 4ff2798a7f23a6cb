# SPDX-License-Identifier: Apache-2.0
"""Run and measure a network on a board, and judge every integer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boards import processors
from boards.measurement import ON_BOARD, Measurement
from boards.power import WINDOW_S, WINDOWS, Listen, Powered, watch
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
    """How much is measured: runs of one image, runs of every transfer size, windows of power and seconds of each.

    With a ``meter`` at the supply, windows are run on boards without sensors too.
    """

    warm_up: int = 10
    runs: int = 1000
    repeats: int = 20
    windows: int = WINDOWS
    window_s: float = WINDOW_S
    meter: bool = False

    def __post_init__(self) -> None:
        if min(self.runs, self.repeats) < 1 or min(self.warm_up, self.windows, self.window_s) < 0:
            raise InputError(
                f"measure: got {self.runs} runs, {self.repeats} repeats, {self.warm_up} warm-up runs and windows of "
                f"{self.window_s:g} s; expected at least 1, 1, 0 and 0"
            )


def measure(
    session: Session, folder: Path | str, images: Array, expected: Array, transport: str, effort: Effort | None = None,
    listen: Listen = lambda text: None,
) -> Measurement:  # fmt: skip
    """Measure a bundle on a board.

    Args:
        folder: the unpacked bundle that the session runs.
        images: (N, *input shape) integers or real numbers.
        expected: (N, *output shape) integers of the golden executor.
        transport: how the session reaches the board: "local", "ssh", "pynq-remote" or "emulated". Power is measured
            only where the driver runs on the board itself.
        listen: told which window of power begins.

    Raises:
        BoardError: by its ``kind``.
    """
    manifest = serial.read_json(Path(folder) / "manifest.json")
    asked = effort or Effort()
    settings = {"warm_up": asked.warm_up, "runs": asked.runs, "repeats": asked.repeats}
    answer, arrays = session.ask("measure", {"settings": settings}, np.asarray(images))
    outputs, stages, sizes, seconds, from_cpu = arrays
    notes = [] if answer["clock_was_steady"] else ["the clock changed while it was measured"]
    powered = Powered()
    if transport in ON_BOARD:  # elsewhere sensors are this machine's
        powered = watch(session, np.asarray(images), asked.windows, asked.window_s, meter=asked.meter, listen=listen)
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
        power=powered.rails,
        inferences_per_s=powered.inferences_per_s,
        processors=tuple(processors.read(row, from_cpu, expected) for row in answer["processors"]),
        versions=_versions(session, answer),
        notes=(*notes, *powered.notes),
    )


def _versions(session: Session, answer: Mapping[str, Any]) -> dict[str, str]:
    named = {name: str(session.about[name]) for name in ("pynq", "numpy", "python")}
    return {**named, "kernel": str(answer["kernel"]), "machine": str(answer["machine"])}
