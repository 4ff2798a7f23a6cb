# SPDX-License-Identifier: Apache-2.0
"""A recipe: everything one run does, in one YAML file.

Every key is checked before anything starts; a misspelt one is answered with the nearest known key. Sections that are
left out (``prune``, ``quantise`` …) are skipped or take the defaults shown here.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hwsim.errors import RecipeError
from hwsim.fpga.folding import Goal
from hwsim.registry import suggest

Width = Annotated[int, Field(ge=2, le=16)]


class Section(BaseModel):
    """A part of a recipe; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSection(Section):
    """Which network: a zoo name, ``package.module:function`` or ``file.py:function`` that returns an nn.Module."""

    source: str
    options: dict[str, Any] = {}
    weights: Path | None = None  # trained weights as safetensors; training is then skipped


class DatasetSection(Section):
    """Which data: a name from ``slimfab.datasets`` or a file ``….npz``."""

    name: str
    folder: Path | None = None
    train_images: int | None = Field(default=None, ge=1)  # a random part of the training split
    download: bool = False


class TrainSection(Section):
    """Training from scratch or fine-tuning; the fields are those of :func:`quant.train.fit`."""

    epochs: int = Field(default=5, ge=0)
    batch_size: int = Field(default=128, ge=1)
    lr: float = Field(default=0.2, gt=0)
    schedule: str = "onecycle"
    optimiser: Literal["sgd", "adamw"] = "sgd"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    augment: Literal["none", "flip", "shift", "flip+shift"] = "none"


class FinetuneSection(TrainSection):
    """Training after a cut or a quantisation, with the trained float network as an optional teacher."""

    epochs: int = Field(default=1, ge=0)
    lr: float = Field(default=0.02, gt=0)
    schedule: str = "cosine"
    distil: float = Field(default=0.0, ge=0, le=1)  # weight of the teacher's logits in the loss


class PruneSection(Section):
    """Remove channels until every budget holds, then fine-tune. Fields as in :func:`prune.prune`."""

    method: str = "magnitude"
    # In place of the method's own; see prune.methods.
    criterion: str | None = None
    allocator: str | None = None
    schedule: str | None = None
    steps: int | None = Field(default=None, ge=1)
    strength: float | None = Field(default=None, ge=0)
    floor: int | None = Field(default=None, ge=2)  # channels that every layer keeps at least
    cap: float | None = Field(default=None, ge=0, le=1)  # the largest share of a layer's channels to remove
    budget: dict[str, float | str] = {"macs": 0.5}
    ratios: dict[str, float] = {}  # share to keep by layer, for allocator per_layer
    align: int = Field(default=1, ge=1)
    skip: list[str] = []
    calibration_images: int = Field(default=1000, ge=1)  # what methods of activations and gradients look at
    training: FinetuneSection = FinetuneSection(epochs=4)  # of methods with a regulariser or a soft training
    finetune: FinetuneSection = FinetuneSection()


class LayerWidths(Section):
    """Widths of one layer (or of all layers a pattern matches) that differ from the rest."""

    weight_width: Width | None = None
    activation_width: Width | None = None


class QuantiseSection(Section):
    """Fixed point by calibration and then quantisation-aware training. Fields as in :class:`quant.spec.QuantSpec`."""

    weight_width: Width = 8
    activation_width: Width = 8
    operand_width: Width = 8
    bias_width: Width = 16
    first_width: Width | None = None
    last_width: Width | None = None
    rounding: Literal["RND_CONV", "TRN"] = "RND_CONV"  # ties to even, or truncation, which costs no hardware
    overrides: dict[str, LayerWidths] = {}
    calibration_images: int = Field(default=1000, ge=1)
    finetune: FinetuneSection = FinetuneSection()


class HardwareSection(Section):
    """The board, and how hls4ml maps the network onto it."""

    board: str = "pynq-z2"
    backend: Literal["Vitis", "Vivado"] = "Vitis"
    io_type: Literal["io_stream", "io_parallel"] = "io_stream"
    clock_mhz: float | None = Field(default=None, gt=0)  # the board's usual clock by default
    objective: str = "interval_us"  # what the folding makes smallest; fields as in hwsim.fpga.folding.Goal
    budget: dict[str, float] = {}  # such as {dsp: 100, latency_us: 500}; the board's usual share by default

    @model_validator(mode="after")
    def _goal_exists(self) -> "HardwareSection":
        _ = self.goal  # an InputError is a ValueError
        return self

    @property
    def goal(self) -> Goal:
        """What the folding is chosen for."""
        return Goal(self.objective, self.budget)


class VerifySection(Section):
    """How many test images every executor must agree on, integer by integer."""

    images: int = Field(default=1000, ge=1)


class RtlSection(Section):
    """The network as SystemVerilog, beside the hls4ml project: how many test images go through its simulation.

    The folding is chosen for the board and the clock of the hardware section.
    """

    images: int = Field(default=50, ge=2)  # about a million cycles per second are simulated


class CompareSection(Section):
    """The targets of the comparison; see ``slimfab targets``."""

    targets: list[str] = ["cpu:cortex-a9", "cpu:cortex-a53", "cpu:cortex-a72", "gpu:jetson-orin", "fpga:pynq-z2"]
    batch: int = Field(default=1, ge=1)


class Recipe(Section):
    """One run from network and data to a verified accelerator."""

    name: str
    seed: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)  # all cores by default
    model: ModelSection
    dataset: DatasetSection
    train: TrainSection = TrainSection()
    prune: PruneSection | None = None
    quantise: QuantiseSection = QuantiseSection()
    hardware: HardwareSection = HardwareSection()
    verify: VerifySection = VerifySection()
    rtl: RtlSection | None = None
    compare: CompareSection = CompareSection()

    @field_validator("name")
    @classmethod
    def _name_is_a_folder_name(cls, name: str) -> str:
        if not name.strip() or "/" in name or name.strip(".") == "":
            raise ValueError("expected a word that can name a folder")
        return name


def load_recipe(path: Path | str) -> Recipe:
    """Read and check a recipe.

    Paths inside the recipe are relative to the recipe's folder.

    Raises:
        RecipeError: the file is missing, is no YAML mapping, or a key or value is wrong.
    """
    file = Path(path)
    try:
        data = yaml.safe_load(file.read_text())
    except OSError as error:
        raise RecipeError(f"{file}: cannot read ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"{file}: not valid YAML ({reason}); compare with 'slimfab init'") from error
    if not isinstance(data, dict):
        raise RecipeError(f"{file}: got {type(data).__name__}; expected a mapping with 'name', 'model' and 'dataset'")
    return _with_absolute_paths(parse_recipe(data, str(file)), file.resolve().parent)


def parse_recipe(data: dict[str, Any], where: str = "recipe") -> Recipe:
    """Check a recipe given as plain data.

    Raises:
        RecipeError: names the first wrong key with its path.
    """
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(f"{where}: {_explain(error, data)}") from None


def _explain(error: ValidationError, data: Any) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        return f"unknown key '{path}'; {suggest(str(first['loc'][-1]), known)}"
    if first["type"] == "missing":
        return f"key '{path}' is missing; add it"
    got = "" if isinstance(first["input"], dict) else f"got {first['input']!r}; "
    message = first["msg"].removeprefix("Value error, ")
    return f"{path}: {got}{message[:1].lower()}{message[1:]}"


def _known_keys(path: tuple[int | str, ...]) -> list[str]:
    """The keys a section knows, found by walking the models along ``path``."""
    model: Any = Recipe
    for part in path:
        field = getattr(model, "model_fields", {}).get(part)
        if field is not None:
            model = _section_of(field.annotation)
        elif part not in getattr(model, "model_fields", {}):
            model = LayerWidths  # a layer's name under quantise.overrides
    return list(model.model_fields)


def _section_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for option in getattr(annotation, "__args__", ()):
        if isinstance(option, type) and issubclass(option, Section):
            return option
    return annotation


def _with_absolute_paths(recipe: Recipe, folder: Path) -> Recipe:
    model, dataset = recipe.model, recipe.dataset
    if model.weights is not None:
        model = model.model_copy(update={"weights": folder / model.weights.expanduser()})
    if ":" in model.source and model.source.split(":")[0].endswith(".py"):
        model = model.model_copy(update={"source": str(folder / model.source)})
    if dataset.folder is not None:
        dataset = dataset.model_copy(update={"folder": folder / dataset.folder.expanduser()})
    elif dataset.name.endswith(".npz"):
        dataset = dataset.model_copy(update={"folder": folder})
    hardware = recipe.hardware.model_copy(update={"board": _device_in(folder, recipe.hardware.board)})
    targets = [_device_in(folder, target) for target in recipe.compare.targets]
    compare = recipe.compare.model_copy(update={"targets": targets})
    prune = recipe.prune
    if prune is not None:
        prune = prune.model_copy(update={"budget": {_device_in(folder, k): v for k, v in prune.budget.items()}})
    return recipe.model_copy(
        update={"model": model, "dataset": dataset, "prune": prune, "hardware": hardware, "compare": compare}
    )


def _device_in(folder: Path, name: str) -> str:
    """A board, target or cost field with the path of its device file, if it names one, made absolute."""
    kind, colon, device = name.rpartition(":")
    return f"{kind}{colon}{folder / device}" if ".yaml" in device or ".yml" in device else name
