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
    """A part of a recipe; unknown keys are refused. What stands below a key is its meaning in the reference."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ModelSection(Section):
    """Which network."""

    source: str
    """A zoo network, or `package.module:function` or `file.py:function` that returns an `nn.Module`."""
    options: dict[str, Any] = {}
    """Keyword arguments of the function."""
    weights: Path | None = None
    """Trained weights as safetensors; training is then skipped."""


class DatasetSection(Section):
    """Which data."""

    name: str
    """A data set, or a file with arrays of your own."""
    folder: Path | None = None
    """Where the files are; otherwise `$SLIMFAB_DATA`, the system's packages or the user's cache."""
    train_images: int | None = Field(default=None, ge=1)
    """A random part of the training split; all of it by default."""
    download: bool = False
    """Fetch what is missing."""


class TrainSection(Section):
    """Training from scratch."""

    epochs: int = Field(default=5, ge=0)
    """Passes over the training split."""
    batch_size: int = Field(default=128, ge=1)
    """Images per step."""
    lr: float = Field(default=0.2, gt=0)
    """The highest learning rate of the schedule."""
    schedule: str = "onecycle"
    """Of the learning rate, step by step."""
    optimiser: Literal["sgd", "adamw"] = "sgd"
    """`sgd` has Nesterov's momentum."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Of `sgd`; the first beta of `adamw`."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """Of the weights, not of biases, norms and quantisers."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target spread over all classes."""
    augment: Literal["none", "flip", "shift", "flip+shift"] = "none"
    """Random changes of the training images."""


class FinetuneSection(TrainSection):
    """Training after a cut or a quantisation."""

    epochs: int = Field(default=1, ge=0)
    """Passes over the training split."""
    lr: float = Field(default=0.02, gt=0)
    """The highest learning rate of the schedule."""
    schedule: str = "cosine"
    """Of the learning rate, step by step."""
    distil: float = Field(default=0.0, ge=0, le=1)
    """Weight of the trained float network's logits in the loss."""


class PruneSection(Section):
    """Remove channels until every budget holds, then fine-tune; left out, every channel stays."""

    method: str = "magnitude"
    """A published method, or plain magnitudes."""
    criterion: str | None = None
    """In place of the method's, as are allocator, schedule, steps and strength."""
    allocator: str | None = None
    """How a budget is spread over the layers."""
    schedule: str | None = None
    """How the cut grows over the steps."""
    steps: int | None = Field(default=None, ge=1)
    """Cuts on the way to the budget."""
    strength: float | None = Field(default=None, ge=0)
    """Of the method's regulariser."""
    floor: int | None = Field(default=None, ge=2)
    """Channels that every layer keeps at least."""
    cap: float | None = Field(default=None, ge=0, le=1)
    """The largest share of a layer's channels to remove."""
    budget: dict[str, float | str] = {"macs": 0.5}
    """Costs such as `macs`, `params` or `fpga:pynq-z2.dsp`, and how much may stay: a share (0.5, 60%) or an amount."""
    ratios: dict[str, float] = {}
    """Share to keep by layer, for allocator `per_layer`."""
    align: int = Field(default=1, ge=1)
    """Widths are multiples of it."""
    skip: list[str] = []
    """Layers that keep every channel."""
    calibration_images: int = Field(default=1000, ge=1)
    """What methods of activations and gradients look at."""
    training: FinetuneSection = FinetuneSection(epochs=4)
    """Of methods with a regulariser or a soft training."""
    finetune: FinetuneSection = FinetuneSection()
    """After the cut."""


class LayerWidths(Section):
    """Widths of one layer, or of all layers that a pattern matches, where they differ from the rest."""

    weight_width: Width | None = None
    """Bits."""
    activation_width: Width | None = None
    """Bits."""


class QuantiseSection(Section):
    """Fixed point by calibration and then quantisation-aware training."""

    weight_width: Width = 8
    """Bits."""
    activation_width: Width = 8
    """Bits."""
    operand_width: Width = 8
    """Bits of what goes into additions of branches."""
    bias_width: Width = 16
    """Bits."""
    first_width: Width | None = None
    """Bits of the first layer's weights, where they differ."""
    last_width: Width | None = None
    """Bits of the last layer's weights, where they differ."""
    rounding: Literal["RND_CONV", "TRN"] = "RND_CONV"
    """Ties to even, or truncation, which costs no hardware."""
    overrides: dict[str, LayerWidths] = {}
    """Widths of single layers, by name or by pattern such as `stage1.*`."""
    calibration_images: int = Field(default=1000, ge=1)
    """What the ranges are read from."""
    finetune: FinetuneSection = FinetuneSection()
    """Quantisation-aware training."""


class HardwareSection(Section):
    """The board, and how hls4ml maps the network onto it."""

    board: str = "pynq-z2"
    """One of `slimfab targets`, or a device file of your own."""
    backend: Literal["Vitis", "Vivado"] = "Vitis"
    """hls4ml's."""
    io_type: Literal["io_stream", "io_parallel"] = "io_stream"
    """hls4ml's."""
    clock_mhz: float | None = Field(default=None, gt=0)
    """The board's usual clock by default."""
    objective: str = "interval_us"
    """What the folding makes smallest: `interval_us`, `latency_us`, `energy_uj`, `lut`, `ff`, `dsp` or `bram18`."""
    budget: dict[str, float] = {}
    """Limits of the folding such as `{dsp: 100, latency_us: 500}`; the board's usual share by default."""

    @model_validator(mode="after")
    def _goal_exists(self) -> "HardwareSection":
        _ = self.goal  # an InputError is a ValueError
        return self

    @property
    def goal(self) -> Goal:
        """What the folding is chosen for."""
        return Goal(self.objective, self.budget)


class VerifySection(Section):
    """Every executor must agree on test images, integer by integer."""

    images: int = Field(default=1000, ge=1)
    """How many."""


class RtlSection(Section):
    """The network as SystemVerilog, beside the hls4ml project, folded for the board; left out, it is not written."""

    images: int = Field(default=50, ge=2)
    """Test images that go through its simulation, about a million cycles per second."""


class CompareSection(Section):
    """Estimates side by side."""

    targets: list[str] = ["cpu:cortex-a9", "cpu:cortex-a53", "cpu:cortex-a72", "gpu:jetson-orin", "fpga:pynq-z2"]
    """See `slimfab targets`; a device file of your own is one too."""
    batch: int = Field(default=1, ge=1)
    """Inputs per inference."""


class Recipe(Section):
    """One run from network and data to a verified accelerator."""

    name: str
    """Names the folder of results."""
    seed: int = Field(default=0, ge=0)
    """The same seed gives the same result."""
    threads: int | None = Field(default=None, ge=1)
    """Of torch; all cores by default."""
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
    section: type[Section] = Recipe
    for part in path:
        field = section.model_fields.get(str(part))
        if field is not None:  # else it is the name of a layer under quantise.overrides
            section = section_of(field.annotation) or section
    return list(section.model_fields)


def section_of(annotation: Any) -> type[Section] | None:
    """The section that a key of this type holds: alone, as an option, or as a value of a mapping; else None."""
    held = (annotation, *getattr(annotation, "__args__", ()))
    return next((one for one in held if isinstance(one, type) and issubclass(one, Section)), None)


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
