# SPDX-License-Identifier: Apache-2.0
"""Saved as choice and weights, rebuilt from the builder, bit for bit."""

import pickle

import pytest
import torch
from torch import nn

from hwsim.errors import InputError, ModelFileError, OutputError, WeightsError
from hwsim.importers.torch import import_torch
from prune.choice import Choice, load_choice
from prune.store import rebuild, rebuild_traced, save, save_traced
from prune.surgery import shrink
from prune.traced import prune_traced


def builder(width=6):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 4, 3), nn.Flatten(), nn.Linear(64, 3)
    )


SHAPE = (1, 8, 8)


@pytest.fixture
def saved(tmp_path):
    model = builder()
    network, _ = import_torch(model, SHAPE, fold=False)
    choice = Choice(network.hash, SHAPE, {"0": (1, 2, 5), "3": (0, 3)})
    small = shrink(model, network, choice)
    with torch.no_grad():
        small[0].weight.add_(1)  # as if fine-tuned
    small[1].running_mean.normal_()
    save(tmp_path, small, choice)
    return tmp_path, small, choice


def test_round_trip_is_bit_identical(saved):
    folder, small, choice = saved
    again = rebuild(builder, folder / "choice.json", folder / "weights.safetensors")
    assert load_choice(folder / "choice.json") == choice
    assert list(again.state_dict()) == list(small.state_dict())
    assert all(torch.equal(again.state_dict()[name], value) for name, value in small.state_dict().items())
    x = torch.randn(2, *SHAPE)
    assert torch.equal(again.eval()(x), small.eval()(x))
    assert again[0].out_channels == 3


def test_another_builder_is_refused(saved):
    folder, _, choice = saved
    with pytest.raises(InputError, match=r"Sequential: the builder makes network [0-9a-f]+; the choice was made for"):
        rebuild(lambda: builder(8), choice, folder / "weights.safetensors")


def test_weights_of_other_shapes_are_refused(saved):
    folder, _, choice = saved
    save(folder / "other", builder(), choice)
    with pytest.raises(
        WeightsError, match=r"weights.safetensors: does not fit the choice \(.*size mismatch.*; load the"
    ):
        rebuild(builder, choice, folder / "other" / "weights.safetensors")


def test_pickles_are_not_loaded(saved):
    folder, _, choice = saved
    path = folder / "weights.pt"
    path.write_bytes(pickle.dumps({"0.weight": 1}))
    with pytest.raises(ModelFileError, match=r"weights.pt: not a readable safetensors file .*pickles are never loaded"):
        rebuild(builder, choice, path)


def test_truncated_and_missing_weights_are_refused(saved):
    folder, _, choice = saved
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ModelFileError, match="not a readable safetensors file"):
        rebuild(builder, choice, path)
    with pytest.raises(ModelFileError, match="not a readable safetensors file"):
        rebuild(builder, choice, folder / "nowhere.safetensors")


def test_unwritable_folder_leaves_nothing(saved, tmp_path):
    _, small, choice = saved
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        save(tmp_path / "file", small, choice)


@pytest.mark.parametrize("selected", [(), ("2.bn1",)])
def test_a_traced_module_is_rebuilt_from_choice_and_weights(tmp_path, selected):
    from prune_architectures import ARCHITECTURES
    from prune_networks import randomise

    model, example = ARCHITECTURES["preact resnet"]()
    randomise(model, 0)
    small = prune_traced(model.eval(), example, keep=0.5, select=selected)
    save_traced(tmp_path, small)
    again = rebuild_traced(lambda: ARCHITECTURES["preact resnet"]()[0], example, tmp_path)
    with torch.no_grad():
        assert torch.equal(again.eval()(*example), small.module.eval()(*example))
    with pytest.raises(InputError, match="the builder makes other channels than the choice was made for"):
        rebuild_traced(lambda: ARCHITECTURES["resnet18"]()[0], example, tmp_path)
