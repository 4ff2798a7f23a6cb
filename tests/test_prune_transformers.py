# SPDX-License-Identifier: Apache-2.0
"""Hugging Face's transformers with random weights: half of the heads and hidden widths go, and masked equals shrunk."""

import pytest
import torch
from torch import nn

from hwsim.errors import UnsupportedError
from prune.traced import mask_traced, prune_traced, shrink_traced
from prune.tracer import trace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("transformers"),
    pytest.mark.filterwarnings("ignore"),  # of transformers, about its own deprecations
]

TOLERANCE = 1e-4  # float32 sums in another order
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24}
TEXT = {
    **SIZES,
    "vocab_size": 30,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
IMAGE = {**SIZES, "image_size": 16, "patch_size": 4}
GROUPED = {**TEXT, "num_key_value_heads": 4, "head_dim": 4, "tie_word_embeddings": False}
DISTIL = {"dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 24, "vocab_size": 30, "max_position_embeddings": 16}
STAGES = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_channels": 3}
SWIN = {"image_size": 16, "patch_size": 2, "embed_dim": 8, "depths": [2, 1], "num_heads": [2, 4], "window_size": 4}

#: Class without "Config" or "Model", settings, and what it reads.
MODELS = {
    "Bert": (TEXT, "text"),
    "Roberta": (TEXT, "text"),
    "Electra": ({**TEXT, "embedding_size": 16}, "text"),
    "MobileBert": ({**TEXT, "embedding_size": 16, "intra_bottleneck_size": 16}, "text"),
    "DistilBert": (DISTIL, "text"),
    "Ernie": (TEXT, "text"),
    "RoFormer": ({**TEXT, "embedding_size": 16}, "text"),
    "Camembert": (TEXT, "text"),
    "XLMRoberta": (TEXT, "text"),
    "LayoutLM": (TEXT, "text"),
    "GPTNeoX": (TEXT, "text"),
    "Llama": (GROUPED, "text"),
    "Mistral": (GROUPED, "text"),
    "Qwen2": (GROUPED, "text"),
    "Qwen3": (GROUPED, "text"),
    "Gemma": (GROUPED, "text"),
    "Phi": (GROUPED, "text"),
    "Olmo": (GROUPED, "text"),
    "ViT": (IMAGE, "image"),
    "DeiT": (IMAGE, "image"),
    "Dinov2": ({**IMAGE, "mlp_ratio": 2}, "image"),
    "Swin": (SWIN, "image"),
    "Swinv2": (SWIN, "image"),
    "ConvNext": ({**STAGES, "num_stages": 2}, "image"),
    "ResNet": ({**STAGES, "embedding_size": 8, "layer_type": "basic"}, "image"),
    "RegNet": ({**STAGES, "embedding_size": 8, "groups_width": 4}, "image"),
    "MobileNetV1": ({"depth_multiplier": 0.25, "min_depth": 8}, "image"),
    "MobileNetV2": ({"depth_multiplier": 0.25, "min_depth": 8}, "image"),
    "PoolFormer": ({"hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1]}, "image"),
}


class First(nn.Module):
    """A model that returns its first output."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x, return_dict=False)[0]


def built(name):
    import transformers

    settings, kind = (MODELS | REFUSED | KEPT)[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = getattr(transformers, f"{name}Config")(**settings)
        config.use_cache = False
        model = First(getattr(transformers, f"{name}Model")(config)).eval()
        example = torch.randint(3, 30, (2, 8)) if kind == "text" else torch.randn(2, 3, 16, 16)
    return model, (example,)


@pytest.mark.parametrize("name", MODELS)
def test_half_of_every_model_goes(name):
    model, example = built(name)
    traced = trace(model, example)
    assert traced.groups, {group.name: group.frozen for group in traced.frozen}
    kept = {group.name: tuple(range(0, group.width, 2)) for group in traced.groups if group.width > 1}
    with torch.no_grad():
        masked = mask_traced(model, traced, kept)(*example)
        shrunk = shrink_traced(model, traced, kept)(*example)
    assert torch.isfinite(masked).all()
    assert (masked - shrunk).abs().max() < TOLERANCE * max(1.0, masked.abs().max())
    small = prune_traced(model, example, keep=0.5)
    assert {n: len(k) for n, k in small.kept.items()} == {
        g.name: round(g.width / 2) for g in traced.groups if g.width > 1
    }
    assert small.parameters_after < small.parameters_before


REFUSED = {
    # They split or reshape by a number that they keep.
    "MPNet": (TEXT, "text"),
    "GPT2": ({"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 16, "vocab_size": 30}, "text"),
}
KEPT = {"ConvNextV2": ({**STAGES, "num_stages": 2}, "image")}  # global response normalisation


@pytest.mark.parametrize("name", REFUSED)
def test_a_forward_that_counts_on_its_sizes_is_refused(name):
    model, example = built(name)
    with pytest.raises(UnsupportedError, match="First: forward of the pruned module fails .*; write sizes in forward"):
        prune_traced(model, example, keep=0.5)


def test_what_normalises_over_its_hidden_width_stays():
    model, example = built("ConvNextV2")
    traced = trace(model, example)
    assert not traced.groups
    assert any("linalg_vector_norm" in group.frozen for group in traced.frozen)
