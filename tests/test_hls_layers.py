# SPDX-License-Identifier: Apache-2.0
"""What can be built is known before any weight is: layer by layer, at the folding for a board."""

import pytest
from hls_networks import Builder
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies import weights_for
from test_hls_emit import ACT, WEIGHT, tiny
from test_hls_rtl_random import designs, networks, slowest_stage

from hls.layers import build, explain
from hwsim import device
from hwsim.design import Design, Folding
from hwsim.errors import NetworkError
from hwsim.network import Layer, Network, Tensor

BOARD = device.load("pynq-z2")


def test_a_network_all_of_whose_layers_have_a_template() -> None:
    network, _, _ = tiny()
    assert set(explain(network, BOARD).values()) == {""}


def test_every_layer_that_is_refused_says_why_and_those_behind_it_are_looked_at() -> None:
    draft = Builder((4, 6, 6), ACT)
    x = draft.add("clip", "x", ACT, low=-0.1, high=1.0)
    x = draft.add("avg_pool2d", x, ACT, kernel=(2, 2), stride=(1, 1), padding=(1, 1, 1, 1), count_include_pad=False)
    network, _ = draft.build(draft.conv(x, 4, (3, 3), ACT, WEIGHT))
    found = explain(network, BOARD)
    assert [name for name, why in found.items() if why] == ["clip1", "avg_pool2d2"]
    assert found["clip1"].startswith("got bounds -0.1 and 1.0; expected multiples of 2**-31")


def test_a_float_network_is_judged_at_eight_bits() -> None:
    layers = (Layer("in", "input", (), ("x",)), Layer("sigmoid", "sigmoid", ("x",), ("y",)))
    network = Network("float", layers, {"x": Tensor((3,)), "y": Tensor((3,))}, ("x",), ("y",))
    assert "got sigmoid; expected one of input" in explain(network, BOARD)["sigmoid"]


def test_what_concerns_no_single_layer_is_an_error() -> None:
    network, _, _ = tiny()
    two = Network("two", network.layers, network.tensors, network.inputs, (*network.outputs, "conv2d1.out"))
    with pytest.raises(NetworkError, match=r"^two: got 1 inputs and 2 outputs; expected one of each; split the net"):
        explain(two, BOARD)


@pytest.mark.parametrize(("pe", "lanes"), [(1, 1), (2, 1), (4, 2), (8, 4)])
def test_the_input_comes_in_the_lanes_of_a_depthwise_layer(pe: int, lanes: int) -> None:
    draft = Builder((4, 6, 6), ACT)
    network, weights = draft.build(draft.conv("x", 8, (3, 3), ACT, WEIGHT, groups=4))
    plan = Design(network.hash, "none", 100.0, backend="Slimfab", folding={"conv2d1": Folding(pe, 1)})
    dataflow = build(network, weights, plan)
    assert dataflow.input.lanes == lanes
    assert all(unit.module != "width_converter" for unit in dataflow.units)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_the_cost_model_states_the_interval_of_the_slowest_stage(data: st.DataObject) -> None:
    network = data.draw(networks())
    design = data.draw(designs(network))
    assume(design.folding)
    units = build(network, weights_for(network), design, skip_zeros=False).units
    # Converters between lanes, and casts of the network's input, stand between stages.
    stages = [unit for unit in units if unit.layer in design.folding and unit.module != "width_converter"]
    assert max(unit.timing.interval for unit in stages) == slowest_stage(network, design)
