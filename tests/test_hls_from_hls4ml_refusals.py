# SPDX-License-Identifier: Apache-2.0
"""What has no exact golden form is refused at conversion, by layer, with its types and a remedy that works."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("hls4ml", reason="needs hls4ml")

import torch
from hls4ml_models import from_layers, from_torch
from torch import nn

from hls.from_hls4ml import from_model_graph
from hwsim.errors import UnsupportedError


class Product(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x):
        return torch.mul(self.a(x), self.b(x))


class Folded(nn.Module):
    """A dense layer's output as an image."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.conv = nn.Linear(8, 32), nn.Conv2d(2, 3, 3)

    def forward(self, x):
        return self.conv(self.dense(x).view(-1, 2, 4, 4))


@dataclass(frozen=True)
class Case:
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    message: str
    names: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    remedy: dict[str, Any] | None = None  # other names, with which the conversion succeeds


def dense(*layers: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Linear(8, 6), *layers)


def conv(*layers: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Conv2d(2, 4, 3), *layers)


CASES = {
    "accumulator rounds products": Case(
        dense(), (8,),
        "_0: got accum ap_fixed<12,4>, which rounds each product of ap_fixed<10,4> and ap_fixed<10,4>; expected at "
        "least 12 fractional bits; set config_from_*_model(granularity='name') or a wider accum",
        {"_0": {"Precision": {"accum": "fixed<12,4>"}}},
        remedy={"_0": {"Precision": {"accum": "fixed<16,4>"}}},
    ),
    "accumulator saturates": Case(
        dense(), (8,),
        "_0: got accum ap_fixed<14,2,AP_TRN,AP_SAT>, which may saturate in the middle of a sum; expected AP_WRAP, or a "
        "wider type; set accum to ap_fixed<17,5>",
        {"_0": {"Precision": {"accum": "fixed<14,2,TRN,SAT>"}}},
        remedy={"_0": {"Precision": {"accum": "fixed<17,5,TRN,SAT>"}}},
    ),
    "wide table": Case(
        dense(nn.ELU()), (8,),
        "_1: got an input of ap_fixed<24,12>; expected at most 16 bits to tabulate; set a narrower result type for the "
        "layer before it",
        remedy={"_0": {"Precision": {"result": "fixed<12,4>"}}},
    ),
    "slope per element": Case(
        dense(nn.PReLU()), (8,),
        "_1: got 1 parameters for 6 elements; expected one per channel, 6; give it one per channel",
    ),
    "sum of a mean": Case(
        conv(nn.AvgPool2d(2)), (2, 8, 8),
        "_1: got accum ap_fixed<10,4> for a sum of 4 values of ap_fixed<26,14>; expected ap_fixed<28,16> or wider; "
        "set its accum to ap_fixed<31,16>",
        {"_1": {"Precision": {"accum": "fixed<10,4>"}}},
        remedy={"_1": {"Precision": {"accum": "fixed<31,16>"}}},
    ),
    "padding of unsigned numbers": Case(
        conv(nn.ReLU(), nn.MaxPool2d(3, 2, 1)), (2, 8, 8),
        "_2: got padding around unsigned numbers, which hls4ml fills with half of their range; expected signed "
        "numbers; give the layer before it a signed result type",
        {"_1": {"Precision": {"result": "ufixed<8,4>"}}},
        remedy={"_1": {"Precision": {"result": "fixed<8,4>"}}},
    ),
    "layout": Case(
        conv(), (2, 8, 8),
        "_0: got data_format channels_first; expected channels_last; set channels_last_conversion='full' or 'internal'",
        settings={"channels_last_conversion": "off"},
    ),
    "dilation": Case(
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3, dilation=2)), (2, 8, 8),
        "_0: got a dilation, which hls4ml reads and ignores; expected none; write the kernel out with zeros in between",
    ),
    "product": Case(
        Product, (8,),
        "mul: got multiply of two tensors; expected add, subtract, average or concatenate; rewrite the model",
    ),
    "reshape to an image": Case(
        Folded, (8,),
        "conv: got a reshaped or transposed tensor of shape (4, 4, 2); expected an image as the layer before wrote it; "
        "put reshapes and transposes at the input, at the output or before a dense layer",
        settings={"channels_last_conversion": "internal"},
    ),
    "strategy": Case(
        dense(), (8,), "_0: got Strategy fast; expected one of latency, unrolled, ", {"_0": {"Strategy": "Fast"}}
    ),
    "folding": Case(dense(), (8,), "_0: SIMD=5 must divide 8; nearest: 4, 8", {"_0": {"SIMD": 5}}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_models_are_refused_with_a_remedy(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    torch.manual_seed(0)
    module = case.build()
    settings = {"default_precision": "ap_fixed<10,4>", **case.settings}
    with pytest.raises(UnsupportedError) as error:
        from_torch(module, case.shape, tmp_path / "model", names=case.names, **settings)
    assert str(error.value).startswith(case.message)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()
    if case.remedy is not None:
        from_torch(module, case.shape, tmp_path / "model", names={**case.names, **case.remedy}, **settings)


def test_one_type_for_everything_is_refused_because_it_rounds_products(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"^_0: got accum ap_fixed<16,6>, which rounds each product of "):
        from_torch(dense()(), (8,), tmp_path, granularity="model")


def test_another_back_ends_graph_is_refused(tmp_path: Path) -> None:
    graph = from_torch(dense()(), (8,), tmp_path, "Vitis")
    with pytest.raises(UnsupportedError, match="^net: got a graph for Vitis; expected one for Slimfab; convert with "):
        from_model_graph(graph)


INPUT = {"class_name": "InputLayer", "name": "x", "input_shape": [8]}
LISTS = {
    "unknown layer": (
        [INPUT, {"class_name": "LayerNormalization", "name": "norm", "inputs": ["x"], "n_in": 8, "seq_len": 1,
                 "gamma_data": torch.ones(8).numpy(), "beta_data": torch.zeros(8).numpy()}],
        "norm: got a layer of kind LayerNormalization; expected one of Input, Reshape, Transpose, ",
    ),
    "unknown activation": (
        [INPUT, {"class_name": "Activation", "name": "act", "inputs": ["x"], "activation": "swish"}],
        "act: got activation swish; expected one of linear, relu, ",
    ),
    "four axes": (
        [{**INPUT, "input_shape": [2, 2, 2, 2]}, {"class_name": "Activation", "name": "act", "activation": "relu"}],
        "x: got shape (2, 2, 2, 2); expected at most (height, width, channels); reshape the input",
    ),
    "filters per channel": (
        [{**INPUT, "input_shape": [6, 2]},
         {"class_name": "DepthwiseConv1D", "name": "conv", "in_width": 6, "out_width": 4, "n_chan": 2, "n_filt": 4,
          "filt_width": 3, "stride_width": 1, "pad_left": 0, "pad_right": 0, "depth_multiplier": 2,
          "data_format": "channels_last", "depthwise_data": torch.ones(3, 2, 2).numpy()}],
        "conv: got 4 filters over 2 channels; expected one filter per channel; hls4ml computes a depth multiplier of 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("layers", "message"), LISTS.values(), ids=LISTS)
def test_layers_are_refused_by_name(layers: list[dict[str, Any]], message: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError) as error:
        from_layers(layers, {}, tmp_path)
    assert str(error.value).startswith(message)
