# SPDX-License-Identifier: Apache-2.0
"""The outline of a network is the hardware that hls builds of it, unit by unit and wire by wire."""

import hypothesis
import pytest
from hls_networks import Builder
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strategies import weights_for
from test_hls_depths import residual
from test_hls_rtl_random import designs, networks, pruned

from hls.layers import build
from hls.tokens import pipeline
from hwsim.design import Design, Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga.outline import Outline, outline
from hwsim.fpga.tokens import simulate
from hwsim.network import Network, Weights


def same(network: Network, weights: Weights, design: Design, *, skip_zeros: bool = False) -> Outline:
    """Assert that the outline's units, wires, cycles and depths are those of the hardware."""
    found = outline(network, design, weights if skip_zeros else None)
    dataflow = build(network, weights, design, skip_zeros=skip_zeros)
    for one, other in zip(found.units, dataflow.units, strict=True):
        assert (one.name, one.module, one.layer, one.inputs, one.outputs) == (
            other.name, other.module, other.layer, other.inputs, other.outputs)  # fmt: skip
        assert one.timing == other.timing
        assert all(value == other.parameters[name] for name, value in one.numbers.items())
    for end, other_end in ((found.input, dataflow.input), (found.output, dataflow.output)):
        assert (end.wire, end.lanes, end.beats, end.image) == (
            other_end.wire, other_end.lanes, other_end.beats, other_end.image)  # fmt: skip
    assert found.interval == dataflow.interval
    flow, other_flow = simulate(found.pipeline(), 3), simulate(pipeline(dataflow), 3)
    assert flow.in_cycles.tolist() == other_flow.in_cycles.tolist()
    assert flow.out_cycles.tolist() == other_flow.out_cycles.tolist()
    return found


@pytest.mark.parametrize("group", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 12))])
def test_random_networks_are_outlined_as_they_are_built(group: int) -> None:
    sparse: list[bool] = []

    @hypothesis.seed(group)
    @settings(
        max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        network = data.draw(networks())
        design = data.draw(designs(network))
        same(network, weights_for(network, 0), design)
        found = same(network, data.draw(pruned(network)), design, skip_zeros=True)
        sparse.append(any(unit.module == "sparse_matrix_vector" for unit in found.units))

    check()
    assert 0 < sum(sparse) < len(sparse)


def test_a_residual_network_parts_and_meets_as_it_is_built() -> None:
    network, weights = residual(5, 6)
    found = same(network, weights, Design(network.hash, "none", 100.0, backend="Slimfab"))
    assert sum(unit.module == "stream_fork" for unit in found.units) == 1


def test_what_has_no_outline_says_why() -> None:
    network, _ = residual(3, 3)
    folding = {"conv2d2": Folding(strategy="distributed_arithmetic")}
    with pytest.raises(UnsupportedError, match="conv2d2: got strategy distributed_arithmetic; expected one whose cyc"):
        outline(network, Design(network.hash, "none", 100.0, backend="Slimfab", folding=folding))
    unquantised = network.with_bits(8)
    with pytest.raises(UnsupportedError, match="residual: got float tensors, or several inputs or outputs; expected"):
        outline(unquantised, Design(unquantised.hash, "none", 100.0, backend="Slimfab"))
    softmax = Builder((4,), FixedPoint(8, 4))
    network, _ = softmax.build(softmax.add("softmax", "x", FixedPoint(8, 7)))
    with pytest.raises(UnsupportedError, match="softmax1: got softmax; expected one of input, output, .*; choose targ"):
        outline(network, Design(network.hash, "none", 100.0, backend="Slimfab"))
