# SPDX-License-Identifier: Apache-2.0
"""Measured edge boards: held-out networks of made-up devices, whose latencies follow known prices."""

import csv
import json

import numpy as np
import pytest

from hwsim.errors import InputError
from hwsim.kernel_terms import PRICES, network_terms
from hwsim.validate import read_rows, recognise, scores
from hwsim.validate.cpu_gpu_edge import CPU_GPU_EDGE
from hwsim.validate.edge_networks import TOPOLOGIES, canonical, read_topologies, workload_of
from hwsim.validate.edge_setups import dtypes_of, setups
from hwsim.validate.tables import TABLES

PRICE_US = {"kernel": 10.0, "mac": 2e-4, "thin_mac": 1e-3, "dense_weight": 1e-3, "depthwise_mac": 1e-3, "byte": 1e-4}
COLUMNS = CPU_GPU_EDGE.required


def layers_of(width, side):
    conv = {"op": "conv", "in_hw": side, "cin": 3, "cout": width, "k": 3, "stride": 2, "out_hw": side // 2}
    depthwise = {"op": "dwconv", "in_hw": side // 2, "cin": width, "cout": width, "k": 3, "stride": 1,
                 "out_hw": side // 2}  # fmt: skip
    point = {"op": "conv", "in_hw": side // 2, "cin": width, "cout": 2 * width, "k": 1, "stride": 1,
             "out_hw": side // 2}  # fmt: skip
    total = {"in_hw": side // 2, "cin": 2 * width, "cout": 2 * width}
    return [conv, depthwise, point, {"op": "add", **total}, {"op": "avgpool", **total},
            {"op": "fc", "cin": 2 * width, "cout": 10}]  # fmt: skip


NETWORKS = {f"net-{width}-{side}": layers_of(width, side) for width in (8, 16, 24, 40) for side in (16, 32, 48)}


def time_ms(layers, factor):
    work = workload_of(layers, "fp32")
    prices = np.array([PRICE_US.get(name, 0.0) for name in PRICES])
    return float(network_terms(work, np.full(len(work.kernels), 4.0)) @ prices) * factor / 1e3


def row_of(name, device, factor, **changes):
    ms = time_ms(NETWORKS[name], factor)
    row = {
        "device": device, "device_kind": "CPU", "system": f"{device}-runtime", "version": "v1", "model": name,
        "dtype": "fp32/other", "cpu_cores": "4 (big)", "cpu_freq": "1000 MHz", "lat_mean_ms": ms,
        "lat_p90_ms": 1.1 * ms, "lat_min_ms": ms, "avg_power_W": 5.0, "energy_per_inf_mJ": 5.0 * ms,
    }  # fmt: skip
    return row | changes


def write(folder, rows, topologies=True):
    path = folder / "measured.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    if topologies:
        listed = {name: {"layers": layers} for name, layers in NETWORKS.items()}
        (folder / TOPOLOGIES).write_text(json.dumps(listed), encoding="utf-8")
    return read_rows(path)


@pytest.fixture
def table(tmp_path):
    rows = [row_of(name, device, factor) for device, factor in (("slow", 3.0), ("fast", 1.0)) for name in NETWORKS]
    rows += [row_of("net-8-16", "rare", 1.0), row_of("net-8-16", "slow", 3.0, model="unheard-of")]
    return write(tmp_path, rows)


def test_held_out_networks_of_a_regular_device_are_predicted(table):
    assert recognise(table, TABLES) is CPU_GPU_EDGE
    result = scores(CPU_GPU_EDGE, table)
    for device in ("slow", "fast"):
        latency = result[f"cpu_gpu_edge/{device}, CPU"]["latency"]
        assert latency.n == len(NETWORKS)
        assert latency.mape < 2.0
        assert result[f"cpu_gpu_edge/{device}, CPU"]["energy"].mape < 2.0


def test_unknown_layers_and_rare_set_ups_are_not_predicted(table):
    result = scores(CPU_GPU_EDGE, table)
    assert result["cpu_gpu_edge/slow, CPU"]["latency"].unpredicted == 1
    assert result["cpu_gpu_edge/rare, CPU"]["latency"].n == 0


def test_a_row_has_no_part_in_its_own_prediction(tmp_path):
    rows = [row_of(name, "one", 1.0) for name in NETWORKS]
    clean = CPU_GPU_EDGE.predict(write(tmp_path, rows))["latency"].value
    rows[5]["lat_mean_ms"] *= 50
    spoilt = CPU_GPU_EDGE.predict(write(tmp_path, rows))["latency"].value
    assert spoilt[5] == clean[5]


def test_the_summary_names_shares_and_left_out_devices(table):
    text = "\n".join(CPU_GPU_EDGE.report(table))
    assert "slow, CPU" in text
    assert "100.0%" in text
    assert "rare" not in text
    # The devices differ by a factor of three at one clock, and each is predicted by the other.
    assert "median factor 3.0" in text


def test_unsteady_devices_are_named(tmp_path):
    rows = [row_of(name, "one", 1.0) for name in NETWORKS]
    for row in rows:
        row["lat_p90_ms"] = 2 * row["lat_min_ms"]
    assert "its runs are unsteady" in "\n".join(CPU_GPU_EDGE.report(write(tmp_path, rows)))


def test_what_a_name_says_of_the_type_goes_before_the_column(tmp_path):
    names = ["efficientnet-int8-lite0", "mobilenet-v1-precision_uint8-0.5-160", "resnet50", "x-quantized"]
    rows = [row_of("net-8-16", "one", 1.0, model=name) for name in names]
    rows[3]["dtype"] = "int8"
    assert dtypes_of(write(tmp_path, rows)).tolist() == ["int8", "uint8", "fp32", "int8"]


def test_the_same_network_has_one_name():
    assert canonical("mobilenet-v1-precision_uint8-0.5-160") == "mobilenet-v1-0.5-160-quantized"
    assert canonical("mobilenet-v2-precision_float-1.0-224") == "mobilenet-v2-1.0-224-non-quantized"
    assert canonical("resnet50") == "resnet50"


def test_speed_is_that_of_the_fastest_cores(table):
    assert {setup.speed for setup in setups(table, table.number("lat_mean_ms"))} == {4000.0}


def test_layers_become_kernels():
    work = workload_of([{"op": "maxpool", "k": 3, "stride": 2, "out_hw": 4, "cin": 8, "cout": 8},
                        *layers_of(8, 8)[2:3]], "int8")  # fmt: skip
    pool, point = work.kernels
    assert (pool.kind, pool.macs, pool.inputs, pool.outputs) == ("move", 0, 8 * 8 * 8, 4 * 4 * 8)
    assert (point.kind, point.macs, point.weights, point.rows) == ("pointwise", 16 * 8 * 16, 8 * 16, 16)


def test_missing_layers_are_an_error_that_says_what_to_do(tmp_path):
    rows = write(tmp_path, [row_of("net-8-16", "one", 1.0)], topologies=False)
    with pytest.raises(InputError, match="edge_topologies.json: cannot read .*put it beside the table"):
        scores(CPU_GPU_EDGE, rows)


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / TOPOLOGIES).write_text("[1]", encoding="utf-8")
    with pytest.raises(InputError, match="expected {network: {layers"):
        read_topologies(tmp_path)


def test_unknown_operators_are_listed_with_their_share_and_never_free(tmp_path):
    rows = write(tmp_path, [row_of(name, "one", 1.0) for name in NETWORKS])
    path = tmp_path / TOPOLOGIES
    listed = json.loads(path.read_text(encoding="utf-8"))
    for layer in listed["net-8-16"]["layers"]:
        layer["macs"] = 30
    listed["net-8-16"]["layers"].append({"op": "lstm", "macs": 60})
    path.write_text(json.dumps(listed), encoding="utf-8")
    assert scores(CPU_GPU_EDGE, rows)["cpu_gpu_edge/one, CPU"]["latency"].unpredicted == 1
    line = "not predicted, operators not covered: net-8-16: lstm (25.0% of the products)"
    assert list(CPU_GPU_EDGE.report(rows))[-1] == line


@pytest.mark.parametrize("layer", [{"op": "conv", "cin": 3}, {"op": "lstm", "cin": 3, "cout": 4}])
def test_a_layer_that_is_not_understood_is_named(layer):
    with pytest.raises(InputError, match="net: layer 0: got {'op'"):
        workload_of([layer], "fp32", "net")
