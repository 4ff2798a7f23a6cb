# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import browser
import pytest

from hwsim import serial
from hwsim.errors import BudgetError, InputError, UnknownNameError
from prune.search import Found
from prune.sparse import maskable
from prune.store import rebuild
from slimfab import zoo
from slimfab.pipeline import run_recipe
from slimfab.posing import parse_granularity
from slimfab.recipe import load_recipe
from slimfab.search import parse_bits, parse_budget, search_recipe
from slimfab.stages.compress import golden

RECIPE = """
name: tiny
dataset: {name: digits, train_images: 200}
model: {source: vgg_tiny, options: {widths: [4, M, 6]}}
train: {epochs: 2, batch_size: 50, lr: 0.05}
prune: {cap: 0.5, calibration_images: 50}
"""


def write_recipe(folder: Path) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_limits_belong_to_the_target_before_them():
    found = parse_budget("fpga:pynq-z2.latency_us<=500, dsp<=220,macs <= 50%")
    assert found == {
        "fpga:pynq-z2.latency_us": "=500",
        "fpga:pynq-z2.dsp": "=220",
        "fpga:pynq-z2.macs": "50%",
    }
    assert parse_budget("macs<=0.5") == {"macs": "=0.5"}


@pytest.mark.parametrize("text", ["", "macs=5", "<=5", "macs<="])
def test_a_budget_that_says_nothing_is_refused(text):
    with pytest.raises(InputError, match="budget: got"):
        parse_budget(text)


@pytest.mark.needs("sklearn", "plotly", "jinja2")
def test_methods_side_by_side_leave_choices_that_can_be_built_again(tmp_path):
    recipe = load_recipe(write_recipe(tmp_path))
    budget = {"macs": "60%"}
    found = search_recipe(recipe, tmp_path / "out", ["uniform", "random"], budget, 4, 40)
    for one, accuracy in zip(found.found, found.test, strict=True):
        folder = tmp_path / "out" / "search" / one.method
        assert serial.from_json(Found, serial.read_json(folder / "found.json")) == one
        builder = lambda: zoo.build("vgg_tiny", (1, 8, 8), 10, options={"widths": [4, "M", 6]})  # noqa: E731
        module = rebuild(builder, folder / "choice.json", folder / "weights.safetensors")
        assert module.features.conv2.out_channels == one.best.values["features.conv2"]
        assert 0 <= accuracy <= 1
    page = (tmp_path / "out" / "search.html").read_text()
    for words in ("Learning curves", "Accuracy over macs", "What was found", "random"):
        assert words in page
    again = search_recipe(recipe, tmp_path / "out", ["uniform", "random"], budget, 4, 40)
    assert again.found == found.found
    with pytest.raises(UnknownNameError, match="unknown search method 'acm'"):
        search_recipe(recipe, tmp_path / "out", ["acm"], budget, 4, 40)
    with pytest.raises(BudgetError, match="budget macs: asked for at most 1;"):
        search_recipe(recipe, tmp_path / "out", ["random"], {"macs": "=1"}, 4, 40)


@pytest.mark.needs("sklearn", "plotly", "jinja2")
def test_zeros_in_blocks_stay_within_the_budget_and_in_the_file(tmp_path):
    recipe = load_recipe(write_recipe(tmp_path))
    found = search_recipe(recipe, tmp_path / "out", ["uniform", "amc"], {"weights": "40%"}, 6, 40, zeros="unrolled:2x2")
    assert found.folder == tmp_path / "out" / "search-unrolled-2x2"
    assert "per cent" in found.page.read_text()
    for one in found.found:
        folder = found.folder / one.method
        builder = lambda: zoo.build("vgg_tiny", (1, 8, 8), 10, options={"widths": [4, "M", 6]})  # noqa: E731
        module = rebuild(builder, folder / "choice.json", folder / "weights.safetensors")
        stay = sum(int((value != 0).sum()) for value in maskable(module).values())
        assert stay == one.best.costs["weights"] <= 0.4 * one.whole["weights"]


def test_granularities_are_read_with_their_blocks():
    assert parse_granularity("element") == ("element", 1, 1)
    assert parse_granularity("unrolled:4x2") == ("unrolled", 4, 2)
    with pytest.raises(InputError, match="zeros: got 'kernel:4'; expected a granularity such as element, or unrolled"):
        parse_granularity("kernel:4")
    with pytest.raises(UnknownNameError, match="unknown pruning granularity 'elment'; did you mean 'element'"):
        parse_granularity("elment:2x2")


@pytest.mark.parametrize(("asked", "other"), [({"bits": (4, 8)}, "bits"), ({"options": 3}, "widths")])
def test_zeros_go_with_nothing_else_and_nothing_is_trained(asked, other, tmp_path):
    recipe = load_recipe(write_recipe(tmp_path))
    with pytest.raises(InputError, match=f"^search: got zeros=element and {other}; expected one of them; leave out"):
        search_recipe(recipe, tmp_path / "out", ["uniform"], {"weights": "60%"}, 4, 40, zeros="element", **asked)
    assert not (tmp_path / "out").exists()


@pytest.mark.needs("sklearn", "plotly", "jinja2")
def test_metapruning_trains_its_generator_and_goes_on_where_it_was_cut_off(tmp_path):
    recipe = load_recipe(write_recipe(tmp_path))
    budget = {"macs": "60%"}
    first, second = (
        search_recipe(recipe, tmp_path / "out", ["evolution", "metapruning"], budget, 4, 40) for _ in range(2)
    )
    assert [one.method for one in first.found] == ["evolution", "metapruning"]
    assert first.found == second.found
    assert first.found[1].choice.criterion == "first"
    assert first.found[1].best.costs["macs"] <= 0.6 * first.found[1].whole["macs"]
    with pytest.raises(InputError, match="search: metapruning generates weights of fewer channels; expected another"):
        search_recipe(recipe, tmp_path / "out", ["metapruning"], {"weights": "60%"}, 4, 40, zeros="element")


def test_bits_are_whole_numbers():
    assert parse_bits("8, 4,4") == (4, 8)
    assert parse_bits("") == ()
    for text in ("4,x", "1", "4.5", "17"):
        with pytest.raises(InputError, match="bits: got '.+'; expected whole numbers 2 to 16 such as 4,6,8"):
            parse_bits(text)


@pytest.mark.needs("sklearn", "plotly", "jinja2")
def test_widths_bits_and_folding_become_a_recipe_that_runs(tmp_path):
    out, recipe = tmp_path / "out", load_recipe(write_recipe(tmp_path))
    budget = parse_budget("fpga:pynq-z2/folded.latency_us<=22,lut<=7600,dsp<=2")
    found = search_recipe(recipe, out, ["knapsack"], budget, 20, 40, bits=(4, 8), options=2)
    (best,) = (one.best for one in found.found)
    assert best.costs["fpga:pynq-z2/folded.latency_us"] <= 22
    assert best.costs["fpga:pynq-z2/folded.dsp"] <= 2
    winner = load_recipe(out / "search-joint" / "knapsack" / "recipe.yaml")
    assert (winner.hardware.board, winner.hardware.objective) == ("pynq-z2", "latency_us")
    assert winner.hardware.budget == {"lut": 7600, "dsp": 2}
    assert winner.rtl is not None
    network, _ = golden(run_recipe(winner, out, until="export"))
    for name, value in best.values.items():
        layer, _, what = name.rpartition(".")
        if what == "weight_width":
            assert network.tensors[network.layer(layer).params["weight"]].format.width == value
        elif what == "activation_width":
            assert network.tensors[network.layer(layer).output].format.width == value
        else:
            assert network.tensors[network.layer(name).output].shape[0] == value
    page = (out / "search-joint.html").read_text()
    assert "quantised by calibration" in page
    assert "no widths, bits and folding within the budget are predicted more than" in page


@pytest.mark.slow
@pytest.mark.needs("sklearn", "plotly", "jinja2", "chromium")
def test_a_browser_draws_the_page_of_a_joint_search(tmp_path):
    out, recipe = tmp_path / "out", load_recipe(write_recipe(tmp_path))
    budget = parse_budget("fpga:pynq-z2/folded.latency_us<=22,lut<=7600")
    search_recipe(recipe, out, ["knapsack", "uniform"], budget, 20, 40, bits=(4, 8), options=2)
    seen = browser.drawn((out / "search-joint.html").read_text(), tmp_path)
    assert not seen["problems"]
    assert [one for plot in seen["plots"] for state in plot for one in state["faults"]] == []
    assert all(state["marks"] for plot in seen["plots"] for state in plot)
    assert len(seen["plots"]) == 4  # learning curves, one front per limit, what was found
