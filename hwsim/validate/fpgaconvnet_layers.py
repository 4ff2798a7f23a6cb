# SPDX-License-Identifier: Apache-2.0
"""Tables of fpgaConvNet layers with their folding: cycles per image and DSP blocks of every layer.

Such a table has no measured values, so nothing is scored; a report gives the interval, the latency and the DSP blocks
of every design ("board/benchmark"), which fpga_board_measurements compares with boards.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from hwsim.errors import InputError
from hwsim.fpga.pixels import busy
from hwsim.validate.board_fpgaconvnet import FIELDS, ConvNetLayer, design, layer_of_row
from hwsim.validate.rows import Rows, Texts
from hwsim.validate.table import Prediction, Table


def _layers(rows: Rows) -> list[ConvNetLayer | None]:
    names = list(rows.texts)
    cells = zip(*(rows.text(name).tolist() for name in names), strict=True)
    return [layer_of_row(dict(zip(names, row, strict=True))) for row in cells]


def _predict(rows: Rows) -> Mapping[str, Prediction]:
    layers = _layers(rows)
    dsp = np.array([np.nan if layer is None else layer.dsp for layer in layers], dtype=np.float64)
    cycles = np.array([np.nan if layer is None else layer.busy for layer in layers], dtype=np.float64)
    return {"cycles": Prediction(cycles, cycles, cycles), "ii": Prediction(cycles, cycles, cycles),
            "dsp": Prediction(dsp, dsp - 1, dsp + 1)}  # fmt: skip


def _designs(rows: Rows) -> Texts:
    return np.char.add(np.char.add(rows.text("board"), "/"), rows.text("benchmark"))


def _report(rows: Rows) -> Iterator[str]:
    names = _designs(rows)
    for name in sorted(set(names.tolist())):
        own = rows.where(names == name)
        layers = _layers(own)
        known = [layer for layer in layers if layer is not None]
        unknown = own.text("name")[[layer is None for layer in layers]]
        if len(unknown):
            yield f"{name}: not predicted, sizes of {', '.join(unknown.tolist())} are not whole numbers from 1 on"
            continue
        try:
            found = design(known)
            latency = found.cycles() if found is not None else 0.0
        except InputError as error:
            yield f"{name}: not predicted, {error}"
            continue
        if found is not None:
            slowest, _ = max(zip(known, found.stages, strict=True), key=lambda pair: busy(pair[1]))
            yield (f"{name}: {len(known)} layers, interval {found.interval():.0f} cycles ({slowest.name}), "
                   f"latency {latency:.0f} cycles, {found.dsp:.0f} DSP")  # fmt: skip


FPGACONVNET_LAYERS = Table(
    name="fpgaconvnet_layers",
    required=("board", "benchmark", "name", "type", "k", "use_dsp", *FIELDS),
    truth=lambda rows: {},
    predict=_predict,
    slices=lambda rows: np.char.add("fpgaconvnet_layers/", _designs(rows)),
    label=lambda rows: rows.text("name"),
    report=lambda rows: tuple(_report(rows)),
)
