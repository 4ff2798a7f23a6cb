# SPDX-License-Identifier: Apache-2.0
"""Weights are checked against their network, and a model folder survives the disk or names its damage."""

import errno
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ANY, networks, weights_for

from hwsim import network as golden
from hwsim.errors import InputError, ModelFileError, OutputError, WeightsError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor

DENSE = Network(
    "dense",
    (
        Layer("x", "input", (), ("x",)),
        Layer("fc", "dense", ("x",), ("y",), {}, {"weight": "fc.weight", "bias": "fc.b"}),
    ),
    {"x": Tensor((2,)), "y": Tensor((3,)), "fc.weight": Tensor((3, 2)), "fc.b": Tensor((3,), FixedPoint(4, 2))},
    ("x",),
    ("y",),
)
WEIGHTS = {"fc.weight": np.ones((3, 2), np.float32), "fc.b": np.array([-8, 0, 7])}

BAD_WEIGHTS = {
    "missing": ({"fc.weigth": WEIGHTS["fc.weight"]}, "fc.weight: missing from the weights; did you mean 'fc.weigth'?"),
    "shape": ({**WEIGHTS, "fc.weight": np.ones((2, 3))}, "fc.weight: shape is (2, 3); expected (3, 2)"),
    "NaN": (
        {**WEIGHTS, "fc.weight": np.array([[1, np.nan], [np.inf, 1], [1, 1]])},
        "fc.weight: 2 values are NaN or infinite; expected finite weights; retrain or restore a checkpoint",
    ),
    "real numbers": (
        {**WEIGHTS, "fc.b": np.array([0.5, 0, 0])},
        "fc.b: dtype is float64; expected integers of ap_fixed<4,2>",
    ),
    "too small": (
        {**WEIGHTS, "fc.b": np.array([-9, 0, 0])},
        "fc.b: values -9..0 leave ap_fixed<4,2>, which holds -8..7; widen the format",
    ),
    "too large": (
        {**WEIGHTS, "fc.b": np.array([0, 8, 0], np.uint8)},
        "fc.b: values 0..8 leave ap_fixed<4,2>, which holds -8..7; widen the format",
    ),
}


@pytest.mark.parametrize(("weights", "message"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, weights: dict[str, Any], message: str) -> None:
    golden.check_weights(DENSE, WEIGHTS)
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}"):
        golden.save(DENSE, weights, tmp_path / "model")
    assert not (tmp_path / "model").exists()


# Files


@settings(deadline=None, max_examples=15)
@given(net=networks(ANY) | networks(), seed=st.integers(0, 99))
def test_a_saved_network_comes_back(tmp_path_factory: pytest.TempPathFactory, net: Network, seed: int) -> None:
    weights = weights_for(net, seed)
    folder = tmp_path_factory.mktemp("model")
    golden.save(net, {**weights, "unused": np.ones(1)}, folder)
    loaded, arrays = golden.load(folder)
    assert loaded == net
    assert loaded.hash == net.hash
    assert set(arrays) == set(weights)
    for name, array in weights.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    golden.save(DENSE, WEIGHTS, tmp_path / "model")
    return tmp_path / "model"


def test_saving_overwrites(saved: Path) -> None:
    golden.save(DENSE, {**WEIGHTS, "fc.b": np.array([1, 2, 3])}, saved)
    assert golden.load(saved)[1]["fc.b"].tolist() == [1, 2, 3]
    assert sorted(os.listdir(saved)) == ["network.json", "weights.npz"]


DAMAGE = {
    "no weights": (lambda f: (f / "weights.npz").unlink(), ModelFileError, "weights.npz: cannot read (No such file"),
    "no network": (lambda f: (f / "network.json").unlink(), ModelFileError, "network.json: cannot read (No such file"),
    "truncated weights": (
        lambda f: (f / "weights.npz").write_bytes((f / "weights.npz").read_bytes()[:-30]),
        ModelFileError,
        "weights.npz: not a readable npz of plain arrays (",
    ),
    "pickled weights": (
        lambda f: np.savez(f / "weights.npz", **{"fc.weight": np.array([None])}),
        ModelFileError,
        "weights.npz: not a readable npz of plain arrays (Object arrays cannot be loaded when allow_pickle=False)",
    ),
    "truncated network": (
        lambda f: (f / "network.json").write_text((f / "network.json").read_text()[:-30]),
        ModelFileError,
        "network.json: not valid JSON (",
    ),
    "unknown key": (
        lambda f: (f / "network.json").write_text((f / "network.json").read_text().replace('"attrs"', '"atrs"', 1)),
        InputError,
        "network.json.layers[0]: unknown key 'atrs'; did you mean 'attrs'?",
    ),
    "impossible format": (
        lambda f: (f / "network.json").write_text((f / "network.json").read_text().replace('"width": 4', '"width": 0')),
        InputError,
        "network.json.tensors.fc.b.format: width: got 0 bits; expected 1 to 64",
    ),
    "weights of another network": (
        lambda f: np.savez(f / "weights.npz", **{"fc.weight": np.ones((3, 2)), "fc.b": np.ones(4, np.int64)}),
        WeightsError,
        "fc.b: shape is (4,); expected (3,)",
    ),
}


@pytest.mark.parametrize(("damage", "error", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_model_folder_is_refused(saved: Path, damage: Any, error: type[Exception], message: str) -> None:
    damage(saved)
    with pytest.raises(error, match=re.escape(message)) as caught:
        golden.load(saved)
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=re.escape("file/model/weights.npz: cannot write (")):
        golden.save(DENSE, WEIGHTS, tmp_path / "file" / "model")


def test_a_full_disk_keeps_the_model_that_was_there(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=re.escape("weights.npz: cannot write (No space left on device)")):
        golden.save(DENSE, {**WEIGHTS, "fc.b": np.array([1, 2, 3])}, saved)
    network_back, weights = golden.load(saved)
    assert network_back == DENSE
    assert weights["fc.b"].tolist() == WEIGHTS["fc.b"].tolist()
    assert sorted(os.listdir(saved)) == ["network.json", "weights.npz"]
