# SPDX-License-Identifier: Apache-2.0
"""hls4ml layers that move, join and compare elements: equal to its C simulation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hls4ml", reason="needs hls4ml")

from hls4ml_models import c_simulation, from_layers, golden, quiet, samples

from hls.from_hls4ml import from_model_graph

Node = dict[str, Any]
LAST = {"data_format": "channels_last"}


def entry(*shape: int) -> Node:
    return {"class_name": "InputLayer", "name": "x", "input_shape": list(shape)}


def node(kind: str, name: str, *sources: str, **attrs: Any) -> Node:
    return {"class_name": kind, "name": name, "inputs": list(sources), **attrs}


def conv(name: str, source: str, size: tuple[int, int, int], filters: int, kernel: int, stride: int = 1) -> Node:
    rows, columns, channels = size
    weight = np.random.default_rng(len(name)).normal(size=(kernel, kernel, channels, filters))
    return node(
        "Conv2D", name, source, in_height=rows, in_width=columns, n_chan=channels, n_filt=filters, filt_height=kernel,
        filt_width=kernel, out_height=(rows - kernel) // stride + 1, out_width=(columns - kernel) // stride + 1,
        stride_height=stride, stride_width=stride, pad_top=0, pad_bottom=0, pad_left=0, pad_right=0,
        weight_data=weight, **LAST,
    )  # fmt: skip


def images() -> list[Node]:
    """Resize, pad, two branches, every kind of joint, a transpose at the end."""
    return [
        entry(4, 5, 2),
        node("Resize", "up", "x", in_height=4, in_width=5, out_height=8, out_width=15, n_chan=2, algorithm="nearest",
             **LAST),
        node("ZeroPadding2D", "pad", "up", in_height=8, in_width=15, out_height=10, out_width=16, n_chan=2, pad_top=2,
             pad_bottom=0, pad_left=0, pad_right=1, **LAST),
        conv("a", "pad", (10, 16, 2), 3, 3, 2), conv("bb", "pad", (10, 16, 2), 3, 3, 2),
        node("Merge", "less", "a", "bb", op="subtract"), node("Merge", "middle", "less", "a", op="average"),
        node("Concatenate", "both", "middle", "bb", axis=3, op="concatenate3d"),
        node("Transpose", "turned", "both", perm=[2, 0, 1]),
    ]  # fmt: skip


def vectors() -> list[Node]:
    """A mean over every pixel beside the largest one, joined; the largest class as one 1 among zeros."""
    return [
        entry(4, 3, 5),
        node("GlobalAveragePooling2D", "mean", "x", in_height=4, in_width=3, n_filt=5, **LAST),
        node("GlobalMaxPooling2D", "most", "x", in_height=4, in_width=3, n_filt=5, **LAST),
        node("Concatenate", "both", "mean", "most", axis=1, op="concatenate1d"),
        node("Softmax", "best", "both", activation="softmax", n_in=10, implementation="argmax", axis=-1),
    ]


def lines() -> list[Node]:
    """One dimension: a flattened image whose elements are scaled one by one, then a table over bit patterns."""
    rng = np.random.default_rng(0)
    return [
        entry(6, 4),
        node("MaxPooling1D", "pool", "x", n_in=6, n_out=3, n_filt=4, pool_width=2, stride_width=2, pad_left=0,
             pad_right=0, **LAST),
        node("Reshape", "flat", "pool", target_shape=[12]),
        node("BatchNormalization", "norm", "flat", n_in=12, n_filt=-1, scale_data=rng.normal(size=12),
             bias_data=rng.normal(size=12)),
        node("UnaryLUT", "table", "norm", activation="unary_lut", table_data=rng.normal(size=64)),
    ]  # fmt: skip


MODELS = {
    "images": (images, {"x": {"result": "fixed<8,3>"}, "a": {"result": "fixed<10,4,RND,SAT>"}}),
    "vectors": (
        vectors,
        {"x": {"result": "fixed<6,3>"}, "mean": {"accum": "fixed<20,8>", "result": "fixed<9,3,RND>"},
         "most": {"result": "fixed<8,4>", "accum": "fixed<7,3>"}, "best": {"result": "ufixed<1,1>"}},
    ),
    "lines": (lines, {"x": {"result": "fixed<6,3>"}, "norm": {"result": "fixed<6,4>"}}),
}  # fmt: skip


def graphs(name: str, folder: Path, backends: tuple[str, ...]) -> list[Any]:
    build, types = MODELS[name]
    automatic = {
        layer["name"]: {"result": "auto", "accum": "auto", **types.get(layer["name"], {})} for layer in build()
    }
    return [from_layers(build(), automatic, folder / backend, backend) for backend in backends]


@pytest.mark.slow
@pytest.mark.needs("g++")
@pytest.mark.parametrize("name", MODELS)
def test_layers_equal_the_c_simulation(name: str, tmp_path: Path) -> None:
    graph, vitis = graphs(name, tmp_path, ("Slimfab", "Vitis"))
    x = samples(graph, 300)
    expected = c_simulation(vitis, x, tmp_path / "cache")
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(golden(graph, x), expected)


@pytest.mark.slow
@pytest.mark.needs("g++", "verilator")
@pytest.mark.parametrize("name", MODELS)
def test_their_hardware_equals_the_golden_network(
    name: str, tmp_path: Path, rtl_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("hls.rtl_compile.default_cache", lambda: rtl_cache)
    (graph,) = graphs(name, tmp_path, ("Slimfab",))
    x = samples(graph, 50)
    with quiet():
        graph.compile()
    np.testing.assert_array_equal(graph.predict(x), golden(graph, x))


def test_only_the_order_of_a_transposed_output_changes(tmp_path: Path) -> None:
    (graph,) = graphs("images", tmp_path, ("Slimfab",))
    imported = from_model_graph(graph)
    assert imported.output.shape == (6, 4, 7)
    assert imported.network.tensors[imported.output.tensor].shape == (6, 4, 7)  # golden images are channels first
    assert imported.output.order.tolist() == list(range(6 * 4 * 7))
    assert [layer.op for layer in imported.network.layers][-1] == "concat"
