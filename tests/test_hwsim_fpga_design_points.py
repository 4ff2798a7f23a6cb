# SPDX-License-Identifier: Apache-2.0
"""Many foldings at once are the estimates of each of them."""

import numpy as np
import pytest
from cost_networks import LAW, networks, resnet8
from hypothesis import given
from hypothesis import strategies as st

from hwsim import device
from hwsim.design import MEMORIES, MULTIPLIERS
from hwsim.errors import InputError
from hwsim.fpga.design_points import DesignSpace
from hwsim.fpga.outline import outline
from hwsim.fpga.resources import SHELL
from hwsim.targets import estimate

BOARDS = ("pynq-z2", "zcu104")  # with a measured power and without
WHOLE = 0.5 + 1e-6  # estimates are rounded to whole cells, and halves to either side
TIMES = ("latency_us", "interval_us", "energy_uj", "power_w", "ii", "cycles")


@LAW
@given(networks(), st.sampled_from(BOARDS), st.integers(0, 2**16))
def test_points_of_hls4ml_are_estimates(network, board, seed):
    space = DesignSpace(network, device.load(board), "hls4ml")
    rows = space.random(3, seed)
    points = space.evaluate(rows)
    for index, row in enumerate(rows):
        found = estimate(network, f"fpga:{board}", 1, space.design(row))
        for name in TIMES:
            assert getattr(points, name)[index] == pytest.approx(found.field(name), rel=1e-12)
        for name in SHELL:
            assert getattr(points, name)[index] == pytest.approx(found.field(name), abs=WHOLE)


@LAW
@given(networks(), st.sampled_from(BOARDS), st.integers(0, 2**16))
def test_points_of_pe_x_simd_stages_have_the_resources_and_the_slowest_unit_of_estimates(network, board, seed):
    space = DesignSpace(network, device.load(board), "folded")
    rows = space.random(3, seed)
    points = space.evaluate(rows)
    for index, row in enumerate(rows):
        design = space.design(row)
        assert points.ii[index] == outline(network, design).interval
        found = estimate(network, f"fpga:{board}/folded", 1, design)
        assert points.ii[index] <= found.field("ii") * (1 + 1e-12)
        for name in SHELL:
            assert getattr(points, name)[index] == pytest.approx(found.field(name), abs=WHOLE)


def test_foldings_are_found_by_their_numbers():
    space = DesignSpace(resnet8(), device.load("pynq-z2"), "folded")
    rows = space.random(50, 3)
    chosen = [[space.options.foldings[row] for row in point] for point in rows]
    foldings = {name: np.array([[getattr(one, name) for one in point] for point in chosen]) for name in ("pe", "simd")}
    for name, known in (("multiplier", MULTIPLIERS), ("memory", MEMORIES)):
        foldings[name] = np.array([[known.index(getattr(one, name)) for one in point] for point in chosen])
    np.testing.assert_array_equal(space.find(foldings), rows)
    foldings["pe"][7, 1] = 5
    with pytest.raises(InputError, match=r"relu2: got pe=5; expected one of its 5 legal foldings; see DesignSpace"):
        space.find(foldings)


def test_no_points_are_no_error():
    space = DesignSpace(resnet8(), device.load("pynq-z2"), "hls4ml")
    assert space.evaluate(space.random(0, 0)).lut.shape == (0,)
