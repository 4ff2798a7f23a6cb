# SPDX-License-Identifier: Apache-2.0
"""What ``slimfab check`` promises is what a run would do."""

import re

import pytest
from command_line import refused, slimfab, succeeds
from exact_graphs import QUANT, Graph
from hls_networks import Builder
from onnx_graphs import write
from torch import nn

from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.importers.torch import import_torch
from hwsim.network import save
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
    assert found.verdict[1].startswith("layers without an exact form in hls4ml: 1;")
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


# The way without vendor tools


def test_templates_are_promised_to_those_who_can_use_them(tmp_path):
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
    fit, templates = check(module, (2, 4, 4)).verdict[2:]
    assert fit.startswith("fpga:zcu104/folded at 8 bits: fits, about ")
    assert templates == "every layer has a SystemVerilog template; a recipe with an rtl section simulates it"
    network, weights = import_torch(module, (2, 4, 4))
    save(network, weights, tmp_path)
    assert check_model(str(tmp_path), "zcu104").verdict[3] == "every layer has a SystemVerilog template"
    draft = Builder((4,), FixedPoint(8, 4))
    save(*draft.build(draft.add("relu", "x", FixedPoint(8, 4))), tmp_path)
    found = check_model(str(tmp_path), "zcu104")
    assert found.verdict[2].startswith("fpga:zcu104/folded: fits, about ")
    assert found.verdict[3] == "every layer has a SystemVerilog template; 'slimfab rtl' simulates it"


def test_a_layer_without_a_template_is_named_and_changes_no_verdict():
    found = check(nn.Sequential(nn.Conv2d(2, 3, 3), nn.Hardtanh(-0.1, 0.7)), (2, 4, 4))
    assert found.verdict[1].startswith("every layer maps exactly")
    assert found.verdict[2].startswith("as SystemVerilog: 1: got bounds -0.1 and 0.7; expected multiples of 2**-31;")
    assert (found.ok, len(found.verdict)) == (True, 3)
    found = check(REFUSED["standing batch norm"][0](), (2, 4, 4))
    assert found.verdict[-1] == "every layer has a SystemVerilog template"  # but a run would not get there
    assert not found.ok


@pytest.mark.needs("onnx")
@pytest.mark.parametrize("quantised_inputs", [True, False])
def test_a_file_of_other_scales_has_templates_for_its_integers(tmp_path, quantised_inputs):
    graph = Graph()
    x = graph.quant("x", 0.17, 4) if quantised_inputs else "x"
    graph.quant(graph.dense(x, 8, 6, 3, 0.07), 0.3, 2)
    options = {"outputs": graph.nodes[-1].output[:1], "domains": [QUANT]}
    path = write(tmp_path, graph.nodes, graph.constants, (1, 8), **options)
    outcome = slimfab("check", path)
    assert outcome.code == 1  # as far as hls4ml goes
    assert "refused" in {status for _, status in table(outcome.out).values()}
    lines = outcome.out.splitlines()
    assert lines[-1] == "every layer has a SystemVerilog template; 'slimfab rtl' simulates it"
    assert lines[-2].startswith("fpga:pynq-z2/folded: fits, about ")
    notes = [line.removeprefix("as SystemVerilog: ") for line in lines if line.startswith("as SystemVerilog: ")]
    assumed = "its inputs are taken as ap_fixed<16,6>; 'slimfab rtl --input-format' takes others"
    assert (assumed in notes) == (not quantised_inputs)
    assert any(note.startswith("Quant_") for note in notes)


def test_nothing_to_map_is_no_success():
    found = check(nn.Sequential(), (2, 4, 4))
    assert (found.ok, found.verdict) == (False, ("the network computes nothing; give it layers",))


NETS = """\
from torch import nn


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.act = nn.PReLU()
        self.pool = nn.MaxPool2d(2, 2, padding=1)
        self.head = nn.Conv2d(4, 2, 1)
        self.end = nn.Tanh()

    def forward(self, x):
        return self.end(self.head(self.pool(self.act(self.conv(x)))))


def good():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2, padding=1))


def large():
    return nn.Sequential(nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1024))
"""


def table(text):
    """Layer → (operator, status) from the printed table."""
    return {
        name: (operator, status)
        for name, operator, status in re.findall(
            r"^  (\S+) +(\w+) +[\d×]+ .*?(exact|rewritten|refused)\b", text, re.MULTILINE
        )
    }


@pytest.fixture
def nets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)


def test_a_good_network_is_shown_layer_by_layer(nets):
    text = succeeds("check", "nets.py:good", "--input", "1x8x8")
    assert table(text) == {"0": ("conv2d", "exact"), "1": ("relu", "exact"), "2": ("max_pool2d", "rewritten")}
    assert re.search(r"^  0 +conv2d +4×8×8 +2\.3k ", text, re.MULTILINE)
    assert "padded with zeros in a layer of its own" in text
    assert re.search(r"^fpga:pynq-z2 at 8 bits: fits, about [\d.]+ µs per inference; lut \d+%", text, re.MULTILINE)


def test_every_refused_layer_is_listed_in_its_place_and_the_exit_code_says_so(nets):
    outcome = slimfab("check", "nets.py:Mixed", "--input", "1x8x8")
    assert outcome.code == 1
    assert list(table(outcome.out)) == ["conv", "act", "pool", "head", "end"]
    assert [name for name, (_, status) in table(outcome.out).items() if status == "refused"] == ["act", "end"]
    assert outcome.out.splitlines()[-1] == "layers refused: 2; change the refused layers, then check again"
    assert outcome.err == ""


def test_the_folding_serves_an_objective_within_budgets_and_says_what_is_proven(nets):
    text = succeeds("check", "nets.py:good", "--input", "1x8x8", "--objective", "lut", "--budget", "interval_us=50")
    assert re.search(r"fpga:pynq-z2 at 8 bits: fits, .*; folding: lut [\d.e+]+, proven to be the smallest", text)
    outcome = slimfab("check", "nets.py:good", "--input", "1x8x8", "--budget", "interval_us=0.01")
    assert outcome.code == 1
    assert "fpga:pynq-z2 at 8 bits: folding: none fits, the nearest exceeds interval_us by" in outcome.out
    message = refused("check", "nets.py:good", "--input", "1x8x8", "--budget", "dsp=1000")
    assert message == "budget: got dsp=1000; expected at most 220, what pynq-z2 has"
    message = refused("check", "nets.py:good", "--input", "1x8x8", "--objective", "speed")
    assert message.startswith("objective: unknown 'speed'")


def test_a_network_that_does_not_fit_is_no_success(nets):
    outcome = slimfab("check", "nets.py:large", "--input", "1024", "--board", "pynq-z2")
    assert outcome.code == 1
    assert re.search(r"^fpga:pynq-z2 at 8 bits: does not fit: .*; prune it, use fewer bits", outcome.out, re.MULTILINE)
    assert slimfab("check", "nets.py:large", "--input", "1024", "--board", "u250").code == 0


def test_an_unknown_board_is_said_before_anything_about_the_network(nets):
    for source in ("nets.py:Mixed", "nets.py:good", "nowhere.py:build"):
        message = refused("check", source, "--input", "1x8x8", "--board", "kv26")
        assert message == "unknown target 'fpga:kv26'; did you mean 'fpga:kv260'?"
    message = refused("check", "nets.py:good", "--input", "1x8x8", "--board", "cortex-a9")
    assert message == "target: got 'fpga:cortex-a9', but cortex-a9 is a cpu; use cpu:cortex-a9"
