# SPDX-License-Identifier: Apache-2.0
"""The file of an experiment: what it reproduces, and its settings at each scale."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from hwsim.errors import RecipeError
from hwsim.registry import suggest
from slimfab.recipe import DatasetSection, FinetuneSection, ModelSection, Section, TrainSection

FOLDERS = (Path("experiments"), Path(__file__).resolve().parents[2] / "experiments")


class GeneratorSection(Section):
    """How MetaPruning's generator of weights is trained (:func:`prune.search.generate.train_generator`)."""

    epochs: int = Field(default=5, ge=1)
    batch_size: int = Field(default=128, ge=1)
    lr: float = Field(default=0.1, gt=0)


class AgainstSection(Section):
    """Another cost, searched under shares of its own: such that accuracies are about those under the first one's."""

    field: str
    budgets: list[float] = Field(min_length=1)
    align: int | None = Field(default=None, ge=1)  # of widths in the control that only fills tiles, if there is one


class SearchSection(Section):
    """A search of widths. ``budgets`` are shares of ``field``; the first is looked at most closely."""

    methods: list[str]  # names in prune.search.METHODS
    method: str = "magnitude"  # which channels of a layer stay and what becomes of weights: prune.methods.METHODS
    budgets: list[float] = Field(default=[0.5], min_length=1)
    field: str = "macs"
    against: AgainstSection | None = None
    evaluations: int = Field(default=80, ge=1)
    val_images: int = Field(default=1000, ge=1)
    confirmed: int = Field(default=1, ge=1)  # best points of a search, of which all validation images choose one
    cap: float = Field(default=0.8, ge=0, le=1)  # largest share that a layer may lose
    bits: int | None = Field(default=None, ge=2)  # width of tensors when the network is costed
    deeper: ModelSection | None = None  # to which a trained encoder is moved
    generator: GeneratorSection | None = None  # of MetaPruning's weights
    drawn: int = Field(default=10, ge=3)  # random configurations trained from scratch
    trainings: int = Field(default=1, ge=1)  # of what was found, from scratch; the mean of them counts


class HardwareBudget(Section):
    """A budget of a cost on hardware: at most ``share`` of the unpruned network's ``field``, all tensors ``bits`` wide.

    Layers that lose channels keep a multiple of ``align``, so that a folding can use them.
    """

    field: str
    share: float = Field(gt=0, le=1)
    align: int = Field(default=1, ge=1)
    bits: int = Field(default=8, ge=2)


class JointSection(Section):
    """A search of widths, bits and folding together (:func:`prune.search.pose_joint`) for one board."""

    board: str = "pynq-z2"
    budget: dict[str, float] = Field(min_length=1)  # amounts by field of the folded design's estimate
    bits: list[int] = Field(default=[4, 6, 8], min_length=1)
    widths: int = Field(default=4, ge=2)  # per layer
    align: int = Field(default=4, ge=1)
    cap: float = Field(default=0.8, ge=0, le=1)  # largest share that a layer may lose
    evaluations: int = Field(default=80, ge=1)
    val_images: int = Field(default=1000, ge=1)
    random_points: int = Field(default=10, ge=1)  # that the control may score
    rtl_images: int = Field(default=4, ge=2)  # through the simulation of the winner
    quantised: FinetuneSection = FinetuneSection()  # training with quantisation, after fine-tuning in float


class Scale(Section):
    """Everything a run needs to know. ``keep`` is the share of channels, or of MACs, that stays."""

    model: ModelSection
    dataset: DatasetSection
    test_images: int = Field(default=10_000, ge=1)  # the first of the test split
    samples: int = Field(default=500, ge=1)  # training images for statistics of layers
    keep: float = Field(default=0.5, gt=0, le=1)
    random_widths: int = Field(default=10, ge=1)  # evaluations of the control that draws widths
    train: TrainSection
    soft: TrainSection | None = None  # training in which units are silenced or merged
    finetune: FinetuneSection
    pressure: float = Field(default=0.0, ge=0)  # of L1 on γ, in units of its first value (prune.regularise)
    search: SearchSection | None = None
    hardware: HardwareBudget | None = None
    joint: JointSection | None = None
    device: str = "cpu"
    bars: dict[str, float] = Field(default_factory=dict)  # bounds of the claims, by name


class Experiment(Section):
    """One paper's claim and how it is tried."""

    name: str
    kind: str
    paper: str
    claim: str
    scales: dict[str, Scale]

    def scale(self, name: str) -> Scale:
        """The settings of one scale.

        Raises:
            RecipeError: there is no such scale.
        """
        if name not in self.scales:
            raise RecipeError(f"{self.name}: no scale '{name}'; {suggest(name, self.scales)}")
        return self.scales[name]


def names() -> list[str]:
    """The experiments that can be named."""
    return sorted({path.stem for folder in FOLDERS for path in folder.glob("*.yaml")})


def load_experiment(name: str) -> Experiment:
    """Read ``experiments/NAME.yaml``, or the file itself where ``name`` ends in ``.yaml``.

    Raises:
        RecipeError: there is none, it is no YAML, or a key or value is wrong.
    """
    paths = [Path(name)] if name.endswith(".yaml") else [folder / f"{name}.yaml" for folder in FOLDERS]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise RecipeError(f"experiment '{name}': no such file; {suggest(name, names())}, or give a .yaml file")
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Experiment.model_validate(data)
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"{path}: {where}: {first['msg'].lower()}; correct it") from error
