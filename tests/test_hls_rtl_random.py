# SPDX-License-Identifier: Apache-2.0
"""Random small networks at random foldings as SystemVerilog.

The integers equal the golden executor's, whether source and sink pause or not; every beat passes in the cycle of the
token level, which knows the most that every FIFO holds. No network is faster than its slowest unit, and none slower
whose FIFOs are deep enough.
"""

import math
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import strategies as some
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rtl_efforts import REPLACED
from rtl_units import counters_agree
from strategies import HARDWARE, Sketch, data_for, weights_for
from token_runs import compared

from hls.beats import to_stream
from hls.dataflow import Dataflow
from hls.emit import write
from hls.layers import LOWERINGS, build
from hls.rtl_sim import Run, Stalls, simulate
from hwsim import reference
from hwsim.design import MEMORIES, MULTIPLIERS, Design, Folding
from hwsim.fpga import folded
from hwsim.fpga.counted import Counted, count
from hwsim.fpga.folding import chain_fifo_depths, cost_of
from hwsim.fpga.stages import pipeline
from hwsim.network import Network, Weights

GROUPS = 12  # of ten networks each; the first is in the default suite
IMAGES = 12
STALLS = (Stalls(), Stalls(0.3, 0.4, 12), Stalls(0.0, 0.6, 5), Stalls(0.5, 0.0, 3))


def averaged(draw: st.DrawFn, sketch: Sketch) -> None:
    """An average in which padding, where there is some, counts: the hardware divides by one number."""
    attrs = sketch.window()
    sketch.layer("avg_pool2d", attrs={**attrs, "count_include_pad": any(attrs["padding"]) or draw(st.booleans())})


BLOCKS = (
    some.plain, some.plain, some.depthwise, some.grouped, some.residual, some.joined, some.normed, some.rectified,
    some.clipped, some.max_pooled, averaged, some.halved, some.upsampled, some.padded, some.recast, some.stepped,
    some.looked_up,
)  # fmt: skip


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """An image of any shape, one to four blocks, and perhaps a global pooling, a classifier, and its choice."""
    sketch = Sketch(draw, draw(st.tuples(*[st.integers(1, 6)] * 3)), HARDWARE)
    for block in draw(st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=4)):
        block(draw, sketch)
    if draw(st.booleans()):
        sketch.layer(draw(st.sampled_from(["global_avg_pool", "global_max_pool"])))
    if draw(st.booleans()):
        sketch.layer("flatten")
        width = draw(st.integers(1, 6))
        sketch.layer("dense", weight=(width, sketch.shape()[0]), bias=(width,))
        if draw(st.booleans()):
            some.chosen(draw, sketch)
    return sketch.network()


@st.composite
def designs(draw: st.DrawFn, network: Network) -> Design:
    """Any legal folding, products and weights anywhere, FIFOs by default, as the cost model has them, or ample."""
    stages = pipeline(network)
    folding = {
        stage.name: Folding(
            draw(st.sampled_from(folded.legal_pe(stage)[::-1])),
            draw(st.sampled_from(folded.legal_simd(stage)[::-1])),
            multiplier=draw(st.sampled_from(MULTIPLIERS)),
            memory=draw(st.sampled_from([one for one in MEMORIES if one != "ultra"])),
        )
        for stage in stages.stages
    }
    depths = draw(st.sampled_from([{}, chain_fifo_depths(stages), ample(network)]))
    return Design(network.hash, "none", 100.0, backend="Slimfab", folding=folding, fifo_depths=depths)


def ample(network: Network) -> dict[str, int]:
    """FIFOs of two images: rows that come in a burst, or that wait for one, hold nobody up."""
    return {name: 2 * math.prod(tensor.shape[1:]) for name, tensor in network.tensors.items()}


@st.composite
def pruned(draw: st.DrawFn, network: Network) -> Weights:
    """Random weights; of some layers whole rows, input channels or kernel positions are zero."""
    weights = weights_for(network, draw(st.integers(0, 2**16)))
    for layer in network.layers:
        if layer.op not in ("conv2d", "dense"):
            continue
        weight = weights[layer.params["weight"]]
        axis = draw(st.sampled_from([None, *range(weight.ndim)]))
        if axis is not None:
            kept = draw(st.lists(st.booleans(), min_size=weight.shape[axis], max_size=weight.shape[axis]))
            shape = [-1 if number == axis else 1 for number in range(weight.ndim)]
            weights[layer.params["weight"]] = weight * np.array(kept, dtype=np.int64).reshape(shape)
    return weights


@pytest.mark.needs("verilator", "g++")
@pytest.mark.parametrize("group", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, GROUPS))])
def test_random_networks_are_exact(group: int, tmp_path: Path, rtl_cache: Path) -> None:
    @hypothesis.seed(group)
    @settings(
        max_examples=10,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # shrinking would compile hundreds of networks
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        network = data.draw(networks())
        weights, design = data.draw(pruned(network)), data.draw(designs(network))
        runs = exact_runs(network, weights, design, tmp_path, rtl_cache)
        if group == 1:
            runs_alike_fast(network, weights, design, runs, tmp_path, rtl_cache)

    check()


def exact_runs(network: Network, weights: Weights, design: Design, folder: Path, cache: Path) -> list[Run]:
    """One for each of STALLS."""
    dataflow, images = build(network, weights, design), data_for(network, IMAGES)
    golden = to_stream(dataflow.output, reference.execute(network, weights, images))
    runs = [run for run, _ in compared(dataflow, to_stream(dataflow.input, images), STALLS, folder / "plain", cache)]
    for run in runs:
        np.testing.assert_array_equal(run.values, golden)
        counters_agree(dataflow, run)
    interval = runs[0].interval
    assert interval is not None
    assert interval >= dataflow.interval
    if design.fifo_depths == ample(network):
        assert interval == dataflow.interval
    counted = count(network, design, IMAGES, weights)
    assert isinstance(counted, Counted)
    assert counted.total == runs[0].out_cycles[-1, -1] - runs[0].in_cycles[0, 0]
    dense = busy(build(network, weights, design, skip_zeros=False))
    assert not design.folding or dense == slowest_stage(network, design)
    assert busy(dataflow) <= dense
    return runs


def runs_alike_fast(
    network: Network, weights: Weights, design: Design, runs: list[Run], folder: Path, cache: Path
) -> None:
    dataflow = build(network, weights, design)
    write(dataflow, folder / "fast")
    values = to_stream(dataflow.input, data_for(network, IMAGES))
    for stalls, plain in zip(STALLS[:2], runs, strict=False):
        run = simulate(dataflow, folder / "fast", values, stalls, cache=cache, optimise=REPLACED)
        np.testing.assert_array_equal(run.values, plain.values)
        np.testing.assert_array_equal(run.in_cycles, plain.in_cycles)
        np.testing.assert_array_equal(run.out_cycles, plain.out_cycles)
        assert run.counters == plain.counters


def busy(dataflow: Dataflow) -> int:
    """The interval of the slowest unit that is no converter between lanes; those stand between stages."""
    return max(unit.timing.interval for unit in dataflow.units if unit.module != "width_converter")


def slowest_stage(network: Network, design: Design) -> float:
    """The interval that the cost model states, which knows no weights."""
    stages = pipeline(network)
    foldings = tuple(design.folding[stage.name] for stage in stages.stages)
    return float(cost_of(stages, np.arange(len(foldings)), foldings, "folded", "io_stream", {}).busy.max())


def test_every_operator_that_has_a_template_is_drawn() -> None:
    drawn = {"input", "conv2d", "add", "concat", "batch_norm", "relu", "clip", "max_pool2d", "avg_pool2d", "flatten"}
    drawn |= {"upsample2d", "pad2d", "requantise", "threshold", "lookup", "argmax", "dense"}
    assert drawn | {"global_avg_pool", "global_max_pool", "output"} == set(LOWERINGS)
