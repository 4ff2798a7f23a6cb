# SPDX-License-Identifier: Apache-2.0
"""The training loop: learns, is determined by its seed, calls hooks in order, resumes bit for bit, fails clearly."""

import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hwsim.errors import InputError, ModelFileError, OutputError, UnknownNameError, WeightsError
from quant.augment import Compose, Flip, Shift
from quant.hooks import Hook, TrainState
from quant.losses import CrossEntropy, Distillation, MeanSquaredError
from quant.train import History, evaluate, fit, predict

Data = tuple[np.ndarray, np.ndarray]


def network(seed: int = 0) -> nn.Module:
    """Everything whose state matters: batch norm, dropout, convolution, linear."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Conv2d(6, 8, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


def bars(count: int = 90) -> Data:
    """Images of a horizontal bar, a vertical bar or a spot, in noise."""
    rng = np.random.default_rng(0)
    x, y = rng.random((count, 1, 8, 8), np.float32) * 0.3, np.arange(count) % 3
    x[y == 0, :, 3:5, :] += 0.6
    x[y == 1, :, :, 3:5] += 0.6
    x[y == 2, :, 3:5, 3:5] += 0.6
    return x, y


def same(first: nn.Module, second: nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def without_seconds(history: History) -> History:
    return History(tuple(replace(epoch, seconds=0.0) for epoch in history.epochs))


class Recorder(Hook):
    """Writes down when it is called."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_epoch_start(self, state: TrainState) -> None:
        assert state.model.training
        self.calls.append(f"start {state.epoch}")

    def before_step(self, state: TrainState) -> None:
        self.calls.append(f"before {state.step}")

    def regularise(self, state: TrainState) -> torch.Tensor | None:
        self.calls.append("regularise")
        return None

    def after_backward(self, state: TrainState) -> None:
        assert all(p.grad is not None for p in state.model.parameters())
        self.calls.append("backward")

    def after_step(self, state: TrainState) -> None:
        self.calls.append("after")

    def on_epoch_end(self, state: TrainState) -> None:
        self.calls.append(f"end {state.epoch}")


class Mask(Hook):
    """Keeps a part of the first weights at zero; the part is drawn in the first epoch and is state."""

    def __init__(self) -> None:
        self.mask: torch.Tensor | None = None

    def on_epoch_start(self, state: TrainState) -> None:
        if self.mask is None:
            self.mask = (torch.rand(6, 1, 3, 3) < 0.5).float()

    def after_step(self, state: TrainState) -> None:
        with torch.no_grad():
            state.model[0].weight.mul_(self.mask)  # type: ignore[index,operator,union-attr]

    def tensors(self) -> dict[str, torch.Tensor]:
        return {} if self.mask is None else {"mask": self.mask}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self.mask = tensors["mask"]


class StopAfter(Hook):
    """Interrupts as a user would, at the start of an epoch."""

    def __init__(self, epochs: int | None) -> None:
        self.epochs = epochs

    def on_epoch_start(self, state: TrainState) -> None:
        if state.epoch == self.epochs:
            raise KeyboardInterrupt


def test_a_network_learns_and_is_left_in_evaluation_mode() -> None:
    model, (x, y) = network(), bars()
    before = evaluate(model, x, y)
    history = fit(model, (x, y), epochs=25, batch_size=15, lr=0.1, val=(x[:30], y[:30]))
    assert before < 0.6
    assert evaluate(model, x, y) > 0.95
    assert history.epochs[-1].val_accuracy == evaluate(model, x[:30], y[:30])
    assert history.epochs[-1].loss < 0.5 * history.epochs[0].loss
    assert [record.epoch for record in history.epochs] == list(range(1, 26))
    assert not model.training
    assert all(p.is_contiguous() for p in model.parameters())


def test_the_seed_decides_everything_and_the_callers_generator_stays() -> None:
    before = torch.random.get_rng_state()
    first, again, other = network(), network(), network()
    torch.random.set_rng_state(before)
    for model, seed in ((first, 4), (again, 4), (other, 5)):
        fit(model, bars(), epochs=2, batch_size=16, lr=0.05, augment=Compose((Flip(), Shift(1))), seed=seed)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert same(first, again)
    assert not same(first, other)


def test_hooks_run_in_their_order() -> None:
    hook = Recorder()
    fit(network(), bars(20), epochs=2, batch_size=9, hooks=[hook])  # two full batches of 9, two images left out
    step = ["regularise", "backward", "after"]
    assert hook.calls == [
        "start 0",
        "before 0",
        *step,
        "before 1",
        *step,
        "end 0",
        "start 1",
        "before 2",
        *step,
        "before 3",
        *step,
        "end 1",
    ]


def test_masks_hold_and_penalties_and_gradients_count() -> None:
    class Ridge(Hook):
        def regularise(self, state: TrainState) -> torch.Tensor:
            return 10 * state.model[8].weight.square().sum()  # type: ignore[index,union-attr,operator]

    class RidgeByGradient(Hook):
        def after_backward(self, state: TrainState) -> None:
            weight = state.model[8].weight  # type: ignore[index,union-attr]
            weight.grad.add_(20 * weight.detach())  # type: ignore[union-attr,operator]

    plain, masked, ridge, gradient = network(), network(), network(), network()
    mask = Mask()
    for model, hooks in ((plain, []), (masked, [mask]), (ridge, [Ridge()]), (gradient, [RidgeByGradient()])):
        fit(model, bars(), epochs=1, batch_size=30, lr=0.01, hooks=hooks)
    assert torch.equal(masked[0].weight == 0, mask.mask == 0)  # type: ignore[index]
    assert ridge[8].weight.norm() < 0.9 * plain[8].weight.norm()  # type: ignore[index,operator]
    assert torch.allclose(ridge[8].weight, gradient[8].weight, atol=1e-6)  # type: ignore[index,arg-type]


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
        "hooks": [Recorder()] if change == "hooks" else [],
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


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    class Poison(Hook):
        def regularise(self, state: TrainState) -> torch.Tensor | None:
            return torch.tensor(torch.nan) if state.step == 7 else None

    path = tmp_path / "training.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(network(), bars(), epochs=3, batch_size=30, hooks=[Poison(), StopAfter(2)], checkpoint=path)
    kept = path.read_bytes()
    message = (
        r"training: loss is nan in epoch 3 of 3, step 2 of 3; expected a finite number; lower the learning rate "
        r"\(now .*\) or check the data; .*training\.safetensors holds the state after epoch 2"
    )
    with pytest.raises(InputError, match=message):
        fit(network(), bars(), epochs=3, batch_size=30, hooks=[Poison(), StopAfter(None)], checkpoint=path)
    assert path.read_bytes() == kept


def test_weights_that_are_not_finite_are_named(tmp_path: Path) -> None:
    class Poison(Hook):
        def on_epoch_end(self, state: TrainState) -> None:
            if state.epoch == 1:
                state.model[8].bias.data[0] = torch.inf  # type: ignore[index,union-attr]

    path = tmp_path / "training.safetensors"
    with pytest.raises(WeightsError, match=r"8\.bias holds NaN or infinity after epoch 2 of 3; .*after epoch 1;"):
        fit(network(), bars(), epochs=3, hooks=[Poison()], checkpoint=path)
    model = network()
    model[1].running_mean[2] = torch.nan  # type: ignore[index,operator]
    with pytest.raises(WeightsError, match=r"1\.running_mean holds NaN or infinity before the first step"):
        fit(model, bars(), epochs=1)


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


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"schedule": "cosin"}, UnknownNameError, "unknown schedule 'cosin'; did you mean 'cosine'"),
        ({"optimiser": "adam"}, InputError, "training: unknown optimiser 'adam'; did you mean 'adamw'"),
        ({"epochs": -1}, InputError, "training: epochs=-1; expected 0 or more"),
        ({"batch_size": 0}, InputError, "training: batch_size=0; expected 1 or more"),
        ({"lr": 0.0}, InputError, r"training: lr=0\.0; expected a positive number"),
        ({"lr": float("nan")}, InputError, "training: lr=nan; expected a positive number"),
        ({"momentum": 1.0}, InputError, r"training: momentum=1\.0; expected 0 or more, less than 1"),
        ({"weight_decay": -0.1}, InputError, r"training: weight_decay=-0\.1; expected 0 or more"),
        ({"seed": -1}, InputError, "training: seed=-1; expected 0 or more"),
        ({"train": (bars()[0], bars()[1][1:])}, InputError, "got 90 inputs and 89 targets; expected as many"),
        ({"train": (bars(0)[0], bars(0)[1])}, InputError, "got 0 inputs and 0 targets"),
        ({"train": (bars()[0].astype(np.float64), bars()[1])}, InputError, "inputs=torch.float64; expected float32"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fit(network(), **({"train": bars(), "epochs": 1} | arguments))  # type: ignore[arg-type]
    frozen = network().requires_grad_(False)
    with pytest.raises(InputError, match="no parameter that requires a gradient; expected at least one"):
        fit(frozen, bars(), epochs=1)


def test_no_epoch_changes_nothing() -> None:
    model = network()
    assert fit(model, bars(), epochs=0).epochs == ()
    assert same(model, network())


def test_weight_decay_spares_biases_norms_and_quantiser_scales() -> None:
    class Still(Hook):
        def after_backward(self, state: TrainState) -> None:
            for parameter in state.model.parameters():
                parameter.grad.zero_()  # type: ignore[union-attr]

    model = network()
    model.register_parameter("scale", nn.Parameter(torch.ones(6, 1, 1, 1)))
    model.forward = lambda x: nn.Sequential.forward(model, x) + 0 * model.scale.sum()  # type: ignore[method-assign]
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    fit(model, bars(), epochs=1, weight_decay=0.1, hooks=[Still()])
    smaller = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert smaller == {"0.weight", "4.weight", "8.weight"}


def test_a_student_learns_from_its_teacher_alone() -> None:
    data, teacher, student = bars(), network(), network(seed=1)
    fit(teacher, data, epochs=15, batch_size=15, lr=0.1)
    nonsense = np.zeros_like(data[1])
    fit(
        student,
        (data[0], nonsense),
        epochs=20,
        batch_size=15,
        lr=0.05,
        loss=Distillation(teacher, temperature=2.0, weight=1.0),
    )
    agreement = predict(student, data[0]).argmax(axis=1) == predict(teacher, data[0]).argmax(axis=1)
    assert agreement.mean() > 0.95
    assert not teacher.training


def test_an_autoencoder_trains_without_labels() -> None:
    x = bars()[0].reshape(90, 64)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, 64))
    history = fit(model, (x, x), epochs=20, batch_size=15, lr=0.01, optimiser="adamw", loss=MeanSquaredError())
    assert history.epochs[-1].loss < 0.5 * history.epochs[0].loss
    assert history.epochs[-1].accuracy is None


def test_progress_sees_every_step() -> None:
    seen: list[tuple[int, int, int, float]] = []
    fit(
        network(),
        bars(),
        epochs=2,
        batch_size=30,
        lr=0.1,
        schedule="linear",
        progress=lambda state: seen.append((state.epoch, state.step, state.total_steps, state.lr)),
    )
    assert [entry[:3] for entry in seen] == [(0, 1, 6), (0, 2, 6), (0, 3, 6), (1, 4, 6), (1, 5, 6), (1, 6, 6)]
    assert [entry[3] for entry in seen] == pytest.approx([0.1, 0.08, 0.06, 0.04, 0.02, 0.0])


def test_predict_restores_the_mode_of_every_module() -> None:
    model = network().train()
    model[1].eval()  # type: ignore[index]  # a frozen batch norm
    x, y = bars(7)
    outputs = predict(model, x, batch_size=3)
    assert outputs.shape == (7, 3)
    assert outputs.dtype == np.float32
    assert evaluate(model, torch.from_numpy(x), torch.from_numpy(y)) == (outputs.argmax(axis=1) == y).mean()
    assert [module.training for module in model] == [True, False] + [True] * 7
    x.setflags(write=False)
    assert np.array_equal(predict(model, x), predict(model, x.copy()))
