# SPDX-License-Identifier: Apache-2.0
"""Bad input through the command line: one line with the remedy, exit code 2, and nothing half-written."""

import gzip
import io
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import refused, refused_run
from safetensors.torch import load_file, save_file
from small_runs import NET, finished_run
from torch import nn

pytestmark = pytest.mark.needs("torch", "brevitas", "qonnx", "hls4ml", "g++", "sklearn")


def assert_nothing_trained(run: Path) -> None:
    assert not list(run.glob("*-train"))


def images(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, 1, 8, 8), dtype=np.uint8), generator.integers(0, 10, count)


def write_npz(path: Path, **changes: np.ndarray) -> Path:
    (x, y), (x_test, y_test) = images(100), images(40, 1)
    np.savez(path, **{"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test, **changes})
    return path


# Data sets


def test_a_missing_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLIMFAB_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    message = refused_run(tmp_path, {"dataset": {"name": "cifar10"}})
    assert re.match(r"cifar10: not found in .*; expected .*download", message)
    assert_nothing_trained(tmp_path / "run")


def test_a_missing_folder_and_a_missing_file(tmp_path: Path) -> None:
    message = refused_run(tmp_path, {"dataset": {"name": "mnist", "folder": "nowhere"}})
    assert re.match(r"mnist: folder /.*/nowhere does not exist; .*; correct the path, or allow the download", message)
    message = refused_run(tmp_path, {"dataset": {"name": "own.npz"}})
    assert re.match(r"/.*/own\.npz: no such file; expected an npz file with x_train, .*; check the path", message)


def test_a_corrupt_data_file(tmp_path: Path) -> None:
    whole = write_npz(tmp_path / "own.npz").read_bytes()
    (tmp_path / "own.npz").write_bytes(whole[: len(whole) // 2])
    message = refused_run(tmp_path, {"dataset": {"name": "own.npz"}})
    assert re.match(r"/.*/own\.npz: not a readable npz of plain arrays \(.*\); write it with numpy.savez", message)


def test_a_corrupt_official_file(tmp_path: Path) -> None:
    for part, count in (("train", 60000), ("t10k", 10000)):
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            (tmp_path / f"{part}-{kind}.gz").write_bytes(gzip.compress(bytes(count)))
    message = refused_run(tmp_path, {"dataset": {"name": "fashion_mnist", "folder": "."}})
    assert re.match(r"/.*-ubyte\.gz: .*expected", message)


def test_pickled_data_is_never_opened(tmp_path: Path) -> None:
    write_npz(tmp_path / "own.npz", x_test=np.array([Payload(tmp_path / "opened")] * 40, dtype=object))
    message = refused_run(tmp_path, {"dataset": {"name": "own.npz"}})
    assert re.match(r"/.*/own\.npz: not a readable npz of plain arrays \(.*without object arrays", message)
    assert not (tmp_path / "opened").exists()


def test_labels_beyond_the_outputs(tmp_path: Path) -> None:
    write_npz(tmp_path / "own.npz", y_train=images(100)[1] + 2)
    message = refused_run(tmp_path, {"dataset": {"name": "own.npz"}})
    assert re.search(
        r"build: gives outputs of shape \(10,\); expected \(12,\), one per class of own; change the last", message
    )
    assert_nothing_trained(tmp_path / "run")


# Recipes


@pytest.mark.parametrize(("changes", "message"), [
    ({"trian": {}}, r"/.*/recipe\.yaml: unknown key 'trian'; did you mean 'train'\?"),
    ({"prune": {"critreion": "l1"}}, r"unknown key 'prune\.critreion'; did you mean 'criterion'\?"),
    ({"prune": {"criterion": "l3"}}, r"unknown pruning criterion 'l3'; available: activation, apoz,"),
    ({"prune": {"allocator": "globe"}}, r"unknown .*allocator 'globe'; did you mean 'global'\?"),
    ({"prune": {"schedule": "twice"}}, r"unknown pruning schedule 'twice'; available: agp, asymptotic,"),
    ({"train": {"schedule": "onecycel"}}, r"unknown .*schedule 'onecycel'; did you mean 'onecycle'\?"),
    ({"train": {"optimiser": "adam"}}, r"train\.optimiser: got 'adam'; input should be 'sgd' or 'adamw'"),
    ({"hardware": {"board": "pynq-z3"}}, r"unknown device 'pynq-z3'; did you mean 'pynq-z"),
    ({"hardware": {"board": "cortex-a9"}}, r"hardware\.board: cortex-a9 is a cpu; expected an FPGA board; available: "),
    ({"hardware": {"backend": "Quartus"}}, r"hardware\.backend: got 'Quartus'; input should be 'Vitis' or 'Vivado'"),
    ({"compare": {"targets": ["cpu:cortex-a5"]}}, r"unknown target 'cpu:cortex-a5'; did you mean 'cpu:cortex-a5"),
    ({"compare": {"targets": ["tpu:edge"]}}, r"unknown target kind 'tpu'; did you mean '.pu'\?"),
    ({"dataset": {"name": "digit"}}, r"unknown data set 'digit'; did you mean 'digits'\?"),
    ({"model": {"source": "resnet9"}}, r"unknown network 'resnet9'; did you mean 'resnet8'\?"),
    ({"model": {"source": "net.py:bild"}}, r"net\.py has no function 'bild'; check the name after the colon"),
    ({"model": {"source": "nat.py:build"}}, r"/nat\.py: no such file; check the path before the colon"),
    ({"model": {"source": "no_such_package:build"}}, r"no_such_package: cannot be imported .*; run from the folder"),
    ({"model": {"weights": "none.safetensors"}}, r"/none\.safetensors: no such file; correct model\.weights"),
    ({"quantise": {"weight_width": 0}}, r"quantise\.weight_width: got 0; input should be greater than or equal to 2"),
    ({"quantise": {"weight_width": 65}}, r"quantise\.weight_width: got 65; input should be less than or equal to 16"),
    ({"quantise": {"overrides": {"conv": {"activation_width": 65}}}}, r"overrides\.conv\.activation_width: got 65;"),
    ({"name": "../up"}, r"name: got '../up'; expected a word that can name a folder"),
], ids=str)  # fmt: skip
def test_what_a_recipe_names_is_looked_up_before_anything_is_written(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    assert re.search(message, refused_run(tmp_path, changes))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("changes", "message"), [
    ({"quantise": {"overrides": {"cnov": {"weight_width": 4}}}}, r"cnov.*conv"),
    ({"prune": {"skip": ["haed"]}}, r"haed.*conv"),
    ({"prune": {"budget": {"macks": 0.5}}}, r"unknown cost 'macks'; did you mean 'macs'\?"),
    ({"prune": {"budget": {"macs": 0.0001}}}, r"budget macs: asked for at most .*; the smallest reachable .*; raise"),
    ({"prune": {"budget": {"macs": "half"}}}, r"half.*expected"),
    ({"prune": {"allocator": "per_layer"}}, r"per_layer: got no ratios; expected the share to keep per layer"),
    ({"model": {"options": {"chanels": 3}}}, r"build: fails with options .*'chanels'.*; correct it or the options"),
    ({"model": {"options": {"channels": -1}}}, r"build: fails with options {.channels.: -1} \(.*; correct it or"),
], ids=str)  # fmt: skip
def test_what_the_network_must_have_is_looked_up_before_training(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    assert re.search(message, refused_run(tmp_path, changes))
    assert_nothing_trained(tmp_path / "run")


def test_a_recipe_that_is_none(tmp_path: Path) -> None:
    assert re.match(r".*none\.yaml: cannot read \(No such file", refused("run", tmp_path / "none.yaml"))
    (tmp_path / "bad.yaml").write_bytes(b"name: \xff\xfe")
    message = refused("run", tmp_path / "bad.yaml")
    assert re.match(r".*bad\.yaml: not valid YAML .*; compare with 'slimfab init'", message)


@pytest.mark.parametrize("width", [0, 1, 17, 65])
def test_widths_of_a_comparison(width: int) -> None:
    assert refused("compare", "jet_mlp", "--width", width) == f"--width: got {width}; expected 2 to 16 bits"


# Networks

RECURRENT = """\
class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(64, 64)

    def forward(self, x):
        return self.lstm(x.flatten(1))[0]


def build"""
LAYERS = {
    "nn.PReLU()": r"odd: torch operator 'prelu' is not supported; use relu",
    "nn.ConvTranspose2d(4, 4, 1)": r"odd: torch operator 'conv_transpose2d' is not supported; use .*upsampling",
    "nn.GELU()": r"odd: gelu cannot be quantised to fixed point; use relu or clip",
    "nn.Sigmoid()": r"odd: sigmoid cannot be quantised to fixed point; .*use relu",
    "Recurrent()": r"odd\.lstm: torch operator '.*' is not supported; ",
}


@pytest.mark.parametrize("layer", LAYERS)
def test_an_unsupported_layer_is_named_before_training(layer: str, tmp_path: Path) -> None:
    net = NET.replace("relu=nn.ReLU()", f"odd={layer}").replace("def build", RECURRENT)
    assert re.match(LAYERS[layer], refused_run(tmp_path, net=net))
    assert_nothing_trained(tmp_path / "run")


def test_another_shape_than_the_datas_is_refused_before_training(tmp_path: Path) -> None:
    message = refused_run(tmp_path, net=NET.replace("Conv2d(1,", "Conv2d(3,"))
    assert re.match(r"small: torch\.export cannot follow it with input .*; check the input shape", message)
    assert_nothing_trained(tmp_path / "run")


def test_a_branch_on_data_is_refused(tmp_path: Path) -> None:
    net = NET.replace(
        "def build",
        ("class Branch(nn.Module):\n    def forward(self, x):\n        return x if x.sum() > 0 else -x\n\n\ndef build"),
    ).replace("nn.ReLU()", "Branch()")
    message = refused_run(tmp_path, net=net)
    assert re.search(r"torch\.export cannot follow it with input .*; .*remove branches that depend on data", message)


def test_code_that_fails_is_one_line(tmp_path: Path) -> None:
    assert re.match(
        r"/.*/net\.py: fails when imported \(ZeroDivisionError: division by zero\); correct the code",
        refused_run(tmp_path, net="1 / 0\n"),
    )
    assert re.match(
        r"/.*/net\.py:build: fails with options {} \(RuntimeError: first line\); correct it",
        refused_run(tmp_path, net="def build():\n    raise RuntimeError('first line\\nsecond')\n"),
    )
    assert re.match(
        r"/.*/net\.py:build: returned int; expected a torch.nn.Module",
        refused_run(tmp_path, net="def build():\n    return 3\n"),
    )


def test_an_onnx_file_with_symbolic_sizes(tmp_path: Path) -> None:
    from onnx_graphs import floats, node, write

    path = write(tmp_path, [node("Conv", ["x", "w"], ["y"])], {"w": floats(4, 3, 3, 3)}, (1, 3, "height", "width"))
    message = refused("compare", path)
    assert re.search(r"height", message)
    assert "; " in message


def test_a_truncated_onnx_file(tmp_path: Path) -> None:
    source = next(finished_run().glob("*-export/model.onnx")).read_bytes()
    path = tmp_path / "cut.onnx"
    for length in (0, 1, 100, len(source) // 2, len(source) - 1):
        path.write_bytes(source[:length])
        for command in ("compare", "check"):
            assert re.match(r".*cut\.onnx: .*; ", refused(command, path)), length


def test_onnx_weights_that_are_not_numbers(tmp_path: Path) -> None:
    from onnx_graphs import floats, node, write

    weight = floats(4, 3, 3, 3)
    weight[0, 0, 0, 0] = np.nan
    path = write(tmp_path, [node("Conv", ["x", "w"], ["y"])], {"w": weight})
    assert re.search(r"NaN|not finite", refused("compare", path))


# Weights


class Payload:
    """Unpickling it creates a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def state(folder: Path) -> dict[str, torch.Tensor]:
    """Good weights for the small network."""
    return load_file(next(finished_run().glob("*-train/weights.safetensors")))


def test_the_payload_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "opened")))
    assert (tmp_path / "opened").exists()


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors", "weights.pkl"])
@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_pickled_weights_are_never_opened(name: str, kind: str, tmp_path: Path) -> None:
    held = Payload(tmp_path / "opened")
    buffer = io.BytesIO(pickle.dumps(held))
    if kind == "torch":
        torch.save({**state(tmp_path), "payload": held}, buffer)
    (tmp_path / name).write_bytes(buffer.getvalue())
    message = refused_run(tmp_path, {"model": {"weights": name}})
    assert re.match(rf"/.*/{name}: not a safetensors file \(.*\); pickles .* are never opened; convert with", message)
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("command", ["compare", "check"])
@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.pkl", "net.onnx"])
def test_a_pickled_network_is_never_opened(command: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Payload(tmp_path / "opened")))
    message = refused(command, tmp_path / name)
    assert ("never read" in message) == (name != "net.onnx")
    assert not (tmp_path / "opened").exists()


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    weights = state(tmp_path)
    weights["conv.weight"][0, 0, 0, 0] = float("nan")
    save_file(weights, tmp_path / "nan.safetensors")
    message = refused_run(tmp_path, {"model": {"weights": "nan.safetensors"}})
    assert re.match(r"/.*/nan\.safetensors: 'conv\.weight' holds NaN or infinity; .* finite weights; retrain", message)


def test_weights_of_another_network(tmp_path: Path) -> None:
    save_file(nn.Linear(3, 4).state_dict(), tmp_path / "other.safetensors")
    message = refused_run(tmp_path, {"model": {"weights": "other.safetensors"}})
    assert re.match(r"/.*/other\.safetensors: does not fit Sequential \(.*\); use the weights of this network", message)


def test_a_truncated_weights_file(tmp_path: Path) -> None:
    whole = next(finished_run().glob("*-train/weights.safetensors")).read_bytes()
    for length in (0, 4, 60, len(whole) - 1):
        (tmp_path / "cut.safetensors").write_bytes(whole[:length])
        assert re.match(
            r"/.*/cut\.safetensors: not a safetensors file \(",
            refused_run(tmp_path, {"model": {"weights": "cut.safetensors"}}),
        )


def test_a_saved_network_with_damaged_arrays(tmp_path: Path) -> None:
    shutil.copytree(next(finished_run().glob("*-export/golden")), tmp_path / "golden")
    (tmp_path / "golden/weights.npz").write_bytes(b"PK damaged")
    assert re.match(r".*weights\.npz: not a readable npz", refused("compare", tmp_path / "golden"))
    (tmp_path / "golden/network.json").write_text('{"name": "x"')
    assert re.match(r".*network\.json: not valid JSON", refused("compare", tmp_path / "golden"))
