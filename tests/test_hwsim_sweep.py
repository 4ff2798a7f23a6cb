# SPDX-License-Identifier: Apache-2.0
"""Many variants at once: every figure is that of the network built and estimated by itself."""

import numpy as np
import pytest
from cost_networks import LAW, Draft, mobilenet_v1, networks, resnet8
from hypothesis import given
from hypothesis import strategies as st

from hwsim import ops, targets
from hwsim.errors import InputError, NetworkError
from hwsim.npu.problem import problem
from hwsim.sweep import by_kernel, sweep
from hwsim.variants import variants
from hwsim.workload import Kernel, workload

TARGETS = ("cpu:cortex-a9", "cpu:cortex-a72", "gpu:jetson-orin", "gpu:a100", "npu:eyeriss", "npu:gemmini",
           "npu:tpu-v1", "npu:gemmini/os", "npu:gemmini/is")  # fmt: skip


def free_layers(network):
    """Layers whose width may be chosen alone: no branch adds what they write to anything else."""
    added = {name for layer in network.layers if layer.op == "add" for name in layer.inputs}
    behind = set(added)
    for layer in reversed(network.layers):
        if layer.op not in ops.WEIGHTED and set(layer.outputs) & behind:
            behind |= set(layer.inputs)
        if layer.op == "conv2d" and layer.attrs["groups"] > 1 and set(layer.outputs) & behind:
            behind |= set(layer.inputs)
    return [
        layer.name for layer in network.layers
        if layer.op in ops.WEIGHTED and layer.attrs.get("groups", 1) == 1 and layer.output not in behind
    ]  # fmt: skip


def drawn(network, count, seed):
    """Widths from one channel to twice as many as there were, the layers of a sum left alone."""
    generator = np.random.default_rng(seed)
    return {
        name: generator.integers(1, 2 * network.tensors[network.layer(name).output].shape[0] + 1, count)
        for name in free_layers(network)
    }


def built(network, widths, index):
    return network.with_widths({name: int(counts[index]) for name, counts in widths.items()})


@LAW
@given(networks(8), st.integers(0, 1000))
def test_columns_are_those_of_the_networks(network, seed):
    widths = drawn(network, 3, seed)
    many = variants(network, widths)
    for index in range(3):
        single, loops = workload(built(network, widths, index)), problem(built(network, widths, index)).loops
        rows = slice(index * len(single.kernels), (index + 1) * len(single.kernels))
        for name in Kernel.__dataclass_fields__:
            if name not in ("name", "op", "kind", "fused", "window", "epilogue", "reads"):
                assert many.work.column(name)[rows].tolist() == single.column(name).tolist(), name
        assert many.work.kind_index[rows].tolist() == single.kind_index.tolist()
        for name, column in loops.items():
            assert many.array.loops[name][rows].tolist() == column.tolist(), name


@pytest.mark.parametrize(
    "network", [resnet8(), mobilenet_v1(alpha=0.25, size=96), mobilenet_v1(None, None, 0.5, 64)], ids=["r8", "m8", "mf"]
)
@pytest.mark.parametrize("batch", [1, 5])
def test_figures_are_those_of_single_estimates(network, batch):
    widths = drawn(network, 5, 3)
    found = sweep(variants(network, widths), TARGETS, batch)
    assert found.latency_us.shape == found.energy_uj.shape == (5, len(TARGETS))
    for index in range(5):
        single = targets.compare(built(network, widths, index), TARGETS, batch)
        assert found.latency_us[index] == pytest.approx([one.latency_us.value for one in single], rel=1e-9)
        assert found.energy_uj[index] == pytest.approx([one.energy_uj.value for one in single], rel=1e-9)


@pytest.mark.parametrize("figure", ["latency_us", "energy_uj"])
@pytest.mark.parametrize("target", TARGETS)
def test_kernels_add_up_to_the_figure(target, figure):
    network = mobilenet_v1(alpha=0.25, size=96)
    many = variants(network, drawn(network, 40, 7))
    found = by_kernel(many, target, figure)
    stays = found.weight_bytes.sum(axis=1) <= found.cache_bytes
    total = found.fixed + np.where(stays[:, None], found.cached, found.streamed).sum(axis=1)
    assert total == pytest.approx(getattr(sweep(many, [target]), figure)[:, 0], rel=1e-12)
    assert (found.streamed >= found.cached).all()
    if target == "cpu:cortex-a9":  # half a MiB of cache: some variants fit
        assert 0 < stays.sum() < 40


def test_concatenated_and_grouped_branches_follow_their_inputs():
    draft = Draft(8, 16, 16)
    source = draft.conv(8)
    left = draft.conv(12, source=source)
    right = draft.conv(4, 1, source=source)
    draft.layer("concat", left, right)
    draft.conv(16, groups=4)
    draft.formats |= {"scale": draft.activation, "shift": draft.activation}
    draft.layer("batch_norm", params={"scale": (16,), "shift": (16,)})
    draft.head(7)
    network = draft.network()
    names = [layer.name for layer in network.layers if layer.op == "conv2d"]
    widths = {names[1]: [20, 8], names[2]: [4, 8]}
    many = variants(network, widths)
    for index in range(2):
        single = workload(network.with_widths({name: counts[index] for name, counts in widths.items()}))
        assert many.per_variant(many.work.column("macs"))[index].tolist() == single.column("macs").tolist()
        assert many.per_variant(many.work.column("weights"))[index].tolist() == single.column("weights").tolist()


def test_what_is_no_variant_is_refused():
    network, thin = resnet8(), mobilenet_v1(alpha=0.25, size=96)
    convs = [layer.name for layer in network.layers if layer.op == "conv2d"]
    depthwise = next(layer.name for layer in thin.layers if layer.attrs.get("groups", 1) > 1)
    draft = Draft(8, 8, 8)
    draft.conv(8)
    draft.conv(8, groups=2)
    grouped = draft.network()
    for base, widths, message in (
        (
            network,
            {convs[1]: [4, 8], convs[2]: [4]},
            "got widths of [1, 2] variants; expected one length",
        ),
        (network, {}, "got widths of [] variants; expected one length"),
        (network, {convs[1]: [0]}, f"{convs[1]}: got a width that is no whole number >= 1"),
        (network, {convs[1]: [2.5]}, f"{convs[1]}: got a width that is no whole number >= 1"),
        (network, {convs[2]: [3]}, "its inputs differ in channels in some variant; give their layers one width"),
        (thin, {depthwise: [3]}, f"{depthwise}: has no width of its own; name a convolution or dense layer"),
        (grouped, {grouped.layers[1].name: [7]}, "groups=2 must divide the channels of every variant"),
    ):
        with pytest.raises(NetworkError) as error:
            variants(base, widths)
        assert message in str(error.value)


def test_fpgas_and_empty_batches_are_refused():
    many = variants(resnet8(), drawn(resnet8(), 2, 0))
    with pytest.raises(InputError, match="sweep: got fpga:pynq-z2; expected no fpga, eager or sparse one; estimate"):
        sweep(many, ["cpu:cortex-a9", "fpga:pynq-z2"])
    with pytest.raises(InputError, match="by_kernel: got cpu:cortex-a9.ii; expected latency_us or energy_uj of a cpu"):
        by_kernel(many, "cpu:cortex-a9", "ii")
    with pytest.raises(InputError, match="batch: got 0; expected a whole number >= 1"):
        sweep(many, TARGETS, 0)
