# SPDX-License-Identifier: Apache-2.0
"""A published design on a board: its pipeline, how its image arrives, and the files that describe it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hwsim.fpga.pixels import PixelStage, busy, departures
from hwsim.fpga.system import Transfers

Row = Mapping[str, str]


@dataclass(frozen=True)
class BoardDesign:
    """Stages, transfers and the pixels of one image; DSP blocks where the generator's rule is known."""

    stages: tuple[PixelStage, ...]
    transfers: Transfers
    pixels_in: int
    dsp: float = float("nan")

    def cycles(self) -> float:
        """From the first access of the wrapper to the end of its last one, for one image alone."""
        arrivals = self.transfers.before + np.arange(1.0, self.pixels_in + 1) * self.transfers.per_pixel
        return max(float(times[-1]) for times in departures(self.stages, arrivals)) + self.transfers.after

    def interval(self) -> float:
        """Cycles between images in steady state."""
        return max([busy(stage) for stage in self.stages] + [self.transfers.per_pixel * self.pixels_in])


def configurations(folder: Path, cell: str) -> list[Any]:
    """The contents of the JSON and YAML files a cell names, separated by semicolons; files that are not there are left
    out, and so is what cannot be read as either."""
    found = []
    for name in (part.strip() for part in cell.split(";")):
        path = folder / name
        if not name or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
            found.append(json.loads(text) if path.suffix == ".json" else yaml.safe_load(text))
        except (OSError, ValueError, yaml.YAMLError):
            continue
    return found
