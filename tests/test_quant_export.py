# SPDX-License-Identifier: Apache-2.0
"""One module, four computations: torch, QONNX execution, the golden network, and the golden network read from QONNX."""

import os

import numpy as np
import pytest
import torch
from quant_networks import MODULES, Bottleneck, Branches, Chain, Perceptron, Residual, float_network, images, quantised
from torch import nn

from hwsim.errors import InputError, OutputError, VerifyError
from hwsim.fixed import FixedPoint
from hwsim.importers.onnx import import_onnx
from hwsim.passes import fuse_requantise
from hwsim.reference import execute, trace
from quant import export as exporting
from quant.convert import to_network
from quant.executor import exact_forward, on_grid, run_qonnx
from quant.export import export
from quant.module import QuantModule
from quant.quantisers import QUANTISERS
from quant.spec import LayerWidths, QuantSpec

pytestmark = pytest.mark.needs("brevitas", "qonnx", "onnx", "onnxoptimizer")

SPECS = {
    Chain: QuantSpec(8, 2, overrides={"conv2": LayerWidths(16, 9)}),
    Residual: QuantSpec(6, 6),
    Branches: QuantSpec(4, 5, 7, first_width=8, last_width=2),
    Bottleneck: QuantSpec(5, 5, 10, input_format=FixedPoint(9, 7)),
    Perceptron: QuantSpec(3, 3, bias_width=5, rounding="TRN"),
}


@pytest.fixture(scope="module", params=MODULES, ids=lambda kind: kind.__name__)
def exported(request, tmp_path_factory):
    """(kind, module, path of its QONNX file)."""
    module = quantised(request.param, SPECS[request.param])
    return request.param, module, export(module, tmp_path_factory.mktemp("qonnx") / "deep" / "model.onnx")


def inputs(kind):
    fmt = SPECS[kind].input_format
    x = images(kind, count=60, high=fmt.max_int + 1)
    if fmt.signed:
        x[2:30] -= fmt.max_int
        x[30] = fmt.min_int
    return x


def test_qonnx_execution_equals_torch_and_golden(exported):
    kind, module, path = exported
    x = inputs(kind)
    network, weights = to_network(module)
    golden = execute(network, weights, x)
    reals = run_qonnx(path, x * network.tensors["input"].format.step, batch=25)  # 60 leaves a rest of 10
    assert np.array_equal(exact_forward(module, x), golden)
    assert np.array_equal(on_grid(reals, network, network.outputs[0]), golden)


def test_the_imported_file_equals_the_direct_network(exported):
    kind, module, path = exported
    network, weights = to_network(module)
    imported, its_weights = import_onnx(path)
    assert np.array_equal(execute(imported, its_weights, inputs(kind)), execute(network, weights, inputs(kind)))
    assert {name: array.tolist() for name, array in its_weights.items()} == {
        name: array.tolist() for name, array in weights.items()
    }
    fused = fuse_requantise(imported, its_weights)
    assert dict(fused.tensors) == {name: t for name, t in network.tensors.items() if name != "output"}
    assert {layer.name: layer for layer in fused.layers} == {
        layer.name: layer for layer in network.layers if layer.op != "output"
    }


def test_every_tensor_has_its_golden_values(exported):
    kind, module, path = exported
    network, weights = to_network(module)
    imported, its_weights = import_onnx(path)
    want, got = trace(network, weights, inputs(kind)), trace(imported, its_weights, inputs(kind))
    assert set(want) - set(got) == {"output"}
    assert all(np.array_equal(want[name], got[name]) for name in set(want) - {"output"})


def test_nothing_of_this_machine_is_in_the_file(exported):
    _, _, path = exported
    content = path.read_bytes()
    for word in (os.getcwd(), os.path.dirname(np.__file__), "stack_trace", "site-packages", 'File "'):
        assert word.encode() not in content


def test_nodes_and_tensors_have_the_names_of_the_network(exported):
    import onnx

    kind, module, path = exported
    graph = onnx.load(path).graph
    layers = {layer.name for layer in module.network.layers}
    named = {node.name for node in graph.node if node.op_type != "Quant"}
    assert layers - {"input", "output"} <= named
    assert {value.name for value in graph.initializer} >= set(module.network.parameter_names)
    assert [value.name for value in graph.input] == ["input"]
    assert graph.name == kind.__name__
    onnx.checker.check_graph(graph, _context(onnx))


def _context(onnx):
    context = onnx.checker.DEFAULT_CONTEXT
    context.opset_imports = {"": 20, "qonnx.custom_op.general": 2}
    return context


def test_exporting_changes_nothing(tmp_path):
    module = quantised(Perceptron, SPECS[Perceptron]).train()
    x = inputs(Perceptron)
    before = exact_forward(module, x)
    state = {name: value.clone() for name, value in module.state_dict().items()}
    first, second = (export(module, tmp_path / name).read_bytes() for name in ("a.onnx", "b.onnx"))
    assert first == second
    assert module.training
    assert all(np.array_equal(value, module.state_dict()[name]) for name, value in state.items())
    assert np.array_equal(exact_forward(module, x), before)


@pytest.mark.parametrize("name", QUANTISERS.names())
def test_every_quantiser_exports(name, tmp_path):
    module = quantised(Perceptron, QuantSpec(5, 4, weight_quantiser=name, activation_quantiser=name))
    network, _ = to_network(module)
    x = images(Perceptron)
    reals = run_qonnx(export(module, tmp_path / "m.onnx"), x / 256)
    assert np.array_equal(on_grid(reals, network, "output"), exact_forward(module, x))


def test_a_wide_module_exports_with_a_warning(tmp_path, caplog):
    spec = QuantSpec(16, 16, 16, input_format=FixedPoint(16, 16, signed=False))
    module = quantised(Perceptron, spec)
    with caplog.at_level("WARNING", logger="quant.export"):
        imported, its_weights = import_onnx(export(module, tmp_path / "m.onnx"))
    assert caplog.messages == ["Perceptron: sums exceed float32, so QONNX execution was not compared with torch"]
    x = images(Perceptron, high=2**16)
    assert np.array_equal(execute(imported, its_weights, x), exact_forward(module, x))


def test_a_file_that_computes_something_else_is_not_written(tmp_path, monkeypatch):
    module = quantised(Perceptron)
    real = exporting.exact_forward
    monkeypatch.setattr(exporting, "exact_forward", lambda *given: real(*given) + 1)
    with pytest.raises(VerifyError, match="Perceptron: QONNX execution gives 12 of 12 other integers than torch"):
        export(module, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_without_calibration_there_is_nothing_to_export(tmp_path):
    module = QuantModule(*float_network(Perceptron), QuantSpec())
    with pytest.raises(InputError, match="has no number formats yet; call quant.calibrate first"):
        export(module, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder is wanted")
    with pytest.raises(OutputError, match="m.onnx: cannot write"):
        export(quantised(Perceptron), tmp_path / "taken" / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


class Doubled(nn.Module):
    """Layers that read the same tensor twice."""

    shape = (2, 4, 4)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 3, 3)

    def forward(self, x):
        y = x + x
        return self.conv(torch.cat([y, x, y], 1))


@pytest.mark.parametrize("spec", [QuantSpec(5, 6), QuantSpec(16, 16, 16)], ids=["executed", "too wide to execute"])
def test_a_tensor_read_twice_by_one_layer_keeps_its_name_everywhere(spec, tmp_path):
    module = quantised(Doubled, spec)
    network, weights = to_network(module)
    imported, its_weights = import_onnx(export(module, tmp_path / "model.onnx"))
    x = images(Doubled, count=9)
    assert np.array_equal(execute(imported, its_weights, x), execute(network, weights, x))
    assert np.array_equal(exact_forward(module, x), execute(network, weights, x))
