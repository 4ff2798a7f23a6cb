# SPDX-License-Identifier: Apache-2.0
"""Operators that no model knows: listed with their share, never counted, never free."""

import numpy as np
import pytest

from hwsim import serial, targets
from hwsim.card import card
from hwsim.coverage import covered_values, remarks, uncovered
from hwsim.errors import NetworkError, UnsupportedError
from hwsim.estimate import Estimate
from hwsim.network import Layer, Network, Tensor
from hwsim.reference import execute
from hwsim.verdict import verdict

NAMES = ("cpu:cortex-a72", "cpu:cortex-a72/sparse", "gpu:jetson-orin", "gpu:h100/eager", "npu:eyeriss", "fpga:zcu104",
         "fpga:zcu104/folded")  # fmt: skip


def network(macs: int | None = 3000, *, without: bool = False) -> Network:
    """A dense layer of 1000 products, an opaque one, and another dense layer of 1000; the latter two side by side."""
    opaque = Layer(
        "attend", "opaque", ("a",), ("b",), {"operator": "Attention", "shape": (20,), "macs": macs}, {"constants": "c"}
    )
    layers = (
        Layer("x", "input", (), ("x",)),
        Layer("first", "dense", ("x",), ("a",), {}, {"weight": "w"}),
        *(() if without else (opaque,)),
        Layer("last", "dense", ("a" if without else "b",), ("y",), {}, {"weight": "v"}),
    )
    shapes = {"x": (50,), "w": (20, 50), "a": (20,), "v": (50, 20), "y": (50,)}
    shapes |= {} if without else {"b": (20,), "c": (7,)}
    return Network("net", layers, {name: Tensor(shape) for name, shape in shapes.items()}, ("x",), ("y",))


def test_shares_are_of_all_macs_and_of_all_values() -> None:
    (one,) = uncovered(network())
    assert (one.operator, one.layers, one.macs) == ("Attention", ("attend",), 3000)
    assert one.macs_share == 3000 / 5000
    assert one.values_share == 20 / 90
    assert covered_values(network()) == 70 / 90
    assert one.text() == "Attention (1 layer): 60.0% of the MACs, 22.2% of the values written"
    assert uncovered(network(without=True)) == remarks(()) == ()


def test_macs_that_nobody_knows_are_said_to_be_unknown() -> None:
    (one,) = uncovered(network(None))
    assert (one.macs, one.macs_share) == (None, 0.0)
    assert one.text() == "Attention (1 layer): MACs not known, 22.2% of the values written"
    (one,) = uncovered(network(0))
    assert one.text() == "Attention (1 layer): no MACs, 22.2% of the values written"


@pytest.mark.parametrize("target", NAMES)
def test_estimates_count_the_others_and_say_so(target: str) -> None:
    found, rest = targets.estimate(network(), target), targets.estimate(network(without=True), target)
    assert not found.is_complete
    assert rest.is_complete
    assert [layer.name for layer in found.layers] == [layer.name for layer in rest.layers]
    assert found.latency_us.high >= rest.latency_us.value  # FPGA stages around a gap are costed to first order
    (line,) = [note for note in found.notes if note.startswith("incomplete: ")]
    assert line == remarks(uncovered(network()))[0]
    assert serial.from_json(Estimate, serial.to_json(found), "estimate") == found
    shown = card(network(), targets.parse(target).device, found)
    assert shown.covered == 2000 / 5000
    assert shown.uncovered == uncovered(network())
    assert 0 <= shown.utilisation <= 1


def test_verdicts_are_of_what_is_covered() -> None:
    estimates = targets.compare(network(), ["cpu:cortex-a72", "gpu:jetson-orin"])
    assert verdict(estimates, "latency_us").text().endswith("; of the layers that are covered")


def test_what_must_be_exact_refuses() -> None:
    weights = {name: np.zeros(network().tensors[name].shape) for name in network().parameter_names}
    message = (
        "attend: operator 'Attention' is not supported; its costs can be listed as not covered, but it cannot be "
        "executed; replace it in the model"
    )
    with pytest.raises(UnsupportedError) as error:
        execute(network(), weights, np.zeros((1, 50)))
    assert str(error.value) == message


def test_widths_before_an_opaque_layer_stay() -> None:
    assert network().with_widths({"last": 10}).macs() == 1000 + 3000 + 200
    with pytest.raises(NetworkError) as error:
        network().with_widths({"first": 10})
    assert str(error.value) == (
        "attend: got inputs [(10,)]; what 'Attention' makes of other shapes than [(20,)] is not known; keep the "
        "widths of the layers before it"
    )


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"shape": (20,)}, "attend: attribute 'operator' of opaque is missing"),
        ({"operator": "A", "shape": (0,)}, r"attend: shape=\(0,\); expected positive whole numbers"),
        ({"operator": "A", "shape": (20,), "macs": -1}, "attend: macs=-1; expected a whole number >= 0, or None"),
    ],
)
def test_attributes_that_are_none(attrs: dict, message: str) -> None:
    tensors = {"x": Tensor((20,)), "y": Tensor((20,))}
    layers = (Layer("x", "input", (), ("x",)), Layer("attend", "opaque", ("x",), ("y",), attrs))
    with pytest.raises(NetworkError, match=message):
        Network("net", layers, tensors, ("x",), ("y",))
