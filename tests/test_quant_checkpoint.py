# SPDX-License-Identifier: Apache-2.0
"""Interrupted trainings: resumed bit for bit, only from their own checkpoint, which is whole or not there."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from training_parts import Mask, StopAfter, bars, network, same, without_seconds

from hwsim.errors import ModelFileError, OutputError
from quant.augment import Flip, Shift
from quant.hooks import Hook
from quant.losses import CrossEntropy
from quant.train import History, fit, predict


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path, optimiser: str) -> None:
    def train(model: nn.Module, stop: int | None, checkpoint: Path | None) -> History:
        return fit(
            model,
            bars(),
            epochs=4,
            batch_size=16,
            lr=0.02,
            optimiser=optimiser,
            augment=Flip(),
            seed=3,
            hooks=[Mask(), StopAfter(stop)],
            checkpoint=checkpoint,
            val=bars(30),
        )

    whole, resumed, again = network(), network(), network()
    history = train(whole, None, None)
    path = tmp_path / "training.safetensors"
    for stop in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            train(network(), stop, path)
    assert without_seconds(train(resumed, None, path)) == without_seconds(history)
    assert same(whole, resumed)
    assert without_seconds(train(again, 0, path)) == without_seconds(history)  # nothing left to do
    assert same(whole, again)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.needs("brevitas")
@pytest.mark.filterwarnings("ignore")
def test_quantisation_aware_training_resumes_too(tmp_path: Path) -> None:
    from brevitas import nn as qnn

    def quantised() -> nn.Module:
        # Until collect_stats_steps are over, Brevitas keeps its statistics where no state_dict finds them.
        torch.manual_seed(1)
        return nn.Sequential(
            qnn.QuantConv2d(1, 6, 3, weight_bit_width=4),
            nn.BatchNorm2d(6),
            qnn.QuantReLU(bit_width=4, collect_stats_steps=4),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 3),
        )

    path = tmp_path / "qat.safetensors"
    whole, resumed = quantised(), quantised()
    fit(whole, bars(), epochs=3, batch_size=16, lr=0.02)
    with pytest.raises(KeyboardInterrupt):
        fit(quantised(), bars(), epochs=3, batch_size=16, lr=0.02, hooks=[StopAfter(2)], checkpoint=path)
    fit(resumed, bars(), epochs=3, batch_size=16, lr=0.02, hooks=[StopAfter(None)], checkpoint=path)
    assert same(whole, resumed)


@pytest.mark.needs("brevitas")
def test_training_on_fixed_point_grids_resumes_too(tmp_path: Path) -> None:
    from hwsim.importers.torch import import_torch
    from quant.calibrate import calibrate
    from quant.module import QuantModule
    from quant.spec import QuantSpec

    x, y = bars()
    x = np.floor(x * 256) / np.float32(256)
    trained = network()
    fit(trained, (x, y), epochs=5, batch_size=15, lr=0.1)

    def quantised() -> nn.Module:
        spec = QuantSpec(weight_width=4, activation_width=4)
        return calibrate(QuantModule(*import_torch(trained, (1, 8, 8)), spec), torch.from_numpy(x))

    def train(model: nn.Module, stop: int | None, checkpoint: Path | None) -> nn.Module:
        fit(model, (x, y), epochs=3, batch_size=16, lr=0.02, hooks=[StopAfter(stop)], checkpoint=checkpoint)
        return model

    path = tmp_path / "qat.safetensors"
    whole = train(quantised(), None, None)
    with pytest.raises(KeyboardInterrupt):
        train(quantised(), 2, path)
    resumed = train(quantised(), None, path)
    assert same(whole, resumed)
    assert not same(whole, quantised())
    assert np.array_equal(predict(whole, x), predict(resumed, x))


@pytest.mark.parametrize("change", ["seed", "lr", "data", "weights", "hooks", "loss"])
def test_a_checkpoint_of_another_training_is_not_used(
    tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, data = tmp_path / "training.safetensors", bars()
    fit(network(), data, epochs=2, lr=0.02, checkpoint=path)
    fresh, model = (network(seed=int(change == "weights")) for _ in range(2))
    if change == "data":
        data[0][5, 0, 2, 2] += 0.5
    settings = {
        "lr": 0.03 if change == "lr" else 0.02,
        "seed": int(change == "seed"),
        "hooks": [Hook()] if change == "hooks" else [],
        "loss": CrossEntropy(0.1) if change == "loss" else CrossEntropy(),
    }
    fit(fresh, data, epochs=2, **settings)  # type: ignore[arg-type]
    fit(model, data, epochs=2, checkpoint=path, **settings)  # type: ignore[arg-type]
    assert same(fresh, model)
    assert "is the checkpoint of another training; starting from the first epoch" in caplog.text


def test_checkpoints_are_safetensors_with_a_readable_record(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    fit(network(), bars(), epochs=2, lr=0.05, augment=Shift(1), checkpoint=path)
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
    record = json.loads(header["__metadata__"]["slimfab.training"])
    assert (record["settings"]["lr"], record["settings"]["augment"]) == (0.05, "Shift(pixels=1)")
    assert [epoch["epoch"] for epoch in record["history"]] == [1, 2]
    assert {"model.0.weight", "model.1.running_var", "optimiser.0.momentum_buffer"} <= header.keys()


@pytest.mark.parametrize("damage", [b"", b"\x80\x04not safetensors", None])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "training.safetensors"
    fit(network(), bars(), epochs=1, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    with pytest.raises(ModelFileError, match=r"not a usable training checkpoint .*delete it to start from the first"):
        fit(network(), bars(), epochs=1, checkpoint=path)


def test_a_checkpoint_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"training\.safetensors: cannot write \(.*\); choose a writable folder"):
        fit(network(), bars(), epochs=1, checkpoint=tmp_path / "file" / "training.safetensors")


def test_a_full_disk_keeps_the_old_checkpoint_whole(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "training.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(network(), bars(), epochs=2, hooks=[StopAfter(1)], checkpoint=path)
    kept = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # no file may exceed 1,000 bytes (EFBIG)
    try:
        with pytest.raises(OutputError, match=r"training\.safetensors: cannot write \(File too large\)"):
            fit(network(), bars(), epochs=2, hooks=[StopAfter(None)], checkpoint=path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == kept
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
