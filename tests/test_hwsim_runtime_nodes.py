# SPDX-License-Identifier: Apache-2.0
"""The nodes that a runtime is said to run are those that it does run, and variants have those of their networks."""

from collections import Counter

import numpy as np
import pytest

from hwsim.runtime_nodes import FORMS, LOWERINGS
from hwsim.variants import variants
from hwsim.workload import workload
from slimfab.measure import micro
from slimfab.measure.onnx_graph import layer_of, onnx_model

NETWORKS = micro.networks(20, seed=11)
OPS = {
    "ReorderOutput": "from_blocks", "ReorderInput": "to_blocks", "QuantizeLinear": "quantise", "Relu": "relu",
    "DequantizeLinear": "dequantise", "Clip": "clip", "Add": "add", "QLinearAdd": "add", "MaxPool": "pool",
    "NhwcMaxPool": "pool", "GlobalAveragePool": "global_pool", "QLinearGlobalAveragePool": "global_pool",
    "Gemm": "dense", "FusedGemm": "dense", "QGemm": "dense", "Transpose": "transpose",
}  # fmt: skip


def forms(work, runtime, dtype):
    nodes = LOWERINGS[runtime](work, dtype, 16)
    return Counter(FORMS[index].replace("channels_last", "transpose").replace("channels_first", "transpose")
                   for index in nodes.form)  # fmt: skip


def form_of(network, work, node):
    """The form of a node of ONNX Runtime's optimised graph."""
    blocked = node.domain == "com.microsoft.nchwc"
    if node.op_type in OPS:
        form = OPS[node.op_type]
        return f"blocked_{form}" if blocked and f"blocked_{form}" in FORMS else form
    layer = layer_of(network, node.name)
    kernel = next(one for one in work.kernels if layer.name in (one.name, *one.fused))
    if blocked and kernel.groups == 1 and kernel.channels < 16:
        return "direct"
    return f"blocked_{kernel.kind}" if blocked else kernel.kind


@pytest.mark.needs("onnxruntime", "onnx")
@pytest.mark.parametrize("dtype", ["fp32", "int8"])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda one: one.name)
def test_onnxruntime_runs_the_nodes_that_are_said(network, dtype, tmp_path):
    import onnx
    import onnxruntime

    from slimfab.measure.host import vector

    if vector() != 16 and dtype == "fp32":
        pytest.skip("this machine's blocks of channels are not those of AVX-512")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    model = onnx_model(network, dtype == "int8")
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    graph = onnx.load(tmp_path / "optimised.onnx").graph
    work = workload(network)
    found = Counter(form_of(network, work, node) for node in graph.node if node.op_type != "Flatten")
    assert forms(work, "onnxruntime", dtype) == found


@pytest.mark.parametrize("network", NETWORKS, ids=lambda one: one.name)
def test_eager_runs_every_layer(network):
    free = ("input", "output", "flatten", "requantise")
    assert forms(workload(network), "eager", "fp32").total() == sum(layer.op not in free for layer in network.layers)


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("runtime", "threads"), [("eager", 2), ("eager-single", 1)])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda one: one.name)
def test_torch_chooses_the_kernels_that_are_said(network, runtime, threads, request):
    import torch

    before = torch.get_num_threads()
    request.addfinalizer(lambda: torch.set_num_threads(before))
    torch.set_num_threads(threads)
    work = workload(network)
    nodes = LOWERINGS[runtime](work, "fp32", 16)
    said = {work.kernels[row].name: FORMS[form] for row, form in zip(nodes.kernel[::-1], nodes.form[::-1], strict=True)}
    for layer in network.layers:
        if layer.op == "conv2d":
            image = torch.zeros(1, *network.tensors[layer.inputs[0]].shape)
            weight = torch.zeros(network.tensors[layer.params["weight"]].shape)
            top, left, *_ = layer.attrs["padding"]
            chosen = torch._C._select_conv_backend(
                image, weight, torch.zeros(len(weight)), layer.attrs["stride"], (top, left), (1, 1), False, (0, 0),
                layer.attrs["groups"],
            )  # fmt: skip
            assert (chosen.name == "Slow2d") == said[layer.name].startswith("native_"), (layer.name, chosen.name)


@pytest.mark.parametrize("runtime", LOWERINGS)
def test_nodes_of_variants_are_those_of_the_networks(runtime):
    grown = micro.Builder(3, 12, 12)
    first = grown.conv(16)
    grown.layer("relu")
    grown.conv(20)
    grown.layer("relu")
    grown.layer("max_pool2d", attrs={"kernel": (2, 2), "stride": (2, 2)})
    grown.layer("global_avg_pool")
    grown.layer("flatten")
    grown.dense(10)
    network = grown.network("two")
    widths = [4, 15, 16, 18, 32]
    many = variants(network, {first: widths})
    nodes = LOWERINGS[runtime](many.work, "fp32", 16)
    kernels = len(workload(network).kernels)
    for index, width in enumerate(widths):
        single = LOWERINGS[runtime](workload(network.with_widths({first: width})), "fp32", 16)
        own = nodes.kernel // kernels == index
        got = sorted(zip((nodes.kernel[own] % kernels).tolist(), nodes.form[own].tolist(), strict=True))
        assert got == sorted(zip(single.kernel.tolist(), single.form.tolist(), strict=True))


def test_a_convolution_takes_the_addition_behind_it_along():
    grown = micro.Builder(3, 8, 8)
    start = grown.conv(16)
    grown.layer("add", start, grown.conv(16))
    nodes = LOWERINGS["onnxruntime"](workload(grown.network("residual")), "fp32", 16)
    assert [FORMS[form] for form in nodes.form] == ["direct", "blocked_conv", "from_blocks"]
    assert nodes.sums.tolist() == [0, 1, 0]
    assert nodes.kernel.tolist() == [0, 1, 2]  # what is stored is the sum
    assert np.all(nodes.form < len(FORMS))
