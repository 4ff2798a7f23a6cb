# SPDX-License-Identifier: Apache-2.0
"""What ``slimfab check`` promises is what a run would do."""

import pytest
from torch import nn

from hwsim.errors import UnsupportedError
from hwsim.importers.torch import import_torch
from quant.module import QuantModule
from quant.spec import QuantSpec
from slimfab.check import check_model, check_network
from slimfab.models import Model


def check(module, shape, board="zcu104"):
    network, weights = import_torch(module, shape)
    return check_network(Model("net", network, weights, module), board)


def shared():
    conv = nn.Conv2d(2, 2, 3, padding=1)
    return nn.Sequential(conv, nn.ReLU(), conv)


REFUSED = {
    "standing batch norm": (lambda: nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 3, 3)), "batch_norm cannot be"),
    "shared weights": (shared, ".weight' with 0; one format for both"),
    "softmax": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(32, 2), nn.Softmax(1)), "end the network at the logits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_quantised_is_refused_before_any_training(name):
    build, reason = REFUSED[name]
    found = check(build(), (2, 4, 4))
    assert not found.ok
    assert [reason in row.remark for row in found.rows if row.status == "refused"] == [True]
    assert found.verdict[1].startswith("layers without an exact hardware form: 1;")
    with pytest.raises(UnsupportedError):
        QuantModule(*import_torch(build(), (2, 4, 4)), QuantSpec())


def test_only_a_torch_module_is_promised_a_run():
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
    network, weights = import_torch(module, (2, 4, 4))
    assert check(module, (2, 4, 4)).verdict[1] == (
        "every layer maps exactly; 'slimfab run' trains, quantises and verifies it"
    )
    assert check_network(Model("file", network, weights), "zcu104").verdict[1] == "every layer maps exactly"


def test_other_quantisation_than_fixed_point_is_refused_and_costed_at_its_own_bits():
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
    network, weights = import_torch(module, (2, 4, 4))
    found = check_network(Model("file", network.with_bits(4), weights), "zcu104")
    assert [row.status for row in found.rows] == ["refused", "refused"]
    assert "its scale is no power of two" in found.rows[0].remark
    assert found.verdict[0].startswith("fpga:zcu104, float values at 8 bits: fits")
    assert not found.ok


def test_a_second_output_is_a_refused_row(tmp_path):
    code = "from torch import nn\nclass Two(nn.Module):\n    def forward(self, x):\n        return x.relu(), x\n"
    (tmp_path / "two.py").write_text(code)
    found = check_model(f"{tmp_path}/two.py:Two", "zcu104", (2, 4, 4))
    assert [(row.operator, row.status) for row in found.rows] == [("relu", "exact"), ("output", "refused")]
    assert found.verdict == ("layers refused: 1; change the refused layers, then check again",)


def test_nothing_to_map_is_no_success():
    found = check(nn.Sequential(), (2, 4, 4))
    assert (found.ok, found.verdict) == (False, ("the network computes nothing; give it layers",))
