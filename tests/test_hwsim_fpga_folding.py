# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np
import pytest
import yaml
from cost_networks import LAW, Draft, networks, resnet8
from hypothesis import given
from hypothesis import strategies as st

from hwsim import device
from hwsim.fpga import hls4ml
from hwsim.fpga.folding import RESOURCES, all_options, choose, choose_design, cost_of, safe_fifo_depths
from hwsim.fpga.folding.joints import joints, joints_of_design
from hwsim.fpga.folding.lanes import converters
from hwsim.fpga.resources import SHELL
from hwsim.fpga.stages import pipeline


def board(**numbers):
    data = yaml.safe_load((device.FOLDER / "pynq-z2.yaml").read_text())
    data["name"] = f"board-{sorted(numbers.items())}"
    for name, value in numbers.items():
        data["numbers"][name]["value"] = value
    return device.parse(data, "board")


def interval_of(network, design, mapping):
    stages = pipeline(network)
    options = all_options(stages, mapping, design.io_type)
    default = [options.foldings[start] for start in options.starts]
    foldings = tuple(design.folding.get(stage.name, fallback)
                     for stage, fallback in zip(stages.stages, default, strict=True))  # fmt: skip
    cost = cost_of(stages, np.arange(len(foldings)), foldings, mapping, design.io_type, design.fifo_depths)
    beside = beside_cells(network, stages, foldings) if mapping == "folded" else dict.fromkeys(RESOURCES, 0.0)
    return cost.busy.max(), {name: getattr(cost, name).sum() + beside[name] + SHELL[name] for name in RESOURCES}


def beside_cells(network, stages, foldings):
    cells = joints_of_design(network, stages, foldings).cells(np.arange(len(foldings)))
    return dict(zip(RESOURCES, cells.tolist(), strict=True))


def every_use(network, options, mapping, per_stage):
    """Rows of the options and the resources of all combinations."""
    stages = pipeline(network)
    every = np.array(list(itertools.product(*per_stage)))
    cells = np.zeros((len(RESOURCES), len(every)))
    if mapping == "folded":
        told = stages, options.stage, options.foldings
        cells = joints(*told, converters(network, *told)).cells(every.T)
    for rows, beside in zip(every, cells.T, strict=True):
        yield rows, {name: getattr(options.cost, name)[rows].sum() + extra + SHELL[name]
                     for name, extra in zip(RESOURCES, beside, strict=True)}  # fmt: skip


def brute_force(network, mapping, limits):
    """The shortest interval of all combinations of foldings that fit."""
    stages = pipeline(network)
    options = all_options(stages, mapping, "io_stream")
    per_stage = [np.flatnonzero(options.stage == index) for index in range(len(stages.stages))]
    best = np.inf
    for rows, used in every_use(network, options, mapping, per_stage):
        if all(used[name] <= limits[name] for name in RESOURCES):
            best = min(best, options.cost.busy[list(rows)].max())
    return best


def tiny():
    draft = Draft(2, 6, 6)
    draft.conv(4)
    draft.relu()
    draft.conv(3)
    return draft.network()


@pytest.mark.parametrize("mapping", ["hls4ml", "folded"])
@pytest.mark.parametrize("lut", [7_300, 7_600, 8_000, 9_000, 12_000])
def test_the_search_finds_the_optimum_of_all_combinations(mapping, lut):
    plenty = {"ff": 1_000_000, "dsp": 10_000, "bram18": 10_000}
    place = board(lut=lut, **plenty)
    limits = {name: place[name] * place["utilisation"] for name in RESOURCES}
    network = tiny()
    found, used = interval_of(network, choose_design(network, place, mapping), mapping)
    best = brute_force(network, mapping, limits)
    if np.isfinite(best):
        assert found == best
        assert all(used[name] <= limits[name] for name in RESOURCES)


@pytest.mark.parametrize("mapping", ["hls4ml", "folded"])
def test_larger_boards_are_never_slower(mapping):
    intervals = [interval_of(resnet8(), choose_design(resnet8(), device.load(name), mapping), mapping)[0]
                 for name in ("pynq-z2", "ultra96", "zcu104", "u250")]  # fmt: skip
    assert intervals == sorted(intervals, reverse=True)
    assert intervals[0] > intervals[-1]


@LAW
@given(networks(), st.sampled_from(("hls4ml", "folded")))
def test_chosen_designs_fit_the_share_of_the_board_they_may_use(network, mapping):
    place = device.load("pynq-z2")
    design = choose_design(network, place, mapping)
    _, used = interval_of(network, design, mapping)
    assert all(used[name] <= place[name] * place["utilisation"] for name in RESOURCES)


def largest_excess(used, limits, place):
    return max((used[name] - limits[name]) / place[name] for name in RESOURCES)


@pytest.mark.parametrize("mapping", ["hls4ml", "folded"])
def test_where_nothing_fits_the_design_comes_as_near_as_any(mapping):
    network, place = tiny(), board(lut=5_500, bram18=7, dsp=1, ff=7_100)
    limits = {name: place[name] * place["utilisation"] for name in RESOURCES}
    found = choose(network, place, mapping)
    _, used = interval_of(network, found.design, mapping)
    assert used == pytest.approx(found.used)
    options = all_options(pipeline(network), mapping, "io_stream")
    per_stage = [np.flatnonzero(options.stage == index) for index in range(len(pipeline(network).stages))]
    best = min(largest_excess(each, limits, place) for _, each in every_use(network, options, mapping, per_stage))
    assert best > 0
    assert largest_excess(used, limits, place) == pytest.approx(best, rel=2e-3)  # the steps of the search
    assert found.misses == {name: pytest.approx(used[name] - limits[name]) for name in RESOURCES
                            if used[name] > limits[name]}  # fmt: skip


def test_images_stream_and_vectors_run_in_parallel():
    draft = Draft(16)
    draft.dense(5)
    place = device.load("pynq-z2")
    assert choose_design(draft.network(), place, "hls4ml").io_type == "io_parallel"
    assert choose_design(resnet8(), place, "hls4ml").io_type == "io_stream"


def test_no_option_unrolls_more_than_hls_allows():
    draft = Draft(256)
    draft.dense(256)
    options = all_options(pipeline(draft.network()), "hls4ml", "io_parallel")
    assert min(folding.reuse_factor for folding in options.foldings) == 256 * 256 / hls4ml.MAX_UNROLL


def test_fifos_are_short_in_chains_and_hold_an_image_where_branches_meet():
    draft = Draft(4, 8, 8)
    fork = draft.conv(4)
    inner = draft.conv(4)
    branch = draft.conv(4)
    joined = draft.layer("add", branch, fork)
    assert safe_fifo_depths(pipeline(draft.network())) == {fork: 64, inner: 32, branch: 64, joined: 32}
