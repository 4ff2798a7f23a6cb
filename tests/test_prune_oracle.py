# SPDX-License-Identifier: Apache-2.0
"""Channel groups beside those of torch-pruning (VainF/Torch-Pruning), wherever it follows a module.

Torch-pruning also cuts outputs, and streams behind norms over channels; prune_traced keeps them and says why.
"""

import pytest
import torch
from prune_architectures import ARCHITECTURES
from torch import nn

from prune.tracer import trace
from slimfab import zoo

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("torch_pruning"),
    pytest.mark.filterwarnings("ignore"),  # of torch-pruning, about what it does not know
]

# It couples the parts of a split with one another; they can go alone where each has its own convolution.
COUPLED_BY_SPLITS = ("res2net", "yolo c2f")
ZOO = ("vgg_tiny", "resnet8", "resnet20", "resnet56", "ds_cnn", "mobilenet_tiny", "mobilenet_v1", "mobilenet_v2")


def of_torch_pruning(model, example):
    """Layers that lose outputs together, as its dependency graph says."""
    import torch_pruning

    functions = torch_pruning.function
    cuts = (functions.prune_conv_out_channels, functions.prune_linear_out_channels)
    graph = torch_pruning.DependencyGraph().build_dependency(model, example_inputs=example[0])
    names = {module: name for name, module in model.named_modules()}
    roots = [nn.Conv1d, nn.Conv2d, nn.Linear]
    return {
        frozenset(names[step.target.module] for step, _ in group if step.handler in cuts)
        for group in graph.get_all_groups(root_module_types=roots)
    }


def built(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name in ARCHITECTURES:
            model, example = ARCHITECTURES[name]()
        else:
            model, example = zoo.build(name), (torch.randn(2, *zoo.ZOO[name].in_shape),)
    return model.eval(), example


@pytest.mark.parametrize("name", [*ZOO, *(one for one in ARCHITECTURES if one not in COUPLED_BY_SPLITS)])
def test_groups_are_those_of_torch_pruning(name):
    model, example = built(name)
    traced = trace(model, example)
    ours = {frozenset(group.layers) for group in traced.groups}
    theirs = of_torch_pruning(model, example)
    assert ours <= theirs
    kept = set().union(*({*group.layers} for group in traced.frozen))
    assert all(layers <= kept for layers in theirs - ours)


def test_it_couples_what_a_split_takes_apart():
    model, example = built("res2net")
    ours = {frozenset(group.layers) for group in trace(model, example).groups}
    assert frozenset({"1.convs.2.0"}) in ours - of_torch_pruning(model, example)
