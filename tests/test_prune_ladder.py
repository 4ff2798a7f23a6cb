# SPDX-License-Identifier: Apache-2.0
"""Rungs of evaluation on one choice."""

import pytest
import torch
from prune_networks import randomise

from hwsim.errors import InputError
from prune import Samples, prune
from prune.ladder import RUNGS, Ladder, restart
from slimfab import zoo

SHAPE = (1, 8, 8)
X = torch.randn(64, *SHAPE, generator=torch.Generator().manual_seed(0))


def net():
    model = zoo.build("vgg_tiny", SHAPE, 10)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        randomise(model)
    return model.eval()


def test_every_rung_is_evaluated_once_and_the_model_left_alone():
    model, trained = net(), []
    before = {name: value.clone() for name, value in model.state_dict().items()}
    choice = prune(model, SHAPE, budget={"macs": 0.6}).choice
    with torch.no_grad():
        expected = model(X)

    def evaluate(module):
        with torch.no_grad():
            return -(module.eval()(X) - expected).square().mean().item()

    ladder = Ladder(model, evaluate, Samples(X), trained.append)
    scores = {rung: ladder.score(choice, rung) for rung in RUNGS}
    assert {rung: ladder.score(choice, rung) for rung in RUNGS} == scores
    assert ladder.evaluations == len(RUNGS)
    assert len(trained) == 2
    assert scores["finetuned"] == pytest.approx(scores["masked"], rel=1e-3)  # nothing was trained here
    assert scores["refit"] > scores["recalibrated"]
    assert scores["scratch"] < scores["finetuned"]
    assert trained[0].features.conv2.weight.shape == trained[1].features.conv2.weight.shape
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_restart_is_that_of_the_seed():
    a, b, c = (restart(net(), seed).features.conv1.weight for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_missing_ingredients_are_named():
    model = net()
    choice = prune(model, SHAPE, budget={"macs": 0.6}).choice
    ladder = Ladder(model, lambda module: 0.0)
    with pytest.raises(InputError, match="ladder: unknown rung 'mask'; did you mean 'masked'"):
        ladder.score(choice, "mask")
    with pytest.raises(InputError, match=r"ladder: rung 'refit' needs samples=Samples\(x\)"):
        ladder.score(choice, "refit")
    with pytest.raises(InputError, match="ladder: rung 'scratch' needs train="):
        ladder.score(choice, "scratch")
