# SPDX-License-Identifier: Apache-2.0
"""Binary and ternary networks of hls4ml: -1 and 1 in one bit, thresholds instead of batch norms."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

quantizers = pytest.importorskip("hls4ml.model.quantizers", reason="needs hls4ml")

from hls4ml_models import c_simulation, from_layers, golden, samples  # noqa: E402

from hls.from_hls4ml import from_model_graph  # noqa: E402
from hwsim.errors import UnsupportedError  # noqa: E402

Node = dict[str, Any]


def norm(rng: np.random.Generator, name: str, source: str, size: int) -> Node:
    data = {"scale_data": rng.uniform(0.5, 2, size), "bias_data": rng.normal(size=size)}
    return {"class_name": "BatchNormalization", "name": name, "inputs": [source], "n_in": size, "n_filt": -1, **data}


def matrix(rng: np.random.Generator, name: str, source: str, sizes: tuple[int, int], quantiser: Any) -> Node:
    shape = {"n_in": sizes[0], "n_out": sizes[1], "weight_data": rng.normal(size=sizes)}
    return {"class_name": "Dense", "name": name, "inputs": [source], **shape, "weight_quantizer": quantiser}


def levels(name: str, source: str, count: int) -> Node:
    kind, function = ("Activation", "binary_tanh") if count == 2 else ("TernaryTanh", "ternary_tanh")
    return {"class_name": kind, "name": name, "inputs": [source], "activation": function, "threshold": 0.5}


def network() -> list[Node]:
    """Signs times signs, signs times ternary weights, three levels times signs; a batch norm at the end."""
    rng = np.random.default_rng(0)
    binary, ternary = quantizers.BinaryQuantizer, quantizers.TernaryQuantizer
    return [
        {"class_name": "InputLayer", "name": "x", "input_shape": [16]},
        norm(rng, "n1", "x", 16), levels("s1", "n1", 2), matrix(rng, "d1", "s1", (16, 12), binary()),
        norm(rng, "n2", "d1", 12), levels("s2", "n2", 2), matrix(rng, "d2", "s2", (12, 10), ternary()),
        norm(rng, "n3", "d2", 10), levels("s3", "n3", 3), matrix(rng, "d3", "s3", (10, 6), binary()),
        norm(rng, "n4", "d3", 6),
    ]  # fmt: skip


TYPES = {"x": {"result": "fixed<8,3>"}, "n4": {"result": "fixed<20,8>"}}


def test_batch_norms_become_thresholds_and_signs_are_two_bits(tmp_path: Path) -> None:
    found = from_model_graph(from_layers(network(), TYPES, tmp_path)).network
    assert [layer.op for layer in found.layers] == [
        "input", "threshold", "dense", "threshold", "dense", "threshold", "dense", "batch_norm",
    ]  # fmt: skip
    weights = [found.tensors[f"{name}.weight"].format for name in ("d1", "d2", "d3")]
    assert [(fmt.width, fmt.frac) for fmt in weights if fmt is not None] == [(2, 0)] * 3


def test_a_binary_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="^bnbt_n1: got a binary output \\(ap_uint<1> for -1 and 1\\); expected"):
        from_layers(network()[:3], TYPES, tmp_path)


def test_binary_values_are_no_numbers_to_other_layers(tmp_path: Path) -> None:
    linear = {"class_name": "Activation", "name": "cast", "inputs": ["s1"], "activation": "relu"}
    with pytest.raises(UnsupportedError, match="^cast: got a binary input \\(ap_uint<1> for -1 and 1\\); expected"):
        from_layers([*network()[:3], linear], TYPES, tmp_path)


@pytest.mark.slow
@pytest.mark.needs("g++")
def test_all_levels_equal_the_c_simulation(tmp_path: Path) -> None:
    graph, vitis = (from_layers(network(), TYPES, tmp_path / name, name) for name in ("Slimfab", "Vitis"))
    x = samples(graph, 300)
    expected = c_simulation(vitis, x, tmp_path / "cache")
    assert len(np.unique(expected)) > 10
    np.testing.assert_array_equal(golden(graph, x), expected)
