# SPDX-License-Identifier: Apache-2.0
"""Accelerators: published measurements, the claims of Sze et al., cost laws, sparsity and refusals."""

import copy
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pytest
import yaml
from cost_networks import LAW, Draft, alexnet, mobilenet_v1, networks, resnet8, vgg16
from hypothesis import given
from hypothesis import strategies as st

from hwsim import device, sparsity, targets
from hwsim.design import Design
from hwsim.errors import DeviceError, InputError, UnknownNameError
from hwsim.npu import DATAFLOWS, cost, estimate
from hwsim.npu.problem import problem
from hwsim.systolic import DATAFLOWS as SYSTOLIC
from hwsim.systolic import cycles, double_buffered_cycles

EYERISS, GEMMINI, TPU = (device.load(name) for name in ("eyeriss", "gemmini", "tpu-v1"))
NAMES = ("eyeriss", "gemmini", "tpu-v1")


def changed(machine, **numbers):
    quantities = {**machine.quantities, **{key.replace("__", "."): replace(machine.quantity(key.replace("__", ".")),
                  value=value, low=value, high=value) for key, value in numbers.items()}}  # fmt: skip
    return replace(machine, quantities=MappingProxyType(quantities))


def on_chip_uj(parts):
    return parts.total_uj - parts.dram_uj


# Chen, Krishna, Emer, Sze, IEEE JSSC 52(1), 2017, abstract: convolutional layers; power of the chip without DRAM.
@pytest.mark.parametrize(
    ("network", "batch", "per_second", "chip_w", "accesses_per_mac", "model"),
    [
        (alexnet(dense=False), 4, 35.0, 0.278, 0.0029, (40, 0.226, 0.0055)),
        (vgg16(dense=False), 3, 0.7, 0.236, 0.0035, (2.0, 0.256, 0.0054)),
    ],
    ids=["alexnet", "vgg16"],
)
def test_eyeriss_as_measured_is_within_its_error_bars(network, batch, per_second, chip_w, accesses_per_mac, model):
    found = targets.estimate(network, "npu:eyeriss", batch)
    chip = on_chip_uj(found.energy_parts) / found.interval_us.value
    accesses = found.bytes_moved.value / 2 / network.macs()
    # What the device file says of the model beside the measurements.
    assert (1e6 / found.interval_us.value, chip, accesses) == pytest.approx(model, rel=0.01)
    assert found.interval_us.low <= 1e6 / per_second <= found.interval_us.high
    assert found.bytes_moved.low <= accesses_per_mac * network.macs() * 2 <= found.bytes_moved.high
    # While it works: the model is faster than the chip, so its energy is compared as power.
    assert chip == pytest.approx(chip_w, rel=0.3)


def test_elements_at_work_on_alexnet():
    # Closed forms of the mapping: 4 or 13 rows of sets by 11 to 14 columns; 168 elements.
    layers = [layer for layer in targets.estimate(alexnet(dense=False), "npu:eyeriss", 4).layers if layer.macs]
    at_work = [layer.macs / layer.cycles for layer in layers]
    assert all(0.75 * 168 < elements <= 168 for elements in at_work)
    assert at_work[2:] == pytest.approx([4 * 3 * 13] * 3, rel=0.02)  # 13 x 13 outputs: four sets of 3 x 13


@pytest.mark.parametrize("name", NAMES)
def test_dram_takes_most_of_the_energy_of_dense_layers_at_batch_1(name):
    # Sze et al., Proc. IEEE 105(12), 2017, section V: no reuse of weights.
    machine = changed(device.load(name), power_static_w=0.0) if name == "tpu-v1" else device.load(name)
    found = estimate(alexnet(), machine)
    dense = [layer for layer in found.layers if layer.op == "dense"]
    assert len(dense) == 3
    for layer in dense:
        assert layer.energy_parts.dram_uj > 0.8 * layer.energy_uj
        assert layer.bottleneck == "memory"
    many = [layer for layer in estimate(alexnet(), machine, batch=16).layers if layer.op == "dense"]
    assert sum(layer.energy_uj for layer in many) < 0.25 * sum(layer.energy_uj for layer in dense)


@pytest.mark.parametrize("network", [alexnet(dense=False), vgg16(dense=False), resnet8()], ids=lambda net: net.name)
def test_row_stationary_takes_no_more_than_the_best_of_weight_and_output_stationary(network):
    # Chen, Emer, Sze, ISCA 2016, section VII-B, on the same array, memories and table.
    rows, weights, outputs = (targets.estimate(network, f"npu:eyeriss/{flow}").layers for flow in ("rs", "ws", "os"))
    compared = 0
    for by_row, by_weight, by_output in zip(rows, weights, outputs, strict=True):
        if by_row.op == "conv2d":
            assert by_row.energy_uj <= min(by_weight.energy_uj, by_output.energy_uj), by_row.name
            compared += 1
    assert compared >= 5


@pytest.mark.parametrize(
    ("noc_products", "best"), [(2.0, "rs"), (0.95, "rs"), (0.75, "ws"), (GEMMINI["noc_products"], "ws")]
)
def test_the_order_of_dataflows_is_that_of_the_wires(noc_products, best):
    """Where a hop to the neighbour takes less than 0.85 of a product, weights had better stay (docs/decisions/008)."""
    near = changed(EYERISS, noc_products=noc_products)
    spent = {flow: on_chip_uj(estimate(alexnet(dense=False), near, dataflow=flow).energy_parts) for flow in DATAFLOWS}
    assert min(spent, key=spent.__getitem__) == best


@pytest.mark.parametrize("name", NAMES)
def test_a_narrow_deep_network_with_fewer_weights_takes_more_energy(name):
    # Yang, Chen, Sze, CVPR 2017: SqueezeNet has 51.8 times fewer weights than AlexNet and takes 33 % more energy.
    deep, shallow = Draft(16, 112, 112), Draft(16, 112, 112)
    for _ in range(16):
        deep.conv(16)
    deep.head(100)
    shallow.conv(16)
    shallow.max_pool(8)
    shallow.layer("flatten")
    shallow.dense(100)
    narrow, wide = deep.network(), shallow.network()
    assert narrow.parameters() < 0.5 * wide.parameters()
    energies = [targets.estimate(network, f"npu:{name}").energy_uj.value for network in (narrow, wide)]
    assert energies[0] > energies[1]


def test_the_hierarchy_of_eyeriss():
    # ISCA 2016, table IV: register file 1, network 2, buffer 6, DRAM 200 times a product, per word of 16 bits.
    from hwsim.npu.power import prices

    found = prices(EYERISS)
    levels = [found.register_pj, found.noc_pj, found.buffer_pj, found.dram_pj]
    assert [16 * level / found.mac_pj for level in levels] == pytest.approx([1, 2, 6, 200], rel=0.05)


@pytest.mark.parametrize("dataflow", SYSTOLIC)
def test_double_buffers_hide_loads_and_nothing_else(dataflow):
    m, n, k = (np.array(each) for each in ((1, 5, 200, 300, 9), (7, 64, 3, 31, 1), (40, 9, 128, 65, 9)))
    hidden, plain = (count(m, n, k, 8, 16, dataflow) for count in (double_buffered_cycles, cycles))
    assert np.all(hidden <= plain)
    assert np.all(hidden * 8 * 16 >= m * n * k)
    one_fold = double_buffered_cycles(8, 8, 8, 8, 8, dataflow)
    assert one_fold == cycles(8, 8, 8, 8, 8, dataflow)


@LAW
@given(networks(8), st.sampled_from(NAMES), st.sampled_from(tuple(DATAFLOWS)), st.integers(1, 4))
def test_laws_of_arrays(network, name, flow, batch):
    machine = device.load(name)
    found = estimate(network, machine, batch, dataflow=flow)
    peak = machine["rows"] * machine["columns"] * machine["clock_mhz"]
    assert found.interval_us.value * peak >= network.macs() * (1 - 1e-9)
    assert found.energy_parts.total_uj == pytest.approx(found.energy_uj.value)
    layers = [layer.energy_parts for layer in found.layers]
    for part, value in found.energy_parts.shares_uj().items():
        if part != "other":
            assert value == pytest.approx(sum(layer.shares_uj()[part] for layer in layers))
    outside = sum(network.tensors[name].size for name in (*network.inputs, *network.outputs))
    assert found.bytes_moved.value >= outside + sum(k.weights for k in problem(network).kernels) / batch - 1e-6


@pytest.mark.parametrize("network", [resnet8(), mobilenet_v1(alpha=0.25, size=128)], ids=lambda net: net.name)
@pytest.mark.parametrize("flow", DATAFLOWS)
def test_less_memory_is_never_faster_and_never_moves_less(network, flow):
    work = problem(network)
    kept = np.ones(len(work.kernels))
    sizes = [cost(work, changed(EYERISS, buffer_kib=kib), flow, 2, kept) for kib in (4, 16, 64, 256, 1024)]
    for small, large in pairwise(sizes):
        assert np.all(small.bytes_moved >= large.bytes_moved)
        assert np.all(small.total_us >= large.total_us - 1e-9)


def test_n_of_m_halves_the_reduction_where_there_are_multiplexers():
    draft = Draft(64, 32, 32)
    name = draft.conv(64)
    network = draft.network()
    layer = network.producer(name).name
    dense = estimate(network, GEMMINI)
    plain = estimate(network, GEMMINI, sparsity={layer: sparsity.n_m(2, 4)})
    assert plain.latency_us == dense.latency_us
    assert plain.notes[-1] == "npu:gemmini: sparsity 2:4 saves nothing: the array has no multiplexers for n in m"
    quantities = {**GEMMINI.quantities, **{f"sparsity.{key}": replace(GEMMINI.quantity("rows"), value=value, low=value,
                  high=value) for key, value in (("n", 2.0), ("m", 4.0))}}  # fmt: skip
    able = replace(GEMMINI, quantities=MappingProxyType(quantities))
    skipped = estimate(network, able, sparsity={layer: sparsity.n_m(2, 4)})
    # K = 576 becomes 288: 18 folds of 16 rows instead of 36.
    assert skipped.layers[0].cycles == pytest.approx(dense.layers[0].cycles / 2, rel=0.05)
    assert skipped.energy_parts.mac_uj == pytest.approx(dense.energy_parts.mac_uj / 2)
    assert estimate(network, able, sparsity={layer: sparsity.n_m(1, 4)}).latency_us == skipped.latency_us
    tighter = estimate(network, able, sparsity={layer: sparsity.n_m(3, 4)})
    assert tighter.notes[-1] == "npu:gemmini: sparsity 3:4 saves nothing: the array selects 2 of 4"


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (sparsity.block(16, 8, 0.5), ""),
        (sparsity.block(8, 8, 0.5), "block of 8 x 8, 50% kept saves nothing: blocks must span 16 outputs"),
        (sparsity.unstructured(0.1), "unstructured, 10% kept saves nothing: elements of a column work in step"),
    ],
)
def test_which_zeros_an_array_leaves_out(pattern, why):
    network = resnet8()
    layer = next(layer.name for layer in reversed(network.layers) if layer.op == "conv2d")
    dense, found = estimate(network, GEMMINI), estimate(network, GEMMINI, sparsity={layer: pattern})
    if why:
        assert found.energy_uj == dense.energy_uj
        assert why in found.notes[-1]
    else:
        assert found.energy_uj.value < dense.energy_uj.value
        assert found.latency_us.value < dense.latency_us.value


@pytest.mark.parametrize(
    ("flow", "pattern", "skips"),
    [
        ("ws", sparsity.block(16, 4, 0.5), True), ("os", sparsity.block(32, 4, 0.5), True),
        ("ws", sparsity.block(4, 16, 0.5), False), ("is", sparsity.block(4, 16, 0.5), True),
        ("is", sparsity.block(16, 4, 0.5), False), ("rs", sparsity.block(16, 16, 0.5), False),
    ],
)  # fmt: skip
def test_blocks_must_span_what_the_array_computes_at_once(flow, pattern, skips):
    network = resnet8()
    layer = next(layer.name for layer in reversed(network.layers) if layer.op == "conv2d")
    dense, found = (estimate(network, GEMMINI, dataflow=flow, sparsity=zeros) for zeros in ({}, {layer: pattern}))
    assert (found.latency_us.value < dense.latency_us.value) == skips
    assert ("saves nothing" in found.notes[-1]) != skips


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sparsity.Pattern("n:n", 0.5), "sparsity: unknown kind 'n:n'; did you mean 'n:m'"),
        (lambda: sparsity.unstructured(0.0), "sparsity: got density 0.0; expected a share above 0, at most 1"),
        (lambda: sparsity.n_m(5, 4), "sparsity: got 5:4; expected 0 < n <= m, such as 2:4"),
        (lambda: sparsity.Pattern("n:m", 0.4, 2, 4), "sparsity: got 2:4; expected 0 < n <= m, such as 2:4"),
        (lambda: sparsity.block(0, 4, 0.5), "sparsity: got blocks of 0 x 4; expected at least 1 x 1"),
    ],
)
def test_impossible_patterns_are_refused(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert message in str(error.value)


def test_patterns_of_layers_that_do_not_exist_are_refused():
    with pytest.raises(UnknownNameError, match="sparsity: no layer with weights 'conv2d2'; did you mean 'conv2d"):
        estimate(resnet8(), GEMMINI, sparsity={"conv2d2": sparsity.n_m(2, 4)})


def test_designs_are_refused():
    with pytest.raises(InputError, match="npu:eyeriss: got a design; expected none; designs are for fpga targets"):
        estimate(resnet8(), EYERISS, design=Design("0" * 16, "eyeriss", 200.0))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("text", "dataflow"), "sw", "unknown dataflow 'sw'; available: is, os, rs, ws"),
        (("numbers", "rows", "value"), 12.5, "rows: got 12.5; expected a whole number"),
        (("numbers", "error", "energy", "value"), 0.5, "error.energy: got 0.5; expected a factor, 1 or more"),
        (("numbers", "bandwidth_gb_s", "dram", "value"), 0, "bandwidth_gb_s.dram: got 0.0; expected a number > 0"),
        (("numbers", "sparsity"), {"n": {"value": 4, "source": "nowhere"}, "m": {"value": 2, "source": "nowhere"}},
         "sparsity: got 4 of 2; expected n <= m"),
    ],
)  # fmt: skip
def test_inconsistent_arrays_are_refused(keys, value, message):
    data = copy.deepcopy(yaml.safe_load((device.FOLDER / "gemmini.yaml").read_text()))
    node = data
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    with pytest.raises(DeviceError) as error:
        device.parse(data, "mine.yaml")
    assert message in str(error.value)


def test_the_energy_of_dram_is_as_uncertain_as_its_price_and_its_traffic():
    sure = changed(EYERISS, dram_pj_per_bit=20.3, error__traffic=1.0, error__energy=1.0)
    found = estimate(alexnet(), sure).energy_uj
    assert found.low == pytest.approx(found.value) == pytest.approx(found.high)
    found = estimate(alexnet(), EYERISS)
    parts = found.energy_parts
    assert found.energy_uj.high == pytest.approx(2 * on_chip_uj(parts) + 2 * 45 / 20.3 * parts.dram_uj)
    assert found.energy_uj.low == pytest.approx(on_chip_uj(parts) / 2 + 8 / 20.3 / 2 * parts.dram_uj)


def test_notes_say_what_is_assumed():
    assert "costed as 8-bit integers" in " ".join(estimate(resnet8(None, None), GEMMINI).notes)
    assert "stored and computed as 8 bits" in " ".join(estimate(resnet8(4, 4), GEMMINI).notes)
    assert estimate(resnet8(4, 4), GEMMINI).latency_us == estimate(resnet8(), GEMMINI).latency_us
    assert TPU["power_static_w"] == 28
    notes = estimate(resnet8(), GEMMINI).notes
    assert "add, global_avg_pool: 0 % of the MACs, not computed by the array; costed as data moved" in notes
    assert "relu: 0 % of the MACs, not computed by the array; costed as nothing beside the layer before" in notes
