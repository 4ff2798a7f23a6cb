# SPDX-License-Identifier: Apache-2.0
"""The one training loop: float training, fine-tuning after pruning and quantisation-aware training all call ``fit``.

What differs between them comes in as hooks (masks, regularisers, changing bit widths), a loss and an augmentation.
A training is determined by its arguments: the same seed gives the same weights bit for bit on the same machine with
the same number of threads, and a training resumed from its checkpoint gives the weights of an uninterrupted one.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hwsim.errors import InputError, WeightsError
from hwsim.registry import suggest
from hwsim.serial import from_json
from quant.augment import Augment
from quant.checkpoint import (
    digest_of,
    load_tensors,
    read_record,
    restore_model,
    restore_training,
    save_checkpoint,
)
from quant.hooks import Hook, TrainState
from quant.losses import CrossEntropy, Loss
from quant.schedules import SCHEDULES

log = logging.getLogger(__name__)

Array = npt.NDArray[Any] | torch.Tensor
Progress = Callable[[TrainState], None]
OPTIMISERS = ("sgd", "adamw")
_CROSS_ENTROPY = CrossEntropy()


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch did. ``epoch`` counts from 1; accuracies are fractions, None where there are no labels."""

    epoch: int
    loss: float
    accuracy: float | None
    val_accuracy: float | None
    lr: float
    seconds: float


@dataclass(frozen=True)
class History:
    """The epochs of a training, those before a resumption included."""

    epochs: tuple[EpochRecord, ...]


@dataclass(frozen=True)
class Settings:
    """The arguments of ``fit`` that decide about the weights.

    Raises:
        InputError: one of them is out of range.
        UnknownNameError: no such schedule.
    """

    epochs: int
    batch_size: int
    lr: float
    schedule: str
    optimiser: str
    momentum: float
    weight_decay: float
    loss: Loss
    augment: Augment | None
    seed: int

    def __post_init__(self) -> None:
        _expect(self.epochs >= 0, "epochs", self.epochs, "0 or more")
        _expect(self.batch_size >= 1, "batch_size", self.batch_size, "1 or more")
        _expect(math.isfinite(self.lr) and self.lr > 0, "lr", self.lr, "a positive number")
        _expect(0 <= self.momentum < 1, "momentum", self.momentum, "0 or more, less than 1")
        _expect(self.weight_decay >= 0, "weight_decay", self.weight_decay, "0 or more")
        _expect(self.seed >= 0, "seed", self.seed, "0 or more")
        if self.optimiser not in OPTIMISERS:
            raise InputError(f"training: unknown optimiser '{self.optimiser}'; {suggest(self.optimiser, OPTIMISERS)}")
        SCHEDULES[self.schedule]  # unknown names fail here and not in the first step

    def lr_at(self, step: int, total_steps: int) -> float:
        """The learning rate of one step, counted from 0."""
        return self.lr * SCHEDULES[self.schedule](step / max(1, total_steps - 1))

    def as_json(self) -> dict[str, Any]:
        """Plain data; functions appear by their names."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {"loss": _describe(self.loss), "augment": _describe(self.augment)}


def fit(
    model: nn.Module,
    train: tuple[Array, Array],
    *,
    epochs: int,
    batch_size: int = 128,
    lr: float = 0.2,
    schedule: str = "onecycle",
    optimiser: str = "sgd",
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    loss: Loss = _CROSS_ENTROPY,
    augment: Augment | None = None,
    hooks: Sequence[Hook] = (),
    val: tuple[Array, Array] | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
    checkpoint: Path | str | None = None,
) -> History:
    """Train ``model`` in place and leave it on ``device`` in evaluation mode.

    Args:
        train: inputs (N, …) float32 and targets: labels (N,) int64, or whatever ``loss`` takes.
        batch_size: an epoch takes the full batches of a new permutation and leaves out the rest of it.
        lr: peak learning rate; ``schedule`` (a name in ``quant.schedules.SCHEDULES``) scales it step by step.
        optimiser: "sgd" with Nesterov momentum, or "adamw" (``momentum`` is then its first beta).
        weight_decay: for weights of convolutions and linear layers only; not for biases, norms, quantiser scales.
        augment: changes each input batch; see ``quant.augment``.
        val: inputs and labels on which accuracy is measured after each epoch.
        progress: called after each step.
        checkpoint: file that is rewritten after each epoch and from which an interrupted call continues. A file from
            another training (other settings, data, first weights or kinds of hooks) is ignored and replaced.

    Raises:
        InputError: an argument is wrong, or the loss is not finite (the last checkpoint stays).
        WeightsError: weights are not finite (the last checkpoint stays).
        ModelFileError: the checkpoint is damaged.
        OutputError: the checkpoint cannot be written; the one before stays.
    """
    settings = Settings(epochs, batch_size, lr, schedule, optimiser, momentum, weight_decay, loss, augment, seed)
    inputs, targets = _tensors(train)
    _check_weights(model, "before the first step")
    path = Path(checkpoint) if checkpoint is not None else None
    fingerprint = _fingerprint(settings, inputs, targets, model, hooks) if path is not None else ""
    records = _finished_epochs(path, fingerprint)
    tensors = load_tensors(path) if path is not None and records else {}
    if path is not None and records:
        restore_model(path, tensors, model)
    with _training_layout(model, inputs, device):
        state = TrainState(model, _optimiser(model, settings), epochs, max(1, len(inputs) // batch_size))
        restore_training(tensors, state.optimiser, hooks if records else ())
        with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
            for epoch in range(len(records), epochs):
                start = time.perf_counter()
                mean_loss, accuracy = _epoch(state, epoch, settings, inputs, targets, hooks, progress, path)
                _check_weights(model, f"after epoch {epoch + 1} of {epochs}{_kept(path, epoch)}")
                records.append(
                    EpochRecord(
                        epoch + 1,
                        mean_loss,
                        accuracy,
                        evaluate(model, *val) if val else None,
                        state.lr,
                        time.perf_counter() - start,
                    )
                )
                log.info("epoch %d of %d: loss %.4f", epoch + 1, epochs, mean_loss)
                if path is not None:
                    save_checkpoint(
                        path,
                        model,
                        state.optimiser,
                        hooks,
                        {
                            "fingerprint": fingerprint,
                            "settings": settings.as_json(),
                            "history": [asdict(record) for record in records],
                        },
                    )
    model.eval()
    return History(tuple(records))


def predict(model: nn.Module, x: Array, batch_size: int = 256) -> npt.NDArray[np.float32]:
    """The outputs of ``model`` in evaluation mode for inputs (N, …), in batches; all modes stay as they were."""
    inputs = _as_tensor(x)
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    with evaluating(model), torch.no_grad():
        outputs = [model(batch.to(device)).cpu() for batch in inputs.split(batch_size)]
    return torch.cat(outputs).numpy().astype(np.float32, copy=False)


def evaluate(model: nn.Module, x: Array, y: Array, batch_size: int = 256) -> float:
    """The fraction of inputs whose largest output is at their label."""
    labels = _as_tensor(y).cpu().numpy()
    return float((predict(model, x, batch_size).argmax(axis=1) == labels).mean())


def _epoch(
    state: TrainState,
    epoch: int,
    settings: Settings,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    hooks: Sequence[Hook],
    progress: Progress | None,
    path: Path | None,
) -> tuple[float, float | None]:
    """One pass over the training data: mean loss, and accuracy on the way where targets are labels."""
    # All randomness of an epoch comes from (seed, epoch): a resumed training needs no generator state.
    seed = int(np.random.SeedSequence([settings.seed, epoch]).generate_state(1, np.uint64)[0] >> 1)
    torch.manual_seed(seed)  # for dropout and the like inside the model
    generator = torch.Generator().manual_seed(seed)
    batches = torch.randperm(len(inputs), generator=generator).split(min(settings.batch_size, len(inputs)))
    device = next(state.model.parameters()).device
    state.epoch, state.step = epoch, epoch * state.steps_per_epoch
    state.model.train()
    for hook in hooks:
        hook.on_epoch_start(state)
    losses, correct, seen = [], 0, 0
    for chosen in batches[: state.steps_per_epoch]:
        x, y = inputs[chosen].to(device), targets[chosen].to(device)
        if settings.augment is not None:
            x = settings.augment(x, generator)
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        outputs = _step(state, settings, x, y, hooks, path)
        losses.append(state.loss)
        if y.ndim == 1 and not y.is_floating_point() and outputs.ndim == 2:
            correct += int((outputs.detach().argmax(dim=1) == y).sum())
            seen += len(y)
        if progress is not None:
            progress(state)
    for hook in hooks:
        hook.on_epoch_end(state)
    return math.fsum(losses) / len(losses), correct / seen if seen else None


def _step(
    state: TrainState, settings: Settings, x: torch.Tensor, y: torch.Tensor, hooks: Sequence[Hook], path: Path | None
) -> torch.Tensor:
    """Forward, backward and one update; returns the outputs."""
    state.lr = settings.lr_at(state.step, state.total_steps)
    for group in state.optimiser.param_groups:
        group["lr"] = state.lr
    for hook in hooks:
        hook.before_step(state)
    outputs: torch.Tensor = state.model(x)
    loss = settings.loss(outputs, y, x)
    for hook in hooks:
        penalty = hook.regularise(state)
        if penalty is not None:
            loss = loss + penalty
    state.loss = loss.item()
    if not math.isfinite(state.loss):
        raise InputError(
            f"training: loss is {state.loss} in epoch {state.epoch + 1} of {state.epochs}, "
            f"step {state.step % state.steps_per_epoch + 1} of {state.steps_per_epoch}; expected a finite "
            f"number; lower the learning rate (now {state.lr:.3g}) or check the data"
            f"{_kept(path, state.epoch)}"
        )
    state.optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    for hook in hooks:
        hook.after_backward(state)
    state.optimiser.step()
    for hook in hooks:
        hook.after_step(state)
    state.step += 1
    return outputs


def _optimiser(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    decayed, free = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            # By name and not by dimensions alone: quantiser scales per channel have four dimensions too.
            (decayed if name.split(".")[-1] == "weight" and parameter.ndim >= 2 else free).append(parameter)
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": free, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    _expect(bool(groups), "model", "no parameter that requires a gradient", "at least one")
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=settings.lr, betas=(settings.momentum, 0.999))
    return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, nesterov=settings.momentum > 0)


def _fingerprint(
    settings: Settings, inputs: torch.Tensor, targets: torch.Tensor, model: nn.Module, hooks: Sequence[Hook]
) -> str:
    named = settings.as_json() | {"hooks": [type(hook).__name__ for hook in hooks]}
    return digest_of(named, {"inputs": inputs, "targets": targets, **model.state_dict()})


def _finished_epochs(path: Path | None, fingerprint: str) -> list[EpochRecord]:
    """The epochs of this very training that the checkpoint holds."""
    record = read_record(path) if path is not None else None
    if record is None:
        return []
    if record.get("fingerprint") != fingerprint:
        log.warning("%s is the checkpoint of another training; starting from the first epoch", path)
        return []
    done = list(from_json(History, {"epochs": record["history"]}, str(path)).epochs)
    log.info("continuing after epoch %d from %s", len(done), path)
    return done


@contextmanager
def _training_layout(model: nn.Module, inputs: torch.Tensor, device: str) -> Iterator[None]:
    """The model on its device, for images in the channels-last memory order, in which oneDNN need not reorder."""
    if inputs.ndim != 4:
        model.to(device)
        yield
        return
    model.to(device=device, memory_format=torch.channels_last)
    try:
        yield
    finally:
        model.to(memory_format=torch.contiguous_format)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode; every module gets its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _tensors(train: tuple[Array, Array]) -> tuple[torch.Tensor, torch.Tensor]:
    inputs, targets = (_as_tensor(array) for array in train)
    if len(inputs) != len(targets) or len(inputs) == 0:
        raise InputError(
            f"training: got {len(inputs)} inputs and {len(targets)} targets; "
            "expected as many targets as inputs, and at least one"
        )
    _expect(inputs.dtype == torch.float32, "inputs", inputs.dtype, "float32, e.g. from Dataset.as_float")
    return inputs, targets


def _as_tensor(array: Array) -> torch.Tensor:
    if isinstance(array, torch.Tensor):
        return array
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _check_weights(model: nn.Module, when: str) -> None:
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(
                f"training: {name} holds NaN or infinity {when}; expected finite numbers; "
                "load other weights or lower the learning rate"
            )


def _kept(path: Path | None, epochs_done: int) -> str:
    return f"; {path} holds the state after epoch {epochs_done}" if path is not None and epochs_done else ""


def _expect(condition: bool, name: str, got: object, expected: str) -> None:
    if not condition:
        raise InputError(f"training: {name}={got}; expected {expected}")


def _describe(function: object) -> str | None:
    if function is None or is_dataclass(function):
        return None if function is None else repr(function)
    return str(getattr(function, "__qualname__", type(function).__qualname__))
