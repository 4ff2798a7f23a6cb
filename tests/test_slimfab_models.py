# SPDX-License-Identifier: Apache-2.0
"""Finding the network a user names: zoo, own code, ONNX file, saved folder – and everything that is none of them."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hwsim import network as networks
from hwsim.errors import InputError, ModelFileError, NetworkError, SlimfabError, UnknownNameError
from slimfab.models import build_module, code_file, find_builder, is_torch, load_model

CODE = """\
from torch import nn


def build(width=2):
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.ReLU())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(5, 3)

    def forward(self, x):
        return self.fc(x)


def number():
    return 3


def failing():
    raise ValueError("no good\\nat all")


constant = 7
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with the user's code, alone and in a package; nothing of it stays imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mynets.py").write_text(CODE)
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage/nets.py").write_text(CODE)
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)) or name == "mypackage":
            del sys.modules[name]


@pytest.mark.parametrize("source", [
    "mynets.py:build", "mynets:build", "mypackage.nets:build", "./mypackage/nets.py:build", "{folder}/mynets.py:build",
])  # fmt: skip
def test_own_code_by_module_and_by_file(source: str, folder: Path) -> None:
    source = source.format(folder=folder)
    model = load_model(source, (1, 5, 5))
    assert (model.name, model.network.macs(), model.network.name) == (source, 162, "build")
    assert isinstance(model.module, nn.Sequential)
    assert set(model.weights) == set(model.network.parameter_names)
    assert load_model(source, (1, 5, 5), {"width": 3}).network.macs() == 243


def test_a_module_class_is_a_builder_too() -> None:
    assert load_model("mynets.py:Net", (5,)).network.macs() == 15


def test_a_zoo_network_has_a_shape_and_takes_another() -> None:
    assert load_model("jet_mlp").network.macs() == 4256
    module, shape = build_module("vgg_tiny", None, {})
    assert (type(module).__name__, shape) == ("Vgg", (1, 28, 28))
    assert build_module("vgg_tiny", (3, 16, 16), {}, classes=4)[1] == (3, 16, 16)
    narrow = load_model("vgg_tiny", None, {"widths": [4, 4, 4]})
    assert narrow.network.macs() < load_model("vgg_tiny").network.macs()


def test_an_onnx_file_and_a_saved_folder(folder: Path) -> None:
    onnx_graphs = pytest.importorskip("onnx_graphs", reason="needs onnx")
    path = onnx_graphs.write(folder, [onnx_graphs.node("Relu", ["x"], ["y"])])
    model = load_model(str(path))
    assert (model.name, [layer.op for layer in model.network.layers]) == ("model", ["input", "relu"])
    original = load_model("mynets.py:build", (1, 5, 5))
    networks.save(original.network, original.weights, folder / "saved")
    again = load_model("saved")
    assert again.network == original.network
    assert again.module is None
    assert all((again.weights[name] == value).all() for name, value in original.weights.items())


def test_a_folder_does_not_hide_a_zoo_network_of_its_name(folder: Path) -> None:
    (folder / "jet_mlp").mkdir()
    assert load_model("jet_mlp").network.macs() == 4256


@pytest.mark.parametrize("source", ["mynets.py:build", "mynets:build"])
def test_the_seed_decides_the_weights_of_own_code_and_nothing_else_is_touched(source: str) -> None:
    before = torch.random.get_rng_state()
    weights = [build_module(source, (1, 5, 5), {}, seed=seed)[0][0].weight for seed in (3, 3, 4)]  # type: ignore[index]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_code_is_the_file_it_is_in(folder: Path) -> None:
    assert code_file("mynets.py:build") == Path("mynets.py")
    assert code_file("mynets:build") == folder / "mynets.py"
    assert code_file("mypackage.nets:build") == folder / "mypackage/nets.py"
    assert code_file("sys:exit") is None
    assert code_file("vgg_tiny") is None


def test_code_in_a_file_leaves_the_modules_of_its_name_alone(folder: Path) -> None:
    (folder / "json.py").write_text(CODE)
    import json

    assert load_model("json.py:build", (1, 5, 5)).network.macs() == 162
    assert sys.modules["json"] is json


def test_what_is_torch() -> None:
    assert [is_torch(source) for source in ("vgg_tiny", "a:b", "a.py:b")] == [True] * 3
    assert [is_torch(source) for source in ("a.onnx", "A.ONNX")] == [False] * 2


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "A.PTH", "a.pkl", "a.pickle", "a.ckpt", "dir/a.bin"])
def test_pickles_are_refused_by_name(name: str) -> None:
    for function in (is_torch, load_model):
        with pytest.raises(ModelFileError, match=rf"^{re.escape(name)}: is a pickle, which can run code .*; export"):
            function(name)


@pytest.mark.parametrize(("source", "error", "message"), [
    ("vgg_tinny", UnknownNameError, r"unknown network 'vgg_tinny'; did you mean 'vgg_tiny'\?.*; expected a zoo name"),
    ("mypackage", UnknownNameError, r"mypackage: the folder holds no network\.json; expected a zoo name, "),
    ("mynets.py", UnknownNameError, r"mynets\.py: '\.py' files are no torch module; expected .*file\.py:function"),
    ("no/such", UnknownNameError, r"no/such: no such file; expected a zoo name"),
    ("mynets.py:bild", UnknownNameError, r"mynets\.py:bild: mynets\.py has no function 'bild'; check the name after"),
    ("mynets:constant", UnknownNameError, r"mynets has no function 'constant'; check the name after the colon"),
    ("mynets.py:", UnknownNameError, r"mynets\.py has no function ''; check the name after the colon"),
    ("nowhere.py:build", InputError, r"nowhere\.py: no such file; check the path before the colon"),
    ("nowhere:build", InputError, r"nowhere: cannot be imported \(No module named 'nowhere'\); run from the folder"),
    (":build", InputError, r": fails when imported \(ValueError: Empty module name\); correct the code"),
    ("broken.py:build", InputError, r"broken\.py: fails when imported \(ModuleNotFoundError: .*no_such_module'\)"),
    ("broken:build", InputError, r"broken: cannot be imported \(No module named 'no_such_module'\); run from"),
    ("mynets.py:number", InputError, r"mynets\.py:number: returned int; expected a torch\.nn\.Module"),
    ("mynets.py:failing", InputError, r"mynets\.py:failing: fails with options {} \(ValueError: no good\); correct"),
    ("no.onnx", ModelFileError, r"no\.onnx: cannot be read \(No such file or directory\); expected an ONNX file"),
])  # fmt: skip
def test_what_is_no_network(source: str, error: type[SlimfabError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        load_model(source, (1, 5, 5))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("arguments", "error", "message"), [
    (("mynets.py:build", None, {}), InputError, r"mynets\.py:build: the input shape is not known; give it, for"),
    (("mynets.py:build", (1, 5, 5), {"wdth": 3}), InputError, r"fails with options {'wdth': 3} \(TypeError: .*'wdth'"),
    (("jet_mlp", None, {"wdth": 3}), UnknownNameError, r"jet_mlp: unknown option 'wdth'"),
    (("jet_mlp", (1, 2, 3), {}), NetworkError, r"jet_mlp: in_shape=\(1, 2, 3\); expected \(F,\)"),
])  # fmt: skip
def test_what_cannot_be_built(arguments: tuple[Any, ...], error: type[SlimfabError], message: str) -> None:
    with pytest.raises(error, match=message):
        build_module(*arguments)


def test_a_builder_is_found_without_being_called() -> None:
    assert find_builder("mynets.py:failing") is not None
    assert find_builder("vgg_tiny") is None
