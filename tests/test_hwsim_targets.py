# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import yaml
from cost_networks import LAW, Draft, ad08, mobilenet_v1, networks, resnet8
from hypothesis import given
from hypothesis import strategies as st

from hwsim import device, serial, targets
from hwsim.design import Design
from hwsim.errors import InputError, UnknownNameError
from hwsim.estimate import FIGURE_NAMES, Estimate


def test_every_shipped_device_is_a_target():
    found = targets.names()
    assert {"cpu:host", "cpu:cortex-a9", "gpu:h100", "fpga:pynq-z2", "fpga:pynq-z2/folded"} <= set(found)
    assert {name.split(":")[1].split("/")[0] for name in found} == set(device.names())


@pytest.mark.parametrize("name", targets.names())
def test_every_target_costs_every_kind_of_network(name):
    for network in (resnet8(), resnet8(None, None), mobilenet_v1(alpha=0.25, size=128), ad08()):
        found = targets.estimate(network, name)
        assert found.target == name
        assert found.network_hash == network.hash
        for figure_name in ("latency_us", "interval_us", "energy_uj", "power_w", "bytes_moved"):
            figure = found.figure(figure_name)
            assert 0 < figure.low <= figure.value <= figure.high < math.inf, figure_name
        assert found.latency_us.value >= found.interval_us.value
        assert sum(layer.macs for layer in found.layers) == network.macs()
        assert found.notes


@pytest.mark.parametrize(
    "name", ["cpu:cortex-a9", "gpu:h100", "npu:eyeriss", "npu:gemmini", "fpga:pynq-z2", "fpga:pynq-z2/folded"]
)
def test_a_network_without_work_costs_its_data_and_the_call(name):
    draft = Draft(3, 4, 4)
    draft.layer("flatten")
    found = targets.estimate(draft.network(), name)
    assert found.layers == ()
    assert 0 < found.interval_us.value <= found.latency_us.value < math.inf


def test_an_estimate_survives_json():
    found = targets.estimate(resnet8(), "fpga:pynq-z2")
    assert serial.from_json(Estimate, serial.to_json(found)) == found


@LAW
@given(networks(), st.sampled_from(targets.names()), st.integers(1, 4))
def test_laws_that_hold_on_every_target(network, name, batch):
    found = targets.estimate(network, name, batch)
    assert found.latency_us.value >= found.interval_us.value * (1 - 1e-9)
    assert found.latency_us.value <= targets.estimate(network, name, batch + 1).latency_us.value
    assert found.energy_uj.value == pytest.approx(found.power_w.value * found.latency_us.value / batch)
    for figure_name in FIGURE_NAMES:
        if getattr(found, figure_name, None) is not None:
            figure = found.figure(figure_name)
            assert 0 <= figure.low <= figure.value <= figure.high < math.inf


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cpu:cortexa72", "unknown target 'cpu:cortexa72'; did you mean 'cpu:cortex-a72'"),
        ("cpi:cortex-a72", "unknown target kind 'cpi'; did you mean 'cpu'"),
        ("fpga:pynq-z2/foldet", "unknown mapping 'foldet' of fpga:pynq-z2; did you mean 'folded'"),
        ("cpu:cortex-a72/folded", "unknown mapping 'folded' of cpu:cortex-a72"),
        ("pynq-z2", "target: got 'pynq-z2'; expected kind:name such as cpu:cortex-a72; did you mean 'fpga:pynq-z2'"),
        ("cpu:pynq-z2", "target: got 'cpu:pynq-z2', but pynq-z2 is a fpga; use fpga:pynq-z2"),
    ],
)
def test_misspelt_targets_name_the_nearest(name, message):
    with pytest.raises(InputError) as error:
        targets.estimate(resnet8(), name)
    assert message in str(error.value)


def test_a_device_file_of_your_own_is_a_target(tmp_path):
    data = yaml.safe_load((device.FOLDER / "pynq-z2.yaml").read_text())
    data["name"], data["numbers"]["lut"]["value"] = "half", 26_600
    path = tmp_path / "half.yaml"
    path.write_text(yaml.safe_dump(data))
    half, whole = (targets.estimate(resnet8(), name) for name in (f"fpga:{path}", "fpga:pynq-z2"))
    assert half.capacity["lut"] == 26_600
    assert half.interval_us.value > whole.interval_us.value


def test_batches_start_at_one():
    with pytest.raises(InputError, match="batch: got 0; expected a whole number >= 1"):
        targets.estimate(resnet8(), "cpu:cortex-a72", batch=0)


def test_a_design_for_another_network_or_board_is_refused():
    network = resnet8()
    with pytest.raises(InputError, match="design: made for network"):
        targets.estimate(network, "fpga:pynq-z2", design=Design("0" * 16, "pynq-z2", 100.0))
    with pytest.raises(InputError, match="design: made for zcu104, got pynq-z2; choose a design again"):
        targets.estimate(network, "fpga:pynq-z2", design=targets.design(network, "fpga:zcu104"))


def test_only_fpga_targets_have_a_design():
    assert targets.design(resnet8(), "fpga:pynq-z2/folded", 125.0).clock_mhz == 125.0
    with pytest.raises(InputError, match="target: got 'cpu:cortex-a72'; expected an fpga target"):
        targets.design(resnet8(), "cpu:cortex-a72")


def test_the_chosen_design_gives_the_same_estimate_as_none():
    network = resnet8()
    for name in ("fpga:pynq-z2", "fpga:pynq-z2/folded"):
        chosen = targets.estimate(network, name, design=targets.design(network, name))
        assert chosen.latency_us == targets.estimate(network, name).latency_us


def test_compare_keeps_the_order():
    names = ["fpga:zcu104", "cpu:cortex-a72"]
    assert [found.target for found in targets.compare(resnet8(), names)] == names


def test_costs_are_counts_or_fields_of_estimates():
    network = resnet8()
    assert targets.cost(network, "macs") == network.macs() == 12_501_632
    assert targets.cost(network, "params") == network.parameters()
    assert targets.cost(network, "weight_bits") == network.weight_bits()
    latency = targets.estimate(network, "fpga:pynq-z2/folded").latency_us.value
    assert targets.cost(network, "fpga:pynq-z2/folded.latency_us") == latency


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("mac", "unknown cost 'mac'; did you mean 'macs'"),
        ("fpga:pynq-z2.dps", "fpga:pynq-z2: unknown field 'dps'; did you mean 'dsp'"),
        ("fpga:pinq-z2.dsp", "did you mean 'fpga:pynq-z2'"),
    ],
)
def test_misspelt_costs_name_the_nearest(what, message):
    with pytest.raises(UnknownNameError) as error:
        targets.cost(resnet8(), what)
    assert message in str(error.value)


def test_a_pruned_network_is_cheaper_everywhere():
    full, half = resnet8(), resnet8(widths=(8, 16, 32))
    for name in targets.names():
        few, many = (targets.estimate(network, name).latency_us.value for network in (half, full))
        # Where every operation is launched alone, launches may be all there is.
        assert few < many or (few == many and name.endswith("/eager")), name


def test_a_network_too_large_for_a_board_is_costed_with_a_note():
    draft = Draft(64, 64, 64, weights=16, activations=16)
    for _ in range(24):
        draft.conv(512)
    draft.head(10)
    for name in ("fpga:pynq-z2", "fpga:pynq-z2/folded"):
        found = targets.estimate(draft.network(), name)
        assert not found.fits()
        (note,) = [note for note in found.notes if note.startswith("does not fit: ")]
        assert f"BRAM18 {100 * found.utilisation()['bram18']:.0f} %" in note
