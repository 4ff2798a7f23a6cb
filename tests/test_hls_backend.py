# SPDX-License-Identifier: Apache-2.0
"""backend='Slimfab': registered by the installed package, and the calls of an hls4ml user."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")
hls4ml = pytest.importorskip("hls4ml", reason="needs hls4ml")

import torch  # noqa: E402
from hls4ml_models import c_simulation, from_torch, quiet, samples  # noqa: E402
from torch import nn  # noqa: E402

from hls.backend import trace  # noqa: E402
from hls.from_hls4ml import from_model_graph  # noqa: E402
from hwsim import reference  # noqa: E402
from hwsim.errors import InputError, UnsupportedError  # noqa: E402

SETTINGS = {"default_precision": "ap_fixed<8,3>", "default_reuse_factor": 8}


def small() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4))


def test_the_package_registers_the_back_end() -> None:
    (entry,) = entry_points(group="hls4ml.backends", name="Slimfab")
    assert entry.value == "hls.backend:register"
    assert "slimfab" in hls4ml.backends.get_available_backends()
    assert hls4ml.backends.get_backend("Slimfab").name == "Slimfab"


@pytest.mark.needs("g++", "verilator")
def test_the_hardware_equals_the_c_simulation(
    tmp_path: Path, rtl_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("hls.rtl_compile.default_cache", lambda: rtl_cache)
    model = from_torch(small(), (8,), tmp_path / "slimfab", **SETTINGS)
    x = samples(model, 1000)
    with quiet():
        model.compile()
    got = model.predict(x)
    expected = c_simulation(from_torch(small(), (8,), tmp_path / "vitis", "Vitis", **SETTINGS), x, tmp_path / "csim")
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == np.float64
    one = model.predict(x[7].astype(np.float32))  # as everywhere in hls4ml, one sample comes and goes without its batch
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, expected[7].astype(np.float32))
    report = model.build(synth=False, cosim=True)
    assert report["CosimReport"]["Status"] == "Pass"
    assert report["CosimReport"]["IntervalMin"] == report["CosimReport"]["IntervalMax"] == "8"


def test_nothing_is_predicted_before_it_is_written(tmp_path: Path) -> None:
    model = from_torch(small(), (8,), tmp_path, **SETTINGS)
    with pytest.raises(InputError, match="^net: is not written yet; call model.compile\\(\\) first$"):
        model.predict(np.zeros((2, 8)))


def test_what_belongs_to_the_vendor_is_refused(tmp_path: Path) -> None:
    model = from_torch(small(), (8,), tmp_path, **SETTINGS)
    with pytest.raises(UnsupportedError, match="^Slimfab: got export=True; expected what open tools do"):
        hls4ml.backends.get_backend("Slimfab").build(model, export=True)


def test_a_refused_conversion_writes_nothing(tmp_path: Path) -> None:
    softmax = nn.Sequential(nn.Linear(8, 6), nn.Softmax(dim=1))
    with pytest.raises(UnsupportedError) as error:
        from_torch(softmax, (8,), tmp_path / "model", **SETTINGS)
    assert str(error.value) == (
        "_1: got softmax (stable), a product of two tables; expected an exact form; drop it, the largest logit is the "
        "same class: hls_config['LayerName']['_1']['Skip'] = True"
    )
    assert not (tmp_path / "model").exists()
    skipped = from_torch(softmax, (8,), tmp_path / "model", names={"_1": {"Skip": True}}, **SETTINGS)
    assert [layer.name for layer in skipped.get_layers()] == ["input_1", "_0"]


@pytest.mark.slow
@pytest.mark.needs("verilator", "g++")
def test_a_trace_has_every_layer_by_hls4mls_name_and_shape(
    tmp_path: Path, rtl_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("hls.rtl_compile.default_cache", lambda: rtl_cache)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4))
    model = from_torch(module, (2, 6, 6), tmp_path, default_precision="ap_fixed<8,3>", default_reuse_factor=72)
    with quiet():
        model.write()
    x = samples(model, 20)
    found = trace(model, x)
    shapes = {node.name: (20, *node.get_output_variable().shape) for node in model.get_layers()}
    assert {name: values.shape for name, values in found.items()} == shapes
    imported = from_model_graph(model)
    expected = reference.trace(imported.network, imported.weights, imported.enter(x))
    for name, values in found.items():
        place = imported.places[name]
        np.testing.assert_array_equal(values.reshape(20, -1), place.reals(expected[place.tensor]))
    with quiet(), pytest.raises(UnsupportedError, match="expected a hardware trace; call hls.backend.trace"):
        model.trace(x)


def test_importing_hls4ml_loads_little_of_ours() -> None:
    program = "import sys, hls4ml; print(*(name for name in sys.modules if name.split('.')[0] in ('hls', 'hwsim')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"hls", "hls.backend", "hls.backend.backend", "hls.backend.writer"}
