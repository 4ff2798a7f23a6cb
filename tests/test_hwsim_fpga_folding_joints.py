# SPDX-License-Identifier: Apache-2.0
"""What stands between and around stages is counted as the units that are built, and left room for by the search."""

import numpy as np
import pytest
from cost_networks import Draft, resnet8
from hls_networks import Builder

from hls.layers import build
from hls.verilog import data_bytes
from hwsim import device
from hwsim.design import Design, Folding
from hwsim.fixed import FixedPoint
from hwsim.fpga.design_points import DesignSpace
from hwsim.fpga.folded import COUNTED
from hwsim.fpga.folding import Goal, choose, cost_of
from hwsim.fpga.folding.joints import MOST_STAMPS, UNITS_PER_STAGE, joints_of_design
from hwsim.fpga.resources import SHELL
from hwsim.fpga.stages import pipeline
from hwsim.fpga.units import resources
from hwsim.targets import estimate

ACT, WEIGHT = FixedPoint(8, 4, False, "RND_CONV", "SAT"), FixedPoint(6, 5)


def lanes_that_differ():
    """9 into 4 channels by a common multiple, 2 into 8 directly, and a result of 3 values at a time."""
    made = Builder((9, 6, 6), ACT)
    first = made.conv("x", 8, (1, 1), ACT, WEIGHT)
    second = made.conv(first, 12, (3, 3), FixedPoint(5, 2, False), WEIGHT)
    network, weights = made.build(made.conv(second, 6, (1, 1), ACT, WEIGHT))
    folding = {"conv2d1": Folding(2, 3), "conv2d2": Folding(6, 8), "conv2d3": Folding(3, 4)}
    return network, weights, Design(network.hash, "pynq-z2", 100.0, backend="Slimfab", folding=folding)


def test_they_are_the_units_that_are_built():
    network, weights, design = lanes_that_differ()
    stages = pipeline(network)
    dataflow = build(network, weights, design)
    expected = [resources("width_converter", unit.parameters)
                for unit in dataflow.units if unit.module == "width_converter"]  # fmt: skip
    assert len(expected) == 3  # 2 to 8; 6 to 12 to 4
    stamps = min(1 << (UNITS_PER_STAGE * len(stages.stages)).bit_length(), MOST_STAMPS)
    around = {"BEATS_IN": dataflow.input.beats, "OUT_BYTES": data_bytes(dataflow.output), "STAMPS": stamps}
    expected += [resources("control", around), resources("frame_last", {"BEATS": dataflow.output.beats})]
    found = joints_of_design(network, stages, [design.folding[stage.name] for stage in stages.stages])
    cells, errors = (one(np.arange(3)) for one in (found.cells, found.errors))
    for name, value, error in zip(COUNTED, cells, errors, strict=True):
        assert value == pytest.approx(sum(getattr(one, name)[0] for one in expected))
        assert (error > 0) == (name in ("lut", "ff"))
    assert (found.least <= cells).all()


def test_an_input_that_is_read_twice_is_forked_in_front_of_fifos():
    made = Builder((4, 6, 6), ACT)
    left, right = made.conv("x", 8, (1, 1), ACT, WEIGHT), made.conv("x", 8, (3, 3), ACT, WEIGHT, padding=(1, 1, 1, 1))
    network, weights = made.build(made.add("add", (left, right), ACT))
    stages = pipeline(network)
    foldings = {stage.name: Folding(2, 2) for stage in stages.stages}
    foldings[stages.stages[-1].name] = Folding(2)
    design = Design(network.hash, "pynq-z2", 100.0, backend="Slimfab", folding=foldings)
    dataflow = build(network, weights, design)
    first = next(layer.name for layer in network.layers if layer.op == "input")
    own = [resources(unit.module, unit.parameters) for unit in dataflow.units if unit.layer == first]
    assert len(own) == 3  # the fork and two FIFOs
    around = [resources("control", {"BEATS_IN": dataflow.input.beats, "OUT_BYTES": data_bytes(dataflow.output),
                                    "STAMPS": 1 << (UNITS_PER_STAGE * len(stages.stages)).bit_length()}),
              resources("frame_last", {"BEATS": dataflow.output.beats})]  # fmt: skip
    found = joints_of_design(network, stages, [foldings[stage.name] for stage in stages.stages]).cells(np.arange(3))
    for name, value in zip(COUNTED, found, strict=True):
        assert value == pytest.approx(sum(getattr(one, name)[0] for one in (*own, *around)))


def test_many_points_are_single_ones():
    network = resnet8()
    space = DesignSpace(network, device.load("pynq-z2"), "folded")
    rows = space.random(5, 1)
    many = space._joints.cells(rows.T)
    for point, chosen in zip(many.T, rows, strict=True):
        alone = joints_of_design(network, space.stages, [space.options.foldings[row] for row in chosen])
        assert point == pytest.approx(alone.cells(np.arange(len(chosen))))
        assert (space._joints.least <= point).all()


def test_estimates_and_choices_contain_them():
    network, _, design = lanes_that_differ()
    stages = pipeline(network)
    foldings = tuple(design.folding[stage.name] for stage in stages.stages)
    cost = cost_of(stages, np.arange(3), foldings, "folded", "io_stream", design.fifo_depths)
    cells = joints_of_design(network, stages, foldings).cells(np.arange(3))
    found = estimate(network, "fpga:pynq-z2/folded", 1, design)
    for name, beside in zip(COUNTED, cells, strict=True):
        total = getattr(cost, name).sum() + beside + SHELL[name]
        assert found.field(name) == pytest.approx(total, abs=0.5 + 1e-6)
    assert not any("error bars alone" in note for note in found.notes)


@pytest.mark.parametrize("objective", ["interval_us", "ff"])
def test_what_is_chosen_fits_with_them(objective):
    draft = Draft(9, 8, 8)
    draft.conv(9)
    draft.conv(16)
    network = draft.network()
    board = device.load("pynq-z2")
    for limit in (9_000, 9_500, 10_000, 11_000):
        choice = choose(network, board, "folded", goal=Goal(objective, {"ff": limit}))
        found = estimate(network, "fpga:pynq-z2/folded", 1, choice.design)
        assert choice.used["ff"] == pytest.approx(found.field("ff"), abs=0.5 + 1e-6)
        assert choice.value >= choice.bound
        assert not choice.misses
        assert choice.used["ff"] <= limit
