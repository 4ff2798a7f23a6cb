# SPDX-License-Identifier: Apache-2.0
"""Ordinary torch layers that hls4ml 1.3.0's front ends get wrong without a word, or die on with an unrelated message.

Here each is either exact down to the C simulation, or refused with the layer's name and a remedy. What hls4ml does
with them when asked directly is written beside each row (run with hls4ml 1.3.0, Vitis backend).
"""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("brevitas", reason="needs brevitas")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from hls.compile import QUICK  # noqa: E402
from hls.executors import CsimExecutor  # noqa: E402
from hls.legality import default_folding  # noqa: E402
from hls.lowering import explain, lower  # noqa: E402
from hwsim import reference  # noqa: E402
from hwsim.design import Design, Folding  # noqa: E402
from hwsim.errors import UnsupportedError  # noqa: E402
from hwsim.importers.torch import import_torch  # noqa: E402


class Sequence(nn.Module):
    """The whole output sequence of an LSTM."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 3, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0]


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3))


def conv(**options):
    return nn.Conv2d(4, 4, options.pop("kernel", 3), **options)


# What hls4ml does by itself → what happens here: the imported float network must equal torch.
CORRECTED = [
    pytest.param(nn.MaxPool2d(3, 2, ceil_mode=True), (4, 8, 8), id="ceil_mode"),  # silently another shape
    pytest.param(conv(dilation=2), (4, 8, 8), id="dilation"),  # 'array split does not result in an equal division'
    pytest.param(conv(padding="same", kernel=5), (4, 8, 8), id="same padding"),  # 'Expected Integral got str (s)'
    pytest.param(nn.AdaptiveAvgPool2d(1), (4, 7, 7), id="adaptive pool"),  # refused; as ONNX GlobalAveragePool wrong
    pytest.param(Mean(), (4, 7, 7), id="mean"),  # refused
    pytest.param(conv(groups=4), (4, 8, 8), id="depthwise"),  # refused
    pytest.param(conv(groups=2), (4, 8, 8), id="groups"),  # refused
    pytest.param(nn.ReLU6(), (4, 8, 8), id="relu6"),  # refused
    pytest.param(nn.Hardtanh(), (4, 8, 8), id="hardtanh"),  # refused
    pytest.param(nn.Sequential(nn.Identity(), nn.ReLU()), (4, 8, 8), id="identity"),  # refused
    pytest.param(nn.AvgPool2d(3, 3, padding=1, count_include_pad=False), (4, 9, 9), id="pad count"),
]


@pytest.mark.parametrize(("module", "shape"), CORRECTED)
def test_the_import_computes_what_torch_computes_and_no_layer_is_refused(module, shape):
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)) * 4
    network, weights = import_torch(module, shape)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch comments on its own padding="same"
        expected = module.eval()(x).numpy()
    found = reference.execute(network, weights, x.numpy())
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)  # float32 against float64
    assert "refused" not in {status for status, _ in explain(network, "io_parallel").values()}


# A table instead of an exact form: hls4ml's Linear + Softmax gives the same output for every class (argmax agreement
# 13.5 %), PReLU is off by 45, sigmoid and tanh by some 1e-3.
TABLES = [
    (nn.Sequential(nn.Linear(8, 5), nn.Softmax(dim=1)), "end the network at the logits, whose argmax is the same"),
    (nn.Sequential(nn.Linear(8, 5), nn.Sigmoid()), "use relu or clip, or end the network before it and compare"),
    (nn.Sequential(nn.Linear(8, 5), nn.Tanh()), "use relu or clip"),
    (nn.Sequential(nn.Linear(8, 5), nn.LeakyReLU(0.1)), "use relu or clip"),
    (nn.Sequential(nn.Linear(8, 5), nn.GELU()), "replace the layer by relu"),
    (nn.Sequential(nn.Linear(8, 5), nn.SiLU()), "replace the layer by relu"),
    (nn.Sequential(nn.Linear(8, 5), nn.Hardswish()), "replace the layer by relu"),
]


@pytest.mark.parametrize(("module", "remedy"), TABLES, ids=[type(m[1]).__name__ for m, _ in TABLES])
def test_tables_are_refused_before_anything_is_trained(module, remedy):
    network, _ = import_torch(module, (8,))
    status, remark = explain(network)[network.layers[-2].name]
    assert status == "refused"
    assert remedy in remark


@pytest.mark.parametrize(
    ("module", "shape", "named"),
    [(Sequence(), (6, 4), "lstm"), (nn.PReLU(), (4,), "prelu"), (nn.GroupNorm(2, 4), (4, 8, 8), "group_norm")],
    ids=["LSTM", "PReLU", "GroupNorm"],
)
def test_layers_without_an_operator_are_refused_at_import_by_name(module, shape, named):
    with pytest.raises(UnsupportedError) as error:
        import_torch(module, shape)
    assert named in str(error.value).lower()


class Survivors(nn.Module):
    """Many of the layers above in one network, so that one compilation shows them exact."""

    shape = (2, 9, 9)

    def __init__(self):
        super().__init__()
        self.same = nn.Conv2d(2, 4, 5, padding="same")
        self.dilated = nn.Conv2d(4, 4, 3, dilation=2, padding=2, groups=2)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.row = nn.Conv2d(4, 4, (1, 3), stride=(2, 1))
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = F.relu6(self.same(x))
        x = F.relu(self.dilated(x))
        x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        x = F.relu(self.row(F.hardtanh(self.depthwise(x))))
        return self.head(x.mean(dim=(2, 3)))


@pytest.mark.needs("g++", "hls4ml")
def test_they_stay_exact_down_to_the_c_simulation(tmp_path):
    import quant_networks

    from quant.convert import to_network

    network, weights = to_network(quant_networks.quantised(Survivors))
    design = Design(network.hash, "pynq-z2", 100.0, "io_stream", folding=default_folding(network))
    csim = CsimExecutor(network, weights, tmp_path / "csim", design, cache=tmp_path / "cache", optimise=QUICK)
    images = quant_networks.images(Survivors, 30)
    np.testing.assert_array_equal(csim.predict(images), reference.execute(network, weights, images))


def test_a_reuse_factor_hls4ml_would_generate_a_missing_class_for_is_rounded():
    import quant_networks

    from quant.convert import to_network

    network, weights = to_network(quant_networks.quantised(quant_networks.Residual))
    foldings = {**default_folding(network), "right": Folding(reuse_factor=6)}  # 1x1: 4 inputs, 4 outputs
    lowered = lower(network, weights, Design(network.hash, "pynq-z2", 100.0, folding=foldings))
    assert lowered.node("right").reuse_factor == 4
    assert any(note.startswith("right: hls4ml cannot build reuse_factor=6") for note in lowered.notes)
