# SPDX-License-Identifier: Apache-2.0
"""Every published method through the one call, and what tells them apart."""

from dataclasses import replace

import pytest
import torch
from prune_networks import randomise

from hwsim.errors import InputError, UnknownNameError
from hwsim.importers.torch import import_torch
from prune import METHODS, Samples, prune, rebuild
from prune.take import UPDATES
from quant.train import fit
from slimfab import zoo

SHAPE = (1, 8, 8)


def net(name="resnet8"):
    options = {"resnet8": {"widths": (8, 12, 16)}}
    model = zoo.build(name, SHAPE, 10, options=options.get(name, {}))
    randomise(model, 0)
    return model.eval()


X = torch.randn(96, *SHAPE, generator=torch.Generator().manual_seed(0))
Y = torch.randint(0, 10, (96,), generator=torch.Generator().manual_seed(1))


def train(model, hooks):
    fit(model, (X, Y), epochs=2, batch_size=32, lr=0.01, hooks=hooks)


QUICK = ("ascp", "slimming", "thinet")  # one of each kind; the others take the same ways
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in METHODS if name not in QUICK]


@pytest.mark.parametrize("method", [*QUICK, *SLOW])
def test_every_method_meets_the_budget_and_is_saved_without_pickles(method, tmp_path):
    model = net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    small = prune(model, SHAPE, method=method, budget={"macs": 0.5}, samples=Samples(X, Y), train=train)
    folded, _ = import_torch(small.module, SHAPE)
    assert 0.4 < folded.macs() / import_torch(model, SHAPE)[0].macs() <= 0.5
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    small.save(tmp_path)
    again = rebuild(net, tmp_path / "choice.json", tmp_path / "weights.safetensors").eval()
    with torch.no_grad():
        assert torch.equal(again(X), small.module.eval()(X))


def output_of(model, path):
    seen = {}
    handle = model.get_submodule(path).register_forward_hook(lambda _, args, out: seen.update(out=out))
    with torch.no_grad():
        model.eval()(X)
    handle.remove()
    return seen["out"]


@pytest.mark.parametrize(
    ("name", "layer", "reader"),
    [
        ("vgg_tiny", "features.conv5", "features.conv6"),
        pytest.param("mobilenet_tiny", "blocks.0.pointwise", "blocks.1.pointwise", marks=pytest.mark.slow),
    ],
)
def test_the_next_layers_error_falls_with_the_freedom_of_its_weights(name, layer, reader):
    model = net(name)
    expected, errors = output_of(model, reader), []
    for update in ("removal", "scale", "interpolate", "refit", "reconstruct"):
        method = replace(METHODS["backward"], update=update, allocator="per_layer")
        small = prune(model, SHAPE, method=method, ratios={layer: 0.25}, samples=Samples(X))
        errors.append(((output_of(small.module, reader) - expected) ** 2).sum().item())
    removal, scale, interpolate, refit, reconstruct = errors
    assert reconstruct == pytest.approx(refit)  # one layer: it sees the same before the cut as after those before it
    assert removal > scale > refit
    assert refit <= 1.01 * interpolate  # fitted on samples of the outputs it is judged by here
    assert refit < 0.5 * removal


def test_a_channel_without_gamma_leaves_its_constant_behind():
    model = net("vgg_tiny")
    with torch.no_grad():
        model.features.bn6.weight[[3, 9]] = 0
        model.features.bn6.bias[[3, 9]] = 1.5
    method = replace(METHODS["slimming"], regulariser="", allocator="per_layer", update="constant")
    small = prune(model, SHAPE, method=method, ratios={"features.conv6": 30 / 32}, samples=Samples(X))
    assert {3, 9}.isdisjoint(small.choice.kept["features.conv6"])
    with torch.no_grad():
        assert (small.module.eval()(X) - model(X)).abs().max() < 1e-4


def test_a_duplicate_channel_goes_without_any_error():
    model = net("vgg_tiny")
    with torch.no_grad():
        for part in (model.features.conv3, model.features.bn3):
            for value in part.state_dict().values():
                if value.ndim:
                    value[5] = value[2]
        model.features.bn3.bias[[2, 5]] = 1.0  # alive
        model.features.conv4.weight[:, 5] = model.features.conv4.weight[:, 2]
    for name, error in (("backward", 1e-4), ("thinet_omp", 1e-4)):
        method = replace(METHODS[name], allocator="per_layer")
        small = prune(model, SHAPE, method=method, ratios={"features.conv3": 15 / 16}, samples=Samples(X))
        with torch.no_grad():
            assert (small.module.eval()(X) - model(X)).abs().max() < error


def test_thinet_keeps_block_outputs_and_cuts_layer_by_layer():
    cuts = []
    small = prune(
        net(),
        SHAPE,
        method="thinet",
        budget={"macs": 0.7},
        samples=Samples(X),
        tune=lambda module, step: cuts.append((step, sum(p.numel() for p in module.parameters()))),
    )
    assert set(small.choice.kept) == {f"stages.{stage}.0.conv1" for stage in range(3)}
    assert [step for step, _ in cuts] == [0, 1, 2]
    assert cuts[0][1] > cuts[1][1] > cuts[2][1]


def test_slimming_trains_before_every_pass_and_pushes_gammas_down():
    seen = []

    def watched(model, hooks):
        before = sum(m.weight.abs().sum().item() for m in model.modules() if hasattr(m, "running_var"))
        train(model, hooks)
        seen.append((before, sum(m.weight.abs().sum().item() for m in model.modules() if hasattr(m, "running_var"))))

    method = replace(METHODS["slimming"], strength=0.5, schedule="iterative", steps=2, cap=0.5)
    small = prune(net(), SHAPE, method=method, budget={"channels": 0.6}, train=watched)
    assert len(seen) == 2
    assert all(after < before for before, after in seen)
    assert small.used is not None
    assert small.used <= 1


def test_missing_ingredients_are_named():
    with pytest.raises(InputError, match="'l1_gamma' happens in training; pass train="):
        prune(net(), SHAPE, method="slimming", budget={"macs": 0.5})
    with pytest.raises(InputError, match="'merge' happens in training; pass train="):
        prune(net(), SHAPE, method="ascp", budget={"macs": 0.5})
    with pytest.raises(InputError, match=r"'greedy' needs activations; pass samples=Samples\(x\)"):
        prune(net(), SHAPE, method="thinet", budget={"macs": 0.8})
    with pytest.raises(UnknownNameError, match="unknown pruning method 'thinnet'; did you mean 'thinet'"):
        prune(net(), SHAPE, method="thinnet", budget={"macs": 0.8})
    with pytest.raises(InputError, match="l1_gamma found no batch norm"):
        prune(zoo.build("jet_mlp"), (16,), method="slimming", criterion="l1", budget={"macs": 0.5}, train=train)


def test_the_words_of_every_method_are_known():
    from prune.allocate import ALLOCATORS
    from prune.criteria import CRITERIA
    from prune.regularise import REGULARISERS
    from prune.schedule import SCHEDULES
    from prune.selectors import SELECTORS

    for name in METHODS:
        method = METHODS[name]
        assert method.criterion in CRITERIA
        assert method.allocator in ALLOCATORS
        assert method.schedule in SCHEDULES
        assert method.update in UPDATES
        assert method.selector in ("", "cluster", *SELECTORS)
        assert method.regulariser in ("", *REGULARISERS)
        assert method.source
