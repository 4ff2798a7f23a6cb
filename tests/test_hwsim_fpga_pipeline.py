# SPDX-License-Identifier: Apache-2.0
import numpy as np
from cost_networks import LAW, Draft, networks
from hypothesis import given
from hypothesis import strategies as st

from hwsim.fpga.pipeline import Timing, head_share, interval, latency, tail_share
from hwsim.fpga.stages import pipeline


def stages_of(build):
    draft = Draft(4, 8, 8)
    build(draft)
    return pipeline(draft.network())


def test_the_interval_is_the_slowest_stage():
    assert interval(Timing(np.array([3.0, 9.0, 4.0]), np.zeros(3))) == 9


def test_one_stage_takes_its_work_and_its_depth():
    stages = stages_of(lambda draft: draft.relu())
    assert latency(stages, Timing(np.array([64.0]), np.array([5.0])), 0.0) == 69
    assert latency(stages, Timing(np.array([64.0]), np.array([5.0])), 1000.0) == 1006  # waits for the last pixel


def test_stages_overlap():
    stages = stages_of(lambda draft: (draft.relu(), draft.relu(), draft.relu()))
    found = latency(stages, Timing(np.full(3, 640.0), np.zeros(3)), 64.0)
    assert 640 < found < 640 + 3 * 20


def test_a_window_waits_for_its_rows_and_leaves_a_tail():
    stages = stages_of(lambda draft: draft.conv(4)).stages
    assert head_share(stages[0]) == (8 + 2) / 64  # a row and two pixels of 8 x 8
    assert tail_share(stages[0]) == (8 + 1) / 64  # the rows 6 and 7 need the last input row


def test_global_pooling_and_dense_layers_need_the_whole_image():
    stages = stages_of(lambda draft: draft.head(4)).stages
    assert [head_share(stage) for stage in stages] == [1.0, 0.0]
    flat = stages_of(lambda draft: (draft.layer("flatten"), draft.dense(4))).stages[0]
    assert head_share(flat) == tail_share(flat) == 1.0


def test_the_longer_branch_decides():
    def residual(draft):
        skip = draft.last
        draft.conv(4)
        draft.layer("add", draft.last, skip)

    stages = stages_of(residual)
    short = latency(stages, Timing(np.array([100.0, 64.0]), np.zeros(2)), 64.0)
    long = latency(stages, Timing(np.array([5000.0, 64.0]), np.zeros(2)), 64.0)
    assert long > 5000 > short


@LAW
@given(networks(), st.data())
def test_faster_stages_never_make_a_pipeline_slower(network, data):
    stages = pipeline(network)
    count = len(stages.stages)
    busy = np.array(data.draw(st.lists(st.integers(1, 10_000), min_size=count, max_size=count)), dtype=float)
    faster = busy.copy()
    faster[data.draw(st.integers(0, count - 1))] /= 2
    depth = np.full(count, 3.0)
    before, after = (latency(stages, Timing(cycles, depth), 50.0) for cycles in (busy, faster))
    assert after <= before * (1 + 1e-12)
    assert before >= interval(Timing(busy, depth))
    assert before <= 50 + float((2 * busy + depth).sum())
