# SPDX-License-Identifier: Apache-2.0
"""The training loop: learns, is determined by its seed, calls hooks in order, fails clearly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from training_parts import Mask, StopAfter, bars, network, same

from hwsim.errors import InputError, UnknownNameError, WeightsError
from quant.augment import Compose, Flip, Shift
from quant.hooks import Hook, TrainState
from quant.losses import Distillation, MeanSquaredError
from quant.train import evaluate, fit, predict


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
