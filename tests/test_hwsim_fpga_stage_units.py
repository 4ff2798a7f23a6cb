# SPDX-License-Identifier: Apache-2.0
"""The units that a stage is costed as are those that hardware is made of, parameter by parameter."""

from collections import defaultdict

import numpy as np
import pytest
from hls_networks import Builder

from hls.layers import build
from hwsim.design import Design, Folding
from hwsim.fixed import FixedPoint
from hwsim.fpga import folded
from hwsim.fpga.folding import points_of
from hwsim.fpga.stage_units import unit_groups
from hwsim.fpga.stages import pipeline
from hwsim.fpga.units.cells import signed64

ACT = FixedPoint(8, 4, False, "RND_CONV", "SAT")
SIGNED = FixedPoint(7, 3, True, "RND", "SAT")
WEIGHT, BIAS = FixedPoint(6, 5), FixedPoint(8, 7)


def residual():
    """A strided convolution, a depthwise one with a relu, an addition, poolings and a dense layer."""
    made = Builder((4, 8, 8), ACT)
    first = made.conv("x", 8, (3, 3), SIGNED, WEIGHT, BIAS, padding=(1, 1, 1, 1), stride=(1, 1))
    rectified = made.add("relu", first, ACT)
    wide = made.conv(rectified, 8, (3, 3), SIGNED, WEIGHT, groups=8, padding=(1, 1, 1, 1))
    point = made.conv(rectified, 8, (1, 1), SIGNED, WEIGHT)
    added = made.add("add", (wide, point), FixedPoint(9, 3, True, "RND", "SAT"))
    strided = made.conv(added, 12, (2, 2), SIGNED, FixedPoint(3, 2), stride=(2, 2))
    pooled = made.add("max_pool2d", strided, SIGNED, kernel=(2, 2), stride=(2, 2))
    mean = made.add("avg_pool2d", pooled, ACT, kernel=(2, 2), stride=(1, 1))
    spread = made.add("global_avg_pool", made.add("upsample2d", mean, ACT, factor=(3, 3)), SIGNED)
    flat = made.add("flatten", spread, SIGNED)
    return made.build(
        made.add("argmax", made.dense(flat, 10, FixedPoint(16, 8), WEIGHT, BIAS), FixedPoint(4, 0, False))
    )


FOLDINGS = {
    "conv2d1": Folding(4, 2, multiplier="lut"), "relu2": Folding(2), "conv2d3": Folding(4, 1, memory="distributed"),
    "conv2d4": Folding(2, 8, multiplier="dsp", memory="block"), "add5": Folding(4), "conv2d6": Folding(3, 2),
    "max_pool2d7": Folding(3), "avg_pool2d8": Folding(6), "upsample2d9": Folding(4), "global_avg_pool10": Folding(3),
    "dense12": Folding(5, 4), "argmax13": Folding(2),
}  # fmt: skip


def plan(network, **folding):
    return Design(network.hash, "pynq-z2", 100.0, backend="Slimfab", folding=folding)


def stage_points(network, design):
    stages = pipeline(network)
    foldings = [design.folding[stage.name] for stage in stages.stages]
    return stages, points_of(stages, np.arange(len(foldings)), foldings, design.fifo_depths)


def costed(stages, points):
    """(layer, module) → the parameters of its units."""
    found = defaultdict(list)
    for group in unit_groups(points):
        count = np.broadcast_to(group.count, group.where.shape)
        for index in np.flatnonzero(group.where):
            values = {name: np.asarray(value)[index] for name, value in group.parameters.items()}
            found[stages.stages[index].name, group.module] += [values] * int(count[index])
    return found


def plain(value):
    if not isinstance(value, str):
        return value
    return signed64(value) if "'h" in value else value.strip('"')


def test_stages_are_costed_as_the_units_that_are_built():
    network, weights = residual()
    design = plan(network, **FOLDINGS)
    stages, points = stage_points(network, design)
    found, real = costed(stages, points), defaultdict(list)
    for unit in build(network, weights, design, skip_zeros=False).units:
        if unit.module != "width_converter" and unit.layer != "input":
            real[unit.layer, unit.module].append(unit.parameters)
    assert {key: len(units) for key, units in found.items()} == {key: len(units) for key, units in real.items()}
    near = {"BUFFER_ROWS", "BANK"}  # buffers are rounded up
    for key, units in real.items():
        if key == ("add5", "cast"):
            continue  # all terms are costed as the widest
        for one, other in zip(found[key], units, strict=True):
            names = (one.keys() & other.keys()) - (near if key[1] == "sliding_window" else set())
            assert {name: plain(other[name]) for name in names} == {name: one[name] for name in names}, key


def test_a_buffer_has_a_row_more_or_less_at_most_than_the_one_that_is_built():
    network, weights = residual()
    design = plan(network, **FOLDINGS)
    stages, points = stage_points(network, design)
    found = costed(stages, points)
    for unit in build(network, weights, design, skip_zeros=False).units:
        if unit.module == "sliding_window":
            (ours,) = found[unit.layer, unit.module]
            assert abs(ours["BUFFER_ROWS"] - unit.parameters["BUFFER_ROWS"]) <= 1


def test_costs_have_error_bars_and_say_what_lies_beyond_them():
    network, _ = residual()
    _, points = stage_points(network, plan(network, **FOLDINGS))
    found = folded.cost(points)
    assert found.errors is not None
    assert (found.errors["lut"] > 0).all()
    assert (found.errors["lut"] < found.lut).all()
    assert found.lut.shape == found.errors["ff"].shape == (12,)
    wide = Builder((512,), ACT)
    network, _ = wide.build(wide.dense("x", 512, ACT, WEIGHT))
    _, points = stage_points(network, plan(network, dense1=Folding(512, 512)))
    assert folded.extrapolated(points).tolist() == [True]


@pytest.mark.parametrize(("memory", "blocks"), [("block", 3), ("distributed", 0)])
def test_weights_are_kept_where_the_folding_says(memory, blocks):
    made = Builder((64,), ACT)
    network, _ = made.build(made.dense("x", 32, SIGNED, WEIGHT))
    _, points = stage_points(network, plan(network, dense1=Folding(4, 4, memory=memory)))
    assert folded.cost(points).bram18[0] == blocks
