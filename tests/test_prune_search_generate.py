# SPDX-License-Identifier: Apache-2.0
import copy

import numpy as np
import pytest
import torch
from torch.func import functional_call

from hwsim.errors import InputError
from prune.budget import Bounds
from prune.search import pose
from prune.search.generate import PruningNet, train_generator
from slimfab import zoo

SHAPE = (1, 12, 12)


def images(count, seed):
    """Three classes told apart by the brightness of two halves."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    x = rng.normal(0, 0.3, (count, *SHAPE)).astype(np.float32)
    x[labels == 1, :, :6] += 1.0
    x[labels == 2, :, 6:] += 1.0
    return x, labels


def problem(name="vgg_tiny", **settings):
    model = zoo.build(name, SHAPE, 3, seed=0)
    return pose(model, SHAPE, {"macs": 0.5}, images(60, 1), images(64, 2)[0], bounds=Bounds(cap=0.6), **settings)


@pytest.mark.parametrize("name", ["vgg_tiny", "resnet8", "mobilenet_tiny"])
def test_masked_weights_compute_what_the_crop_computes(name):
    posed = problem(name)
    view, space = posed.evaluator.view, posed.space
    net = PruningNet(view, space, 0)
    point = np.random.default_rng(3).integers(0, space.sizes)
    values = space.values(point)
    counts = {i: values[v.name] for i, v in enumerate(space.variables)}
    x = torch.as_tensor(images(16, 4)[0])
    full = copy.deepcopy(view.model).train()
    with torch.no_grad():
        wide = functional_call(full, net(torch.as_tensor(space.shares(point), dtype=torch.float32), counts), (x,))
    scorer = train_generator(posed, images(32, 0), epochs=0).evaluator
    scorer.net.load_state_dict(net.state_dict())
    small, _ = scorer.cut(values)
    with torch.no_grad():
        assert torch.allclose(small.train()(x), wide, atol=1e-4)


def test_every_generator_learns_and_networks_are_scored_without_training():
    before = PruningNet(problem().evaluator.view, problem().space, 0).state_dict()
    losses = []
    trained = train_generator(
        problem(), images(600, 0), epochs=6, batch=50, progress=lambda epoch, loss: losses.append(loss)
    )
    assert losses[-1] < 0.8 * losses[0]
    after = trained.evaluator.net.state_dict()
    assert not any(torch.equal(before[name], after[name]) for name in before if name.startswith("makers"))
    env = trained.environment(8)
    found = trained.run("evolution", env)
    assert found.best.score > 0.5
    assert found.best.costs["macs"] <= found.limits["macs"]
    assert trained.fingerprint != problem().fingerprint


def test_generated_networks_need_images_for_batch_norm():
    posed = pose(zoo.build("vgg_tiny", SHAPE, 3, seed=0), SHAPE, {"macs": 0.5}, images(20, 1))
    with pytest.raises(InputError, match="got no calibration images"):
        train_generator(posed, images(20, 0))
