# SPDX-License-Identifier: Apache-2.0
"""Experiments: their files, their cards, and the page made from them. The runs here are far too short for any claim."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from hwsim.errors import InputError, ModelFileError, RecipeError
from prune.search import Scored
from prune.search.api import Found
from slimfab.reproduce import KINDS, Bar, Card, Row, load_cards, load_experiment, names, render, run_seed, save_card
from slimfab.reproduce.cycles import cycles_beside
from slimfab.reproduce.experiment import Experiment, SearchSection
from slimfab.reproduce.searches import confirmed

ROOT = Path(__file__).resolve().parents[1]


def tiny(name: str) -> Experiment:
    """An experiment on the digits in scikit-learn that takes seconds."""
    experiment = load_experiment(name)
    small = experiment.scale("small").model_dump()
    short = {"epochs": 1, "lr": 0.05, "schedule": "cosine", "batch_size": 50}
    changes = {
        "model": {"source": "vgg_tiny", "options": {"widths": [4, 4, "M", 6]}},
        "dataset": {"name": "digits", "train_images": 200},
        "test_images": 50,
        "samples": 40,
        "random_widths": 3,
        "train": short,
        "soft": short,
        "finetune": short,
    }
    if small["hardware"]:
        changes["hardware"] = {**small["hardware"], "share": 1.0, "align": 1}
    if small["joint"]:
        budget = {"latency_us": 60, "lut": 8000}
        little = {"budget": budget, "bits": [3, 8], "widths": 2, "align": 1, "evaluations": 24, "random_points": 2}
        little["quantised"] = {"epochs": 1, "batch_size": 50}
        changes["joint"] = {**small["joint"], **little, "val_images": 50}
    if small["search"]:
        deeper = {"source": "vgg_tiny", "options": {"widths": [4, 4, 4, "M", 6]}}
        little = {
            "evaluations": 12,
            "val_images": 50,
            "generator": {"epochs": 1, "batch_size": 50},
            "deeper": deeper,
            "drawn": 3,
            "budgets": [0.6, 0.5],
        }
        if small["search"]["against"]:  # all layers fit into one tile: hardly anything can be saved
            little["against"] = {**small["search"]["against"], "budgets": [0.9, 0.8], "align": 2}
            changes["bars"] = {**small["bars"], "aligned": 1.0}
        changes["search"] = {**small["search"], **little}
    return Experiment.model_validate({**experiment.model_dump(), "scales": {"small": {**small, **changes}}})


@pytest.mark.slow
@pytest.mark.needs("sklearn")
@pytest.mark.parametrize("name", names())
def test_every_experiment_fills_a_card_with_its_controls(name: str, tmp_path: Path) -> None:
    said: list[str] = []
    card = run_seed(tiny(name), "small", 3, said.append)
    assert said
    if name == "metapruning":  # several first weights for every shape that was found
        assert "from scratch, evolution, 50%, training 2: 1 epochs" in said
    assert any(row.control for row in card.rows)
    assert any(row.name.startswith("from scratch") for row in card.rows)
    assert any("random" in row.name for row in card.rows)
    assert all(0 <= row.final <= 1 for row in card.rows if row.final is not None)
    assert {bar.relation for bar in card.bars} <= {"<=", ">="}
    save_card(tmp_path, card)
    assert load_cards(tmp_path) == (card,)
    assert card.rows[0].name in render([card])


@pytest.mark.parametrize("name", names())
def test_experiments_have_a_kind_and_a_full_scale(name: str) -> None:
    experiment = load_experiment(name)
    assert experiment.name == name
    assert experiment.kind in KINDS
    assert set(experiment.scales) == {"small", "full"}


def card(seed: int = 0, value: float = 0.2) -> Card:
    rows = (
        Row("method", macs=1000, params=10, epochs=2, base=0.9, cut=0.5 + value, final=0.8),
        Row("control", control=True, macs=1100, final=0.7, figures={"error": 0.25, "cycles": 21300.0}),
    )
    bars = (Bar("better", value, ">=", 0.1), Bar("cheap", 1.0, "<=", 2.0))
    return Card("thing", "A paper", "small", seed, "net", "digits", 1000, 50, rows, bars, 3.0)


def test_the_page_says_where_a_claim_failed() -> None:
    page = render([card(0), card(1, 0.05)])
    assert "## thing, small" in page
    assert "| method | 1,000 | 2 | 90.0 | 62.5 (55.0–70.0) | 80.0 |  |  |" in page
    assert "| control* | 1,100 |  |  |  | 70.0 | 0.25 | 21,300 |" in page
    assert "| better | 0.2, 0.05 | >= 0.1 | **not reproduced** (1 of 2 seeds) |" in page
    assert "| cheap | 1, 1 | <= 2 | reproduced |" in page
    assert [c.passed for c in (card(0), card(1, 0.05))] == [True, False]


def test_cycles_are_compared_at_equal_accuracy() -> None:
    macs = [(100.0, 0.5), (200.0, 0.7), (400.0, 0.8)]
    assert cycles_beside(macs, macs) == 1
    assert cycles_beside([(cycles / 2, accuracy) for cycles, accuracy in macs], macs) == pytest.approx(0.5)
    dominated = [*macs, (150.0, 0.4), (400.0, 0.75)]
    assert cycles_beside(dominated, macs) == 1
    # Common accuracies are .6 to .7, where log cycles of the second side are linear from 100 x sqrt(2) to 200.
    assert cycles_beside([(100.0, 0.6), (100.0 * 2**0.5, 0.7)], macs) == pytest.approx(0.5**0.5)
    assert cycles_beside([(90.0, 0.9)], macs) == pytest.approx(90 / 400)  # nothing in common: the nearest ends


class Always(nn.Module):
    """Takes every image for one class."""

    def __init__(self, label: int) -> None:
        super().__init__()
        self.register_buffer("logits", nn.functional.one_hot(torch.tensor(label), 3).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(x), 3)


def test_all_validation_images_choose_among_the_best_points() -> None:
    labels = np.array([0] * 5 + [1] * 3 + [2] * 2)
    data = SimpleNamespace(as_float=lambda split: (np.zeros((10, 1), dtype=np.float32), labels))
    history = tuple(Scored({"label": k}, score, {}, within=k != 0) for k, score in ((0, 0.9), (2, 0.8), (1, 0.7)))
    found = Found("random", history[1], None, {}, {}, history, 0, 0)
    posed = SimpleNamespace(evaluator=SimpleNamespace(cut=lambda values: (Always(values["label"]), dict(values))))

    def best(points: int) -> Found:
        scale = SimpleNamespace(search=SearchSection(methods=["random"], confirmed=points))
        return confirmed(SimpleNamespace(data=data, scale=scale), posed, found)

    assert best(1) is found
    assert best(2).best == replace(history[2], score=0.3)  # class 1 has three images, class 2 two; 0 breaks the budget
    assert best(2).choice == {"label": 1}


def test_a_claim_that_older_cards_lack_is_not_called_reproduced() -> None:
    newer = card(1)
    page = render([card(0), replace(newer, bars=(*newer.bars, Bar("new", 0.5, "<=", 1.0)))])
    assert "| new | 0.5 | <= 1 | held on 1 of 2 seeds, not measured on the others |" in page


def test_bars_count_what_is_no_number_as_failed() -> None:
    assert not Bar("x", float("nan"), ">=", 0).passed
    assert not Bar("x", float("nan"), "<=", 0).passed
    with pytest.raises(InputError, match="bar 'x': got relation '>'; expected '<=' or '>='"):
        Bar("x", 1, ">", 0)


def test_the_page_in_the_repository_is_that_of_its_cards() -> None:
    cards = load_cards(ROOT / "experiments" / "cards")
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == render(cards)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="experiment 'thinnet': no such file; did you mean 'thinet'"):
        load_experiment("thinnet")
    with pytest.raises(RecipeError, match="thinet: no scale 'large'; available: full, small"):
        load_experiment("thinet").scale("large")
    file = tmp_path / "x.yaml"
    file.write_text("name: [")
    with pytest.raises(RecipeError, match=r"x\.yaml: not valid YAML"):
        load_experiment(str(file))
    file.write_text("name: x\nkind: thinet\npaper: p\nclaim: c\nscales: {}\nseed: 3\n")
    with pytest.raises(RecipeError, match=r"x\.yaml: seed: extra inputs are not permitted"):
        load_experiment(str(file))
    save_card(tmp_path, replace(card(), seed=9))
    (tmp_path / "thing-small-9.json").write_text("{")
    with pytest.raises((ModelFileError, InputError)):
        load_cards(tmp_path)


@pytest.mark.needs("sklearn")
def test_the_command_writes_cards_and_a_page_and_fails_where_a_bar_does(tmp_path: Path) -> None:
    import yaml
    from typer.testing import CliRunner

    from slimfab.cli import app

    file = tmp_path / "quick.yaml"
    data = tiny("ascp").model_dump(mode="json")
    data["scales"]["small"]["bars"] = {"logit": 1e-5, "loss": 1.0, "norm_loss": 2.0}  # no cut loses two
    file.write_text(yaml.safe_dump(data))
    page = tmp_path / "page.md"
    arguments = ["reproduce", str(file), "--seeds", "1", "--cards", str(tmp_path / "cards"), "--page", str(page)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "FAILS: one-shot L2: lost by removal" in result.output
    assert "holds: ASCP: largest change of a logit" in result.output
    assert page.read_text().count("## ascp, small") == 1
