# SPDX-License-Identifier: Apache-2.0
"""Thresholds, tables, scaling and argmax within networks."""

from pathlib import Path

import pytest
from hls_networks import Builder, corner_images
from rtl_efforts import PLAIN
from test_hls_emit import ACT, UNSIGNED, WEIGHT, design

from hls.layers import build
from hls.rtl_sim import RtlExecutor
from hls.verify import verify
from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Network, Weights

INTEGER, CLASS = FixedPoint(12, 0, True, "RND", "SAT"), FixedPoint(3, 0, False)


class Pointwise(Builder):
    def per_channel(self, op: str, x: str, fmt: FixedPoint, **formats: tuple[tuple[int, ...], FixedPoint]) -> str:
        """A layer with parameters of one row per channel: role=(further axes, format)."""
        channels = self.tensors[x].shape[0]
        number = len(self.layers)
        params = {
            role: self.parameter(f"{role}{number}", (channels, *axes), parameter)
            for role, (axes, parameter) in formats.items()
        }
        return self.add(op, x, fmt, params)

    def threshold(self, x: str, steps: int, fmt: FixedPoint) -> str:
        slope = FixedPoint(2, 0)
        return self.per_channel("threshold", x, fmt, thresholds=((steps,), ACT), start=((), WEIGHT), slope=((), slope))

    def batch_norm(self, x: str, fmt: FixedPoint) -> str:
        return self.per_channel("batch_norm", x, fmt, scale=((), WEIGHT), shift=((), INTEGER))

    def lookup(self, x: str, fmt: FixedPoint) -> str:
        source = self.tensors[x].format
        assert source is not None
        table = self.parameter(f"table{len(self.layers)}", (1 << source.width,), fmt)
        return self.add("lookup", x, fmt, {"table": table}, first=source.min_int)


def quantised_classifier() -> tuple[Network, Weights]:
    """A convolution, multiply-shift, thresholds, a table, thresholds per element of a flattened image, argmax."""
    draft = Pointwise((2, 3, 4), ACT)
    x = draft.conv("x", 4, (2, 2), INTEGER, WEIGHT)
    x = draft.batch_norm(x, ACT)
    x = draft.threshold(x, 7, UNSIGNED)
    x = draft.lookup(x, ACT)
    x = draft.threshold(draft.add("flatten", x, ACT), 3, ACT)
    return draft.build(draft.add("argmax", draft.dense(x, 6, ACT, WEIGHT), CLASS))


@pytest.mark.needs("verilator", "g++")
def test_a_network_of_integer_arithmetic_alone_is_exact(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights = quantised_classifier()
    conv, norm, steps, table, _, elements, dense, choice = (layer.name for layer in network.layers[1:])
    folding = {conv: Folding(2, 2), norm: Folding(4, multiplier="lut"), steps: Folding(2), table: Folding(4)}
    folding |= {elements: Folding(2), dense: Folding(3, 4), choice: Folding(2)}
    executor = RtlExecutor(network, weights, design(network, **folding), tmp_path, cache=rtl_cache, optimise=PLAIN)
    verify(network, weights, corner_images(network, 100), {"rtl": executor}).require()
    assert executor.last_run is not None
    assert executor.last_run.interval == executor.manifest.interval


def test_argmax_does_not_look_for_a_place_in_an_image() -> None:
    draft = Pointwise((2, 1, 2), ACT)
    network, weights = draft.build(draft.add("argmax", draft.add("flatten", "x", ACT), CLASS))
    expected = r"^argmax2: got a flattened image; expected one value per class; let a dense layer read the image$"
    with pytest.raises(UnsupportedError, match=expected):
        build(network, weights, design(network))


@pytest.mark.parametrize(
    ("op", "remedy"),
    [
        ("sigmoid", r"make it a table: hwsim.tabulate, for inputs of at most 12 bits$"),
        ("softmax", r"end the network in front of it, or with argmax, whose answer is the same$"),
    ],
)
def test_a_function_without_hardware_is_refused_with_what_to_do(op: str, remedy: str) -> None:
    draft = Pointwise((4,), ACT)
    network, weights = draft.build(draft.add(op, "x", ACT))
    with pytest.raises(UnsupportedError, match=rf"^{op}1: got {op}; expected one of input, .*, argmax, .*; {remedy}"):
        build(network, weights, design(network))
