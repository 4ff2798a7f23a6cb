# SPDX-License-Identifier: Apache-2.0
"""What a recipe asks of pruning: its fields, and the width at which budgets are met."""

import dataclasses
import inspect

import pytest

from prune import prune
from quant.spec import ROUNDINGS, QuantSpec
from slimfab.recipe import LayerWidths, PruneSection, QuantiseSection, parse_recipe
from slimfab.stages.compress import deployed_bits

MINIMAL = {"name": "r", "model": {"source": "vgg_tiny"}, "dataset": {"name": "digits"}}


@pytest.mark.parametrize(
    ("section", "bits"),
    [
        (QuantiseSection(weight_width=4, activation_width=5, operand_width=3), 5),
        (QuantiseSection(weight_width=4, activation_width=5, operand_width=6), 6),
        (QuantiseSection(weight_width=4, activation_width=4, operand_width=4, last_width=9), 9),
        (QuantiseSection(overrides={"head": LayerWidths(activation_width=11)}), 11),
    ],
)
def test_the_widest_number_counts(section, bits):
    assert deployed_bits(section) == bits


def test_a_recipe_offers_what_pruning_offers():
    offered = set(PruneSection.model_fields) - {"finetune", "training", "calibration_images"}
    # Data, widths and the seed come from the rest of the recipe; train and tune are its trainings.
    elsewhere = {"model", "example", "samples", "train", "tune", "bits", "seed", "cost"}
    parameters = inspect.signature(prune).parameters
    assert offered == set(parameters) - elsewhere
    section = PruneSection()
    for name in offered - {"budget", "ratios", "skip"}:  # these have no default there, or an equal empty one
        assert getattr(section, name) == parameters[name].default, name


def test_a_recipe_offers_the_widths_and_roundings_of_quantisation():
    spec = {field.name: field.default for field in dataclasses.fields(QuantSpec)}
    section = QuantiseSection()
    own = {"calibration_images", "finetune"}  # of the stage, not of the formats
    elsewhere = {"input_format", "weight_quantiser", "activation_quantiser"}  # the data's, and one kind so far
    assert set(QuantiseSection.model_fields) - own == set(spec) - elsewhere
    for name in set(spec) - elsewhere - {"overrides"}:
        assert getattr(section, name) == spec[name], name
    for rounding in ROUNDINGS:
        assert parse_recipe({**MINIMAL, "quantise": {"rounding": rounding}}).quantise.rounding == rounding
