# SPDX-License-Identifier: Apache-2.0
"""Torch, QONNX and C simulation of trained-style quantised modules equal the golden executor."""

import numpy as np
import pytest
from hls_networks import Builder, corner_images

from hls.compile import QUICK
from hls.executors import CsimExecutor, GoldenExecutor, QonnxExecutor, TorchExecutor, Tracer
from hls.legality import default_folding
from hls.verify import verify
from hwsim import reference
from hwsim.design import Design
from hwsim.errors import FormatError, ModelFileError, NetworkError, ToolMissing
from hwsim.fixed import FixedPoint

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("brevitas", reason="needs brevitas")
quant_networks = pytest.importorskip("quant_networks")
pytestmark = pytest.mark.needs("qonnx", "brevitas")

S8 = FixedPoint(8, 4, True, "RND_CONV", "SAT")
PARALLEL_ONLY = (quant_networks.Chain, quant_networks.Branches)  # overlapping max pools


@pytest.fixture(scope="module", params=quant_networks.MODULES, ids=lambda kind: kind.__name__)
def exported(request, tmp_path_factory):
    """(kind, module, network, weights, images, path of the QONNX file) of a calibrated module."""
    from quant.convert import to_network
    from quant.export import export

    module = quant_networks.quantised(request.param)
    network, weights = to_network(module)
    path = export(module, tmp_path_factory.mktemp("qonnx") / "net.onnx")
    return request.param, module, network, weights, quant_networks.images(request.param, 23), path


def test_qonnx_is_exact_in_batches_of_any_size(exported):
    _, _, network, weights, images, path = exported
    expected = reference.execute(network, weights, images)
    for batch in (1, 10, 100):
        np.testing.assert_array_equal(QonnxExecutor(path, network, batch).predict(images), expected)


def test_qonnx_traces_the_tensors_under_their_golden_names(exported):
    _, _, network, weights, images, path = exported
    executor = QonnxExecutor(path, network)
    found, expected = executor.trace(images[:3]), reference.trace(network, weights, images[:3])
    assert isinstance(executor, Tracer)
    assert set(found) <= set(expected)
    assert len(found) >= len(expected) / 2
    for tensor, values in found.items():
        np.testing.assert_array_equal(values, expected[tensor], err_msg=tensor)


def test_torch_is_exact(exported):
    _, module, network, weights, images, _ = exported
    executor = TorchExecutor(module, network, batch=10)
    module.train()
    np.testing.assert_array_equal(executor.predict(images), reference.execute(network, weights, images))
    assert module.training
    module.eval()


@pytest.mark.slow
@pytest.mark.needs("g++", "hls4ml")
def test_all_executors_agree(exported, tmp_path):
    kind, module, network, weights, images, path = exported
    io_type = "io_parallel" if kind in PARALLEL_ONLY else "io_stream"
    design = Design(network.hash, "pynq-z2", 100.0, io_type, folding=default_folding(network))
    csim = CsimExecutor(network, weights, tmp_path / "csim", design, cache=tmp_path / "cache", optimise=QUICK)
    executors = {"torch": TorchExecutor(module, network), "qonnx": QonnxExecutor(path, network), "csim": csim}
    report = verify(network, weights, images, executors).require()
    assert [(one.images, one.mismatches) for one in report.comparisons] == [(23, 0)] * 3


@pytest.mark.needs("g++", "hls4ml")
def test_a_wrong_weight_in_the_generated_project_is_found_in_its_layer(tmp_path):
    b = Builder((2, 4, 4), S8)
    t = b.add("relu", b.conv("x", 3, (3, 3), S8, FixedPoint(5, 3)), FixedPoint(6, 4, False, "RND_CONV", "SAT"))
    t = b.add("flatten", t, FixedPoint(6, 4, False, "RND_CONV", "SAT"))
    network, weights = b.build(b.dense(t, 3, FixedPoint(12, 6), FixedPoint(5, 3)))
    other = {**weights, "w4": weights["w4"][::-1].copy()}
    seen = []
    csim = CsimExecutor(
        network, other, tmp_path / "p", cache=tmp_path / "c", optimise=QUICK, progress=lambda *done: seen.append(done)
    )
    one = verify(network, weights, corner_images(network, 12), {"csim": csim}).comparisons[0]
    assert one.divergence is not None
    assert (one.divergence.layer, one.divergence.inputs_agree) == ("dense4", True)
    assert seen[-1] == (12, 12)


def test_golden_reports_progress_and_traces():
    b = Builder((4,), S8)
    network, weights = b.build(b.dense("x", 3, S8, FixedPoint(5, 3)))
    seen = []
    executor = GoldenExecutor(network, weights, lambda *done: seen.append(done))
    images = corner_images(network, 250)
    np.testing.assert_array_equal(executor.predict(images), reference.execute(network, weights, images))
    assert seen == [(100, 250), (200, 250), (250, 250)]
    assert set(executor.trace(images[:1])) == {"x", "dense1.out"}


def test_a_torch_module_off_the_grid_is_refused():
    b = Builder((4,), S8)
    network, _ = b.build(b.add("relu", "x", FixedPoint(8, 4, False)))
    module = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(4, 4))
    with pytest.raises(NetworkError, match=r"relu1.out: value .* is not on the grid of ap_ufixed<8,4>"):
        TorchExecutor(module, network).predict(np.ones((1, 4), dtype=np.int64))


def test_a_float_network_is_refused():
    b = Builder((4,), S8)
    network, _ = b.build(b.add("relu", "x", FixedPoint(8, 4, False)))
    with pytest.raises(FormatError, match="x: has no number format; quantise the network first"):
        TorchExecutor(torch.nn.ReLU(), network.with_formats({"x": None})).predict(np.zeros((1, 4)))


def test_missing_and_damaged_files_are_refused(exported, tmp_path):
    _, _, network, _, _, path = exported
    with pytest.raises(ModelFileError, match="nothing.onnx: no such file; export the network first"):
        QonnxExecutor(tmp_path / "nothing.onnx", network)
    (tmp_path / "cut.onnx").write_bytes(path.read_bytes()[:500])
    with pytest.raises(ModelFileError, match=r"cut.onnx: not a readable QONNX file .*; export it again"):
        QonnxExecutor(tmp_path / "cut.onnx", network)


def test_a_missing_qonnx_names_the_extra(exported, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "qonnx.core.modelwrapper", None)
    with pytest.raises(ToolMissing, match=r"qonnx is not installed .*; pip install 'slimfab\[hls\]'"):
        QonnxExecutor(exported[-1], exported[2])
