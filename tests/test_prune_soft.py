# SPDX-License-Identifier: Apache-2.0
"""Silencing and merging: what they change, and that a merge of copies changes no logit."""

import numpy as np
import pytest
import torch
from prune_networks import randomise

from hwsim.errors import InputError
from hwsim.importers.torch import import_torch
from prune.groups import channel_groups, find_group
from prune.methods import METHODS
from prune.soft import Soft, cluster, merge, own_rows, silence
from prune.take import UPDATES, Evidence, Pick, take
from prune.view import look
from quant.train import fit
from slimfab import zoo

SHAPE = (1, 8, 8)


def net(name="resnet8", seed=0, **options):
    model = zoo.build(name, SHAPE, 10, seed=seed, options=options)
    randomise(model, 0)
    return model.eval()


def data(count=128):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, *SHAPE, generator=generator), torch.randint(0, 10, (count,), generator=generator)


def logits(model):
    with torch.no_grad():
        return model.eval()(data(32)[0])


@pytest.mark.parametrize(
    "name",
    ["resnet8", *(pytest.param(name, marks=pytest.mark.slow) for name in ("vgg_tiny", "mobilenet_tiny", "ds_cnn"))],
)
def test_merging_copies_changes_no_logit(name):
    """Niu et al., ASCP: identical filters and batch norms give identical maps, so that their consumers may be added."""
    model = zoo.build(name, None, None)
    randomise(model, 0)
    view = look(model.eval(), zoo.ZOO[name].in_shape)
    counts = {g.name: max(2, g.width // 2) for g in view.groups}
    picks = {}
    for group in view.groups:
        labels = cluster(model, group, counts[group.name])
        merge(model, group, labels)
        picks[group.name] = Pick(tuple(np.unique(labels, return_index=True)[1].tolist()), labels)
    x = torch.randn(8, *view.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = model(x)
        small, _ = take(view, counts, METHODS["ascp"], {}, Evidence(model, None), 0, picks)
        after = small.model(x)
    assert (after - before).abs().max() < 1e-5 * max(1, before.abs().max())
    assert small.network.macs() < 0.5 * view.network.macs()


def test_in_double_precision_nothing_is_left_of_the_change():
    """What float32 shows, 1e-6 of the logits, is rounding of other sums and not the merge."""
    model = net("vgg_tiny").double()
    view = look(model, SHAPE)
    counts = {g.name: g.width // 2 for g in view.groups}
    picks = {}
    for group in view.groups:
        labels = cluster(model, group, counts[group.name])
        merge(model, group, labels)
        picks[group.name] = Pick(tuple(np.unique(labels, return_index=True)[1].tolist()), labels)
    x = data(16)[0].double()
    small, _ = take(view, counts, METHODS["ascp"], {}, Evidence(model, None), 0, picks)
    with torch.no_grad():
        assert (small.model(x) - model(x)).abs().max() < 1e-12 * max(1, model(x).abs().max())


def test_a_merge_makes_every_member_the_mean_batch_norm_included():
    model = net()
    group = channel_groups(import_torch(model, SHAPE, fold=False)[0])[0]  # the residual stream of the first stage
    assert len(group.producers) == 2
    before = [(tensor.clone(), member) for tensor, member in own_rows(model, group)]
    assert len(before) == 2 * (1 + 4)
    labels = np.arange(group.width) // 4
    merge(model, group, labels)
    for (old, _), (new, _) in zip(before, own_rows(model, group), strict=True):
        means = old.reshape(4, 4, -1).mean(dim=1)
        assert torch.allclose(new.reshape(4, 4, -1), means[:, None].expand(4, 4, -1), atol=1e-6)


def test_silence_zeroes_filters_and_batch_norms_together():
    model = net("vgg_tiny")
    group = channel_groups(import_torch(model, SHAPE, fold=False)[0])[1]
    silence(model, group, (0, 2, 3))
    gone = [1, 4, 5, 6, 7]
    assert not model.features.conv2.weight[gone].any()
    assert not model.features.bn2.weight[gone].any()
    assert not model.features.bn2.bias[gone].any()
    assert model.features.bn2.weight[[0, 2, 3]].all()


@pytest.mark.parametrize("kind", ["silence", "merge"])
def test_the_last_epoch_leaves_the_final_decision(kind):
    model = net("vgg_tiny")
    groups = channel_groups(import_torch(model, SHAPE, fold=False)[0])
    counts = {group.name: group.width // 2 for group in groups} | {groups[0].name: groups[0].width}
    soft = Soft(groups, counts, kind, "l2", "asymptotic", 0)
    fit(model, data(), epochs=3, batch_size=32, lr=0.01, hooks=[soft])
    assert {name: len(pick.kept) for name, pick in soft.picks.items()} == {g.name: counts[g.name] for g in groups[1:]}
    again = Soft(groups, counts, kind, "l2", "asymptotic", 0)
    again.restore({name: tensor.clone() for name, tensor in soft.tensors().items()})
    assert {name: pick.kept for name, pick in again.picks.items()} == {n: p.kept for n, p in soft.picks.items()}
    rows = {tuple(row) for row in model.features.conv4.weight.detach().flatten(1).tolist()}
    assert len(rows) == counts[groups[3].name] + (kind == "silence")  # and one row of zeros


def test_filters_alone_do_not_make_a_cluster():
    model = net("vgg_tiny")
    group = find_group(channel_groups(import_torch(model, SHAPE, fold=False)[0]), "features.conv1")
    with torch.no_grad():
        model.features.conv1.weight.copy_(model.features.conv1.weight[:1].expand(8, -1, -1, -1))
        model.features.bn1.weight.copy_(torch.tensor([1.0, 1, 1, 1, 2, 2, 2, 2]))
        model.features.bn1.bias.fill_(0.5)
    assert cluster(model, group, 2).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_unknown_kinds_and_merges_without_clusters_are_refused():
    with pytest.raises(InputError, match="soft: got 'zero'; expected 'silence' or 'merge'"):
        Soft((), {}, "zero", "l2", "constant", 0)
    model = net("vgg_tiny")
    group = channel_groups(import_torch(model, SHAPE, fold=False)[0])[0]
    with pytest.raises(InputError, match="features.conv1: update merge needs clusters"):
        UPDATES["merge"](model, group, Pick((0, 1)), None)
