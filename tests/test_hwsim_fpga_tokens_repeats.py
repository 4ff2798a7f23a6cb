# SPDX-License-Identifier: Apache-2.0
"""What is said of images without end is what many images do."""

import random

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_hls_rtl_random import designs, networks
from test_hwsim_fpga_tokens import chain

from hwsim.fpga.outline import outline
from hwsim.fpga.tokens import Outside, Pipe, Pipeline, Queue, pattern, simulate, slowest, steady, with_depths
from hwsim.fpga.tokens.engine import Simulation

IMAGES = 40


def goes_on(pipeline: Pipeline) -> bool:
    """Assert that a settled pipeline goes on as it is said to; whether it settled."""
    found = steady(pipeline)
    if found.flow.circle:
        assert simulate(pipeline, 2).circle
        return False
    assert found.settled
    long = simulate(pipeline, IMAGES)
    for images in (1, 2, 3, 7, IMAGES):
        assert found.cycles(images) == long.out_cycles[images - 1, -1] - long.in_cycles[0, 0]
    if found.interval == slowest(pipeline):
        paced = simulate(pipeline, IMAGES, Outside(pace=slowest(pipeline)))
        assert set(np.diff(paced.out_cycles[-4:, -1])) == {found.interval}
        assert paced.occupancy() == found.flow.occupancy()
    return True


@pytest.mark.parametrize("group", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 12))])
def test_random_networks_at_random_depths_go_on_as_said(group: int) -> None:
    settled = []

    @hypothesis.seed(group)
    @settings(
        max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        network = data.draw(networks())
        pipeline = outline(network, data.draw(designs(network))).pipeline()
        rng = random.Random(len(settled))
        shallow = {node.name: rng.randint(2, 5) for node in pipeline.queues}
        settled.extend(goes_on(one) for one in (pipeline, with_depths(pipeline, shallow)))

    check()
    assert sum(settled) > 10


def test_a_start_that_differs_from_what_follows_is_not_taken_for_it() -> None:
    """The FIFO fills up over five images before the source waits for the first time."""
    pipeline = chain(4, 12, Queue(9), Pipe(1, pattern([1], after=2)))
    assert goes_on(pipeline)
    first, later = np.diff(simulate(pipeline, 9).in_cycles[:, -1])[[0, -1]]
    assert first < later


def test_images_are_asked_for_one_after_the_other_or_at_once() -> None:
    pipeline = chain(4, 12, Queue(9), Pipe(3, pattern([1], after=2)))
    step = Simulation(pipeline, 6)
    for images in (1, 2, 5, 6):
        flow, other = step.run(images), simulate(pipeline, images)
        np.testing.assert_array_equal(flow.in_cycles, other.in_cycles)
        np.testing.assert_array_equal(flow.out_cycles, other.out_cycles)
        assert flow.occupancy() == other.occupancy()
