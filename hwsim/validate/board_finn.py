# SPDX-License-Identifier: Apache-2.0
"""FINN designs: matrix-vector units of ``pe`` rows and ``simd`` columns behind sliding windows of finn-hlslib.

A folding file lists PE and SIMD of the units in the order of the network; what they multiply comes from the network's
name or from the sizes it is described by ("784-1024-1024-1024-10"). Foldings of the BNN-PYNQ networks are those of
github:Xilinx/BNN-PYNQ, bnn/src/network/*/hw/config.h, and stand in where no file does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hwsim.fpga.pixels import PixelStage
from hwsim.fpga.system import transfers
from hwsim.validate.board_design import BoardDesign, Row

UNIT_DEPTH = 10.0  # cycles from the last operands of a unit to its output, adder tree and thresholds included


@dataclass(frozen=True)
class Unit:
    """A matrix of mw x mh per pixel; ``pooled`` 2 x 2 behind it."""

    mw: int
    mh: int
    kernel: int = 1
    rows: int = 1
    pooled: bool = False


Folding = tuple[tuple[int, int], ...]  # (pe, simd) of every unit

CNV = tuple(
    Unit(9 * channels, filters, 3, rows, pooled) for channels, filters, rows, pooled in (
        (3, 64, 32, False), (64, 64, 30, True), (64, 128, 14, False), (128, 128, 12, True), (128, 256, 5, False),
        (256, 256, 3, False))
)  # fmt: skip
CNV_HEAD = (Unit(256, 512), Unit(512, 512))  # and the classes
KWS_MLP = (490, 256, 256, 256, 12)  # github:fastmachinelearning/qonnx_model_zoo, KWS-W3A3
FOLDINGS: dict[str, Folding] = {
    "cnvw1a": ((16, 3), (32, 32), (16, 32), (16, 32), (4, 32), (1, 32), (1, 4), (1, 8), (4, 1)),
    "cnvw2a2": ((8, 3), (16, 16), (8, 16), (8, 16), (4, 8), (1, 8), (1, 2), (1, 4), (4, 1)),
    "lfc": ((32, 64), (64, 32), (32, 64), (8, 16)),
}


def design(row: Row, configs: Sequence[Any]) -> BoardDesign | None:
    """The design a row describes; None where its network or folding is not known."""
    name = re.sub(r"[^a-z0-9]", "", row["network"].split()[0].split(":")[0].lower())
    folding = _folding(name, configs)
    if folding is None:
        return None
    bnn_pynq = "BNN-PYNQ HLS" in row["flow"]
    units = _units(name, row["network"], 64 if bnn_pynq else 10)
    if len(units) != len(folding) or any(unit.mw % simd for unit, (_, simd) in zip(units, folding, strict=True)):
        return None
    return _pipeline(units, folding)


def _folding(name: str, configs: Sequence[Any]) -> Folding | None:
    for config in configs:
        if not isinstance(config, dict):
            continue
        listed = next((value for key, value in config.items() if key.lower() == name and isinstance(value, list)), None)
        if listed is not None:
            return tuple((int(layer["PE"]), int(layer["SIMD"])) for layer in listed)
        units = [
            node for key, node in config.items() if re.match(r"(StreamingFCLayer|MatrixVectorActivation|MVAU)", key)
        ]
        if units:
            return tuple((int(node["PE"]), int(node["SIMD"])) for node in units)
    return next((folding for prefix, folding in FOLDINGS.items() if name.startswith(prefix)), None)


def _units(name: str, text: str, classes: int) -> tuple[Unit, ...]:
    if name.startswith("cnv"):
        return (*CNV, *CNV_HEAD, Unit(512, classes))
    sizes = re.search(r"\d+(?: *\([^)]*\))?(?: *(?:-|->) *\d+(?: *\([^)]*\))?)+", text)
    if sizes is not None:
        # "784(832 padded)": the hardware has the padded size.
        parts = [re.findall(r"\d+", part) for part in re.split(r"-(?![^(]*\))", sizes.group())]
        widths = [int(numbers[-1]) for numbers in parts if numbers]
    elif name.startswith("kws"):
        widths = list(KWS_MLP)
    else:
        return ()
    return tuple(Unit(mw, mh) for mw, mh in pairwise(widths))


def _pipeline(units: tuple[Unit, ...], folding: Folding) -> BoardDesign:
    stages: list[PixelStage] = []

    def put(**fields: Any) -> None:
        stages.append(PixelStage(**fields, sources=(len(stages) - 1,) if stages else ()))

    for unit, (pe, simd) in zip(units, folding, strict=True):
        words = unit.mw / simd
        work = words * unit.mh / pe
        size = unit.rows - unit.kernel + 1
        if unit.kernel > 1:
            put(rows_in=unit.rows, columns_in=unit.rows, rows_out=size, columns_out=size, work=max(work, words),
                take=words / unit.kernel**2, depth=UNIT_DEPTH, kernel=(unit.kernel, unit.kernel),
                order="rows")  # fmt: skip
        else:
            put(rows_in=1, columns_in=1, rows_out=1, columns_out=1, work=work, depth=UNIT_DEPTH)
        if unit.pooled:
            put(rows_in=size, columns_in=size, rows_out=size // 2, columns_out=size // 2, work=1.0, kernel=(2, 2),
                stride=(2, 2))  # fmt: skip
    first = units[0]
    pixels = first.rows**2
    channels = first.mw // first.kernel**2
    return BoardDesign(tuple(stages), transfers("stream", pixels, channels, units[-1].mh), pixels)
