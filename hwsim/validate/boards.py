# SPDX-License-Identifier: Apache-2.0
"""Tables of FPGA boards: latency in us, energy in uJ and the interval in cycles of whole networks, one design per row.

A design is found in the files that a row names, which stand beside the table, or in its text; fpgaConvNet's may be in
``fpgaconvnet_layers.csv`` beside the table. Slices go by generator.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwsim import device
from hwsim.device import Device
from hwsim.fpga.system import BATCH_ERROR, ENERGY_ERROR, LATENCY_ERROR, clock_mhz
from hwsim.validate import board_finn, board_fpgaconvnet, board_hls4ml
from hwsim.validate.board_design import BoardDesign, Row, configurations
from hwsim.validate.rows import Numbers, Rows, Texts
from hwsim.validate.table import Prediction, Table

LAYER_TABLE = "fpgaconvnet_layers.csv"
FLOWS = ("fpgaConvNet", "FINN", "hls4ml")


@dataclass(frozen=True)
class Placed:
    """A design whose board is known: its latency without and with what the processor needs to start it."""

    design: BoardDesign
    board: Device
    clock_mhz: float

    @property
    def pipeline_us(self) -> float:
        """Copies and pipeline."""
        return self.design.cycles() / self.clock_mhz

    @property
    def latency_us(self) -> float:
        """One image from the call to its result."""
        return self.pipeline_us + self.board.get("overhead_us.inference", 0.0)


def placed(rows: Rows) -> Iterator[Placed | None]:
    """The design of every row; None where the design or the board is not known."""
    for index in range(len(rows)):
        row = {name: str(column[index]) for name, column in rows.texts.items()}
        board, asked = board_of(row["board"]), megahertz(row["clock_mhz"])
        found = design_of(row, rows.folder) if board is not None and asked > 0 else None
        yield None if found is None or board is None else Placed(
            found, board, clock_mhz(board, found.transfers.wrapper, asked)
        )  # fmt: skip


def megahertz(cell: str) -> float:
    """A clock such as "187", "200MHz" or "142.8 MHz"; NaN where it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*(?:mhz)?", cell.strip().lower())
    return float(found.group(1)) if found else float("nan")


def board_of(text: str) -> Device | None:
    """The device whose name a board's begins with, small letters and digits alone: "Pynq-Z1/Z2" is a pynq-z1."""
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    names = sorted((name for name in device.names() if name != "host"), key=len, reverse=True)
    found = next((name for name in names if plain.startswith(name.replace("-", ""))), None)
    return device.load(found) if found and device.load(found).kind == "fpga" else None


def design_of(row: Row, folder: Path) -> BoardDesign | None:
    """The design a row describes, None where no reader knows it or a file is not what its name says."""
    try:
        found = _design_of(row, folder, configurations(folder, row["config_file"]))
        if found is not None:
            found.cycles()  # raises where the layers do not fit together
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError):
        return None
    return found


def _design_of(row: Row, folder: Path, configs: list[Any]) -> BoardDesign | None:
    if row["flow"].startswith("FINN"):
        return board_finn.design(row, configs)
    if row["flow"].startswith("hls4ml"):
        return board_hls4ml.design(row, configs)
    if not row["flow"].startswith("fpgaConvNet"):
        return None
    layers = next(filter(None, (board_fpgaconvnet.layers_of_partition(config) for config in configs)), None)
    return board_fpgaconvnet.design(layers or _layers_beside(row, folder))


def _layers_beside(row: Row, folder: Path) -> list[board_fpgaconvnet.ConvNetLayer]:
    """The layers of the row's design in the table beside it; none where one of them cannot be read."""
    path = folder / LAYER_TABLE
    if not path.is_file():
        return []
    words = row["network"].lower().split()
    with path.open(newline="", encoding="utf-8") as file:
        chosen = [each for each in csv.DictReader(file) if each["board"] == row["board"] and each["benchmark"] in words]
    layers = [board_fpgaconvnet.layer_of_row(each) for each in chosen]
    known = [layer for layer in layers if layer is not None]
    return known if len(known) == len(layers) else []


def _truth(rows: Rows) -> Mapping[str, Numbers]:
    clock = np.array([megahertz(cell) for cell in rows.text("clock_mhz").tolist()])
    single, batch = rows.number("measured_latency_ms"), rows.number("measured_us_per_image_batch10000")
    # A throughput beside a latency is its inverse, for images that are sent one at a time.
    alone = np.isnan(single) & np.isnan(batch)
    throughput = rows.number("measured_throughput")
    rate = np.where(alone, 1e6 / np.where(throughput > 0, throughput, np.nan), batch)
    return {"latency": single * 1e3, "energy": rows.number("energy_uJ"), "ii": rate * clock, "dsp": rows.number("dsp")}


def _predict(rows: Rows) -> Mapping[str, Prediction]:
    latency, energy, interval, dsp = (np.full(len(rows), np.nan) for _ in range(4))
    low, high = (np.full(len(rows), np.nan) for _ in range(2))
    for index, found in enumerate(placed(rows)):
        if found is None:
            continue
        latency[index], interval[index] = found.latency_us, found.design.interval()
        dsp[index] = found.design.dsp
        if "power_w" in found.board:
            power = found.board.quantity("power_w")
            energy[index] = power.value * latency[index]
            low[index], high[index] = power.low * latency[index], power.high * latency[index]
    return {
        "latency": Prediction(latency, latency / LATENCY_ERROR, latency * LATENCY_ERROR),
        "energy": Prediction(energy, low / ENERGY_ERROR, high * ENERGY_ERROR),
        "ii": Prediction(interval, interval / BATCH_ERROR, interval * BATCH_ERROR),
        "dsp": Prediction(dsp, dsp - 1, dsp + 1),
    }


def _slices(rows: Rows) -> Texts:
    flows = [next((flow for flow in FLOWS if cell.startswith(flow)), "other") for cell in rows.text("flow").tolist()]
    return np.array([f"fpga_board_measurements/{flow}" for flow in flows], dtype=np.str_)


def _labels(rows: Rows) -> Texts:
    names = zip(rows.text("network").tolist(), rows.text("board").tolist(), strict=True)
    return np.array([f"{re.split('[:, ]', network)[0]} {board}" for network, board in names], dtype=np.str_)


BOARDS = Table(
    name="fpga_board_measurements",
    required=(
        "flow", "network", "board", "clock_mhz", "measured_latency_ms", "measured_us_per_image_batch10000",
        "measured_throughput", "energy_uJ", "dsp", "config_file",
    ),
    truth=_truth,
    predict=_predict,
    slices=_slices,
    label=_labels,
)  # fmt: skip
