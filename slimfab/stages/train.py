# SPDX-License-Identifier: Apache-2.0
"""Data and float training: the first two stages."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.errors import ModelFileError, WeightsError
from slimfab.flow import Run, Summary
from slimfab.recipe import FinetuneSection, TrainSection

if TYPE_CHECKING:
    from torch import nn

    from quant.hooks import Hook
    from quant.train import Array, History
    from slimfab.datasets import Dataset

WEIGHTS = "weights.safetensors"


def dataset(run: Run) -> "Dataset":
    """The run's data, loaded and checked once."""

    def load() -> "Dataset":
        from slimfab import datasets

        section = run.recipe.dataset
        data = datasets.load(section.name, section.folder, download=section.download, progress=_download(run))
        return data if section.train_images is None else data.subset(section.train_images, run.recipe.seed)

    found: Dataset = run.remember("dataset", load)
    return found


def _download(run: Run) -> Any:
    return lambda file, done, total: run.listener.advanced(done / (total or max(done, 1)), f"downloading {file}")


def data_stage(run: Run) -> Summary:
    """Load the data set, which checks it."""
    data = dataset(run)
    return {
        "dataset": data.name,
        "train": len(data.train),
        "val": len(data.val),
        "test": len(data.test),
        "shape": "x".join(map(str, data.shape)),
        "classes": data.classes,
    }


def new_module(run: Run) -> "nn.Module":
    """The recipe's network with its first, random weights."""
    from slimfab.models import build_module

    data = dataset(run)
    module, _ = build_module(
        run.recipe.model.source, data.shape, run.recipe.model.options, data.classes, run.recipe.seed
    )
    return module


def float_module(run: Run) -> "nn.Module":
    """The trained float network."""
    import copy

    def load() -> "nn.Module":
        return load_weights(new_module(run), run.folder("train") / WEIGHTS)

    return copy.deepcopy(run.remember("float", load))


def train_stage(run: Run) -> Summary:
    """Train the float network, or take the weights the recipe names."""
    from quant.train import evaluate

    module = new_module(run)
    given = run.recipe.model.weights
    facts: Summary = {}
    if given is not None:
        load_weights(module, given)
    else:
        facts = fit_section(run, module, run.recipe.train, run.folder("train"))
    save_weights(module, run.folder("train") / WEIGHTS)
    run.memory["float"] = module
    x, y = dataset(run).as_float("val")
    return {**facts, "val_accuracy": evaluate(module, x, y)}


def fit_section(
    run: Run,
    module: "nn.Module",
    section: TrainSection,
    folder: Path,
    teacher: "nn.Module | None" = None,
    hooks: "Sequence[Hook]" = (),
) -> Summary:
    """Train with a section's settings, from the checkpoint in ``folder`` where there is one."""
    if section.epochs == 0:
        return {"epochs": 0}
    data, seed, checkpoint = dataset(run).as_float("train"), run.recipe.seed, folder / "checkpoint.safetensors"
    history = train_by(
        section, module, data, seed, teacher=teacher, hooks=hooks, progress=_steps(run), checkpoint=checkpoint
    )
    last = history.epochs[-1]
    return {"epochs": last.epoch, "loss": round(last.loss, 4)}


def train_by(
    section: TrainSection,
    module: "nn.Module",
    data: "tuple[Array, Array]",
    seed: int,
    *,
    teacher: "nn.Module | None" = None,
    hooks: "Sequence[Hook]" = (),
    progress: Any = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
) -> "History":
    """Train in place, inputs (N, …) and labels (N,), as a section says; ``teacher`` where it distils."""
    from quant.losses import CrossEntropy, Distillation
    from quant.train import fit

    loss: Any = CrossEntropy(section.label_smoothing)
    if isinstance(section, FinetuneSection) and section.distil > 0 and teacher is not None:
        loss = Distillation(teacher, weight=section.distil, hard=loss)
    return fit(
        module,
        data,
        epochs=section.epochs,
        batch_size=section.batch_size,
        lr=section.lr,
        schedule=section.schedule,
        optimiser=section.optimiser,
        momentum=section.momentum,
        weight_decay=section.weight_decay,
        loss=loss,
        augment=augmentation(section.augment),
        hooks=hooks,
        seed=seed,
        progress=progress,
        checkpoint=checkpoint,
        device=device,
    )


def _steps(run: Run) -> Any:
    def report(state: Any) -> None:
        run.listener.advanced(state.step / max(state.total_steps, 1), f"epoch {state.epoch + 1}/{state.epochs}")

    return report


def augmentation(name: str) -> Any:
    """The change of input batches that a recipe names."""
    from quant.augment import Compose, Flip, Shift

    table = {"none": None, "flip": Flip(), "shift": Shift(2), "flip+shift": Compose((Flip(), Shift(2)))}
    return table[name]


def save_weights(module: "nn.Module", path: Path) -> None:
    """Write a module's state as safetensors, atomically."""
    import safetensors.torch

    from hwsim.serial import atomic_write

    state = {name: value.detach().cpu().contiguous().clone() for name, value in module.state_dict().items()}
    atomic_write(path, safetensors.torch.save(state))


def load_weights(module: "nn.Module", path: Path) -> "nn.Module":
    """Fill a module from a safetensors file.

    Raises:
        ModelFileError: the file is missing, is no safetensors (a pickle is never opened), or is damaged.
        WeightsError: names or shapes are not those of the module, or a value is not finite.
    """
    import safetensors
    import safetensors.torch

    try:
        state = safetensors.torch.load_file(path)
    except FileNotFoundError:
        raise ModelFileError(f"{path}: no such file; check the path of the weights") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelFileError(
            f"{path}: not a safetensors file ({error}); pickles (.pt, .pth) are never opened; convert with "
            "safetensors.torch.save_file(module.state_dict(), …)"
        ) from error
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        reason = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
        raise WeightsError(
            f"{path}: does not fit {type(module).__name__} ({reason}); use the weights of this network"
        ) from error
    for name, value in state.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise WeightsError(f"{path}: '{name}' holds NaN or infinity; expected finite weights; retrain")
    return module
