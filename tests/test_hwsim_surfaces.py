# SPDX-License-Identifier: Apache-2.0
"""Surfaces fitted to networks of known times predict others, and come back from a device file."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from hwsim import cpu, device, device_file, surface_fit
from hwsim.errors import DeviceError
from hwsim.runtime_nodes import FORMS, LOWERINGS
from hwsim.surface_file import read_surfaces, surface_lines
from hwsim.surface_terms import DTYPE_BYTES, FEATURES, TERMS, counts, features
from hwsim.surfaces import LEAST, Surface, Surfaces, kernel_times, matern, node_parts_us
from hwsim.sweep import sweep
from hwsim.variants import variants
from hwsim.workload import workload
from slimfab.measure import micro

NETWORKS = micro.networks(60, seed=5)
PRICES = dict(start=0.7, input=2e-4, output=3e-4, mac=2e-5, weight=1e-4, byte_memory=5e-5)


def node_us(work, runtime):
    """A processor whose efficiency falls where there are few channels: what the fit has to find."""
    nodes = LOWERINGS[runtime](work, "fp32", 16)
    roofline = counts(work, nodes, "fp32", 16) @ np.array([PRICES.get(name, 0.0) for name in TERMS])
    channels = work.column("channels")[nodes.kernel]
    return roofline * (1 + 0.5 / np.sqrt(channels))


def runs(networks, runtime="onnxruntime", seed=0):
    generator = np.random.default_rng(seed)
    works = [workload(network) for network in networks]
    inside = [node_us(work, runtime) for work in works]
    total = np.array([one.sum() + 4.0 for one in inside])
    noisy = [one * generator.normal(1, 0.02, len(one)) + 2.0 for one in inside]  # looking at a node takes 2 us
    return surface_fit.Runs(works, total * generator.normal(1, 0.005, len(total)), noisy)


@pytest.fixture(scope="module")
def fitted():
    return surface_fit.calibrate({"fp32": runs(NETWORKS)}, "onnxruntime", 16, "made up for a test")


def test_held_out_networks_are_predicted(fitted):
    surfaces, errors = fitted
    assert 1.0 < errors["fp32"] < 1.4  # 50 networks leave some shapes of the others out
    others = micro.networks(25, seed=6)
    truth = runs(others).total_us
    found = [kernel_times(surfaces, workload(one), "fp32").total.sum() + surfaces.call_us["fp32"] for one in others]
    assert np.median(np.abs(np.array(found) / truth - 1)) < 0.02
    assert np.mean(np.abs(np.array(found) / truth - 1) < 0.1) >= 0.9  # two are larger than those of the fit


def test_times_of_nodes_are_found_beside_what_looking_at_them_takes(fitted):
    surfaces, _ = fitted
    work = workload(micro.networks(25, seed=6)[20])
    nodes, parts = node_parts_us(surfaces, work, "fp32")
    truth = node_us(work, "onnxruntime")
    large = truth > 5
    assert large.any()
    assert parts.sum(axis=1)[large] == pytest.approx(truth[large], rel=0.25)
    assert len(nodes.form) == len(truth)


def test_an_outlier_moves_nothing(fitted):
    surfaces, _ = fitted
    disturbed = runs(NETWORKS)
    disturbed.total_us[3] *= 2
    forms, call_us = surface_fit.fit(disturbed, "onnxruntime", "fp32", 16, surfaces.length)
    again = replace(surfaces, forms={"fp32": forms}, call_us={"fp32": call_us})
    for network in NETWORKS[10:20]:
        work = workload(network)
        one, two = (kernel_times(each, work, "fp32").total.sum() for each in (surfaces, again))
        assert two == pytest.approx(one, rel=0.05)


@pytest.mark.parametrize(
    ("size", "width", "lines"), [((32, 8), 7, 9 * 32 * 7), ((8, 32), 7, 9 * 8 * 7), ((8, 32), 16, 0)]
)
def test_windows_are_packed_line_by_line_and_blocks_of_channels_are_not(size, width, lines):
    grown = micro.Builder(width, *size)
    grown.conv(width, 3, groups=width)
    work = workload(grown.network("narrow"))
    nodes = LOWERINGS["onnxruntime"](work, "fp32", 16)
    assert counts(work, nodes, "fp32", 16)[:, list(TERMS).index("line")].sum() == lines


@pytest.mark.parametrize(("width", "share"), [(512, 0.0), (1000, 0.0), (2048, 0.75)])
def test_weights_beyond_the_share_of_the_last_cache_are_lost_between_inferences(width, share):
    grown = micro.Builder(width)
    grown.dense(width)
    work = workload(grown.network("wide"))
    table = counts(work, LOWERINGS["onnxruntime"](work, "fp32", 16), "fp32", 16)
    assert table[:, list(TERMS).index("lost_weight")].sum() == pytest.approx(4 * width**2 * share, rel=1e-3)


def test_far_from_every_centre_the_roofline_holds():
    far = matern(np.zeros((1, FEATURES)), np.full((1, FEATURES), 30.0), 1.5)
    assert far[0, 0] < 1e-9
    assert matern(np.zeros((1, 2)), np.zeros((1, 2)), 1.5)[0, 0] == 1


def test_efficiency_has_a_floor():
    prices = np.array([PRICES.get(name, 0.0) for name in TERMS])
    work = workload(NETWORKS[0])
    nodes = LOWERINGS["eager"](work, "fp32", 16)
    places, table = features(work, nodes, "fp32", 16), counts(work, nodes, "fp32", 16)
    names = {FORMS[form] for form in nodes.form}
    forms = {name: Surface(prices, places, np.full(len(places), -5.0)) for name in names}
    _, parts = node_parts_us(Surfaces("eager", 16, 2.0, {"fp32": 0.0}, {"fp32": forms}, "test"), work, "fp32")
    assert parts.sum(axis=1) == pytest.approx(np.maximum(LEAST * (table @ prices), 0.02))


def test_a_form_that_was_not_measured_costs_its_prices(fitted):
    surfaces, _ = fitted
    forms = {name: one for name, one in surfaces.forms["fp32"].items() if name != "dense"}
    known = device.load("cortex-a72")
    partly = replace(known, surfaces=replace(surfaces, forms={"fp32": forms}))
    network = NETWORKS[0]
    priced = {layer.name: layer.latency_us for layer in cpu.estimate(network, known).layers}
    mixed = {layer.name: layer.latency_us for layer in cpu.estimate(network, partly).layers}
    dense = [layer.name for layer in network.layers if layer.op == "dense"]
    assert dense
    assert all(mixed[name] == priced[name] for name in dense)
    assert any(mixed[name] != priced[name] for name in mixed if name not in dense)


def test_a_sweep_says_what_the_estimates_say(fitted, tmp_path):
    surfaces, _ = fitted
    path = tmp_path / "host.yaml"
    data = yaml.safe_load((device.FOLDER / "cortex-a72.yaml").read_text(encoding="utf-8"))
    path.write_text(device_file.text_of(data, "made up", surfaces), encoding="utf-8")
    network = next(one for one in NETWORKS if one.name.startswith("plain"))
    first = next(layer.name for layer in network.layers if layer.op == "conv2d")
    widths = [5, 8, 16, 20]
    found = sweep(variants(network, {first: widths}), [f"cpu:{path}"]).latency_us[:, 0]
    loaded = device.load(str(path))
    each = [cpu.estimate(network.with_widths({first: width}), loaded).latency_us.value for width in widths]
    assert found == pytest.approx(each)


def test_surfaces_come_back_from_a_file(fitted):
    surfaces, _ = fitted
    again = read_surfaces(yaml.safe_load("\n".join(surface_lines(surfaces)))["surfaces"], "host.yaml")
    assert (again.runtime, again.block, again.source) == (surfaces.runtime, surfaces.block, surfaces.source)
    work = workload(NETWORKS[1])
    one, two = (kernel_times(each, work, "fp32").total.sum() for each in (surfaces, again))
    assert two == pytest.approx(one, rel=2e-2)  # four digits of weights that partly cancel


def data():
    prices, centre = " ".join(["0.1"] * len(TERMS)), " ".join(["0.5"] * (FEATURES + 1))
    form = {"prices": prices, "centres": f"{centre}\n"}
    return {"runtime": "eager", "block": 16, "length": 2.0, "source": "test", "call_us": {"fp32": 1.0},
            "forms": {"fp32": {"conv": form}}}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runtime": "tvm"}, "x: surfaces: unknown runtime 'tvm'"),
        ({"block": 0}, "x: surfaces: block: got 0; expected a number > 0; calibrate again"),
        ({"length": float("nan")}, "x: surfaces: length: got nan"),
        ({"speed": 1}, "x: surfaces: unknown key 'speed'"),
        ({"call_us": {"fp8": 1}}, "x: surfaces: call_us: unknown number type 'fp8'"),
        ({"call_us": {}}, "x: surfaces: got forms in fp32, call_us in none"),
        ({"forms": 3}, "x: surfaces: forms: got 3; expected a mapping"),
        ({"forms": {"fp32": {"convolution": {}}}}, "x: surfaces: fp32.convolution: unknown form"),
        (
            {"forms": {"fp32": {"conv": {"prices": "1 2", "centres": ""}}}},
            f"got 2 numbers; expected {len(TERMS)} finite",
        ),
        ({"forms": {"fp32": {"conv": {"prices": "a b", "centres": ""}}}}, "prices: got 'a b'; expected"),
        ({"forms": {"fp32": {"conv": {"prices": "1"}}}}, "fp32.conv: expected prices and centres"),
        (
            {"forms": {"fp32": {"conv": {"prices": "-1 " * len(TERMS), "centres": ""}}}},
            "prices: got -1; expected no neg",
        ),
    ],
)
def test_damaged_surfaces_are_refused(change, message):
    assert read_surfaces(data(), "x").forms["fp32"]["conv"].centres.shape == (1, FEATURES)
    with pytest.raises(DeviceError, match=message):
        read_surfaces(data() | change, "x")


def test_missing_keys_and_other_kinds_of_devices_are_refused():
    for key in data():
        with pytest.raises(DeviceError, match=f"x: surfaces: key '{key}' is missing"):
            read_surfaces({name: value for name, value in data().items() if name != key}, "x")
    with pytest.raises(DeviceError, match="x: surfaces: got list; expected a mapping"):
        read_surfaces([], "x")
    gpu = yaml.safe_load((device.FOLDER / "a100.yaml").read_text(encoding="utf-8"))
    with pytest.raises(DeviceError, match="surfaces: got some of a gpu; expected none but for a cpu"):
        device.parse(gpu | {"surfaces": data()}, "gpu.yaml")


def test_bytes_are_of_every_type():
    assert set(DTYPE_BYTES) == set(device.DTYPES)
