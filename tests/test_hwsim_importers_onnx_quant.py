# SPDX-License-Identifier: Apache-2.0
"""QONNX files: the golden executor against qonnx's own execution and against Brevitas, by ``==``."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import by_onnxruntime, by_qonnx, floats, node, ops_of, write

from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.importers.onnx import import_exact, import_onnx
from hwsim.network import Network
from hwsim.reference import execute

QUANT = "qonnx.custom_op.general"
SLOW = 6  # qonnx runs node by node: as many images, the two ends of the range among them
Export = Callable[..., tuple]

pytestmark = pytest.mark.needs("brevitas", "qonnx", "onnxoptimizer")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """``export`` of brevitas_networks, each network once."""
    from brevitas_networks import export

    done: dict[tuple[str, str], tuple] = {}

    def once(name: str, form: str = "qonnx") -> tuple:
        if (name, form) not in done:
            done[name, form] = export(name, tmp_path_factory.mktemp("models"), form)
        return done[name, form]

    return once


def run(network: Network, weights: dict, reals: np.ndarray) -> np.ndarray:
    """Real outputs of an integer network, from reals on the input's grid."""
    fmt, out = network.tensors[network.inputs[0]].format, network.tensors[network.outputs[0]].format
    assert fmt is not None
    assert out is not None
    return out.to_real(execute(network, weights, fmt.quantise(reals)))


def inputs_of(network: Network, images: int = 40) -> np.ndarray:
    """Noise on the input's grid, and the two ends of its range."""
    tensor = network.tensors[network.inputs[0]]
    assert tensor.format is not None
    x = tensor.format.to_real(tensor.format.quantise(floats(images, *tensor.shape, seed=3) * 2))
    x[0], x[1] = tensor.format.to_real(tensor.format.min_int), tensor.format.to_real(tensor.format.max_int)
    return x


@pytest.mark.parametrize("name", ["plain", "mlp", "residual", "means"])
def test_integers_equal_qonnx_and_brevitas(exported: Export, name: str) -> None:
    import torch

    path, module, _ = exported(name)
    network, weights = import_onnx(path)
    assert network.is_quantised
    x = inputs_of(network)
    ours = run(network, weights, x)
    np.testing.assert_array_equal(ours[:SLOW], by_qonnx(path, x[:SLOW]))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(ours, module(torch.tensor(x, dtype=torch.float32)).numpy())


@pytest.mark.parametrize("name", ["plain", "mlp", "residual", "means"])
def test_powers_of_two_need_no_exact_import(exported: Export, name: str) -> None:
    path = exported(name)[0]
    network, weights = import_onnx(path)
    exact = import_exact(path)
    assert (exact.network, exact.head, exact.tail, exact.notes) == (network, None, None, ())
    assert all(np.array_equal(exact.weights[name], array) for name, array in weights.items())


@pytest.mark.parametrize(
    ("name", "macs", "ops"),
    [
        ("mlp", 16 * 12 + 12 * 5, "dense relu requantise dense requantise"),
        ("plain", 4 * 9 * 144 + 6 * 4 * 9 * 16 + 96 * 5,
         "conv2d relu requantise max_pool2d conv2d relu requantise flatten dense"),
        ("residual", 8 * 3 * 9 * 36 + 8 * 8 * 9 * 36 + 8 * 9 * 36 + 12 * 8 * 36 + 12 * 5,
         "conv2d relu requantise conv2d requantise add relu requantise conv2d relu requantise conv2d relu requantise "
         "global_avg_pool flatten dense"),
        ("means", 4 * 3 * 9 * 144 + 4 * 8 * 9 * 16 + 4 * 5,
         "conv2d relu requantise avg_pool2d relu concat conv2d relu requantise global_avg_pool flatten dense"),
    ],
)  # fmt: skip
def test_layers(exported: Export, name: str, macs: int, ops: str) -> None:
    network, _ = import_onnx(exported(name)[0])
    assert network.macs() == macs
    assert " ".join(ops_of(network)) == ops


def test_layers_and_parameters_have_the_names_of_the_modules(exported: Export) -> None:
    network, _ = import_onnx(exported("residual")[0])
    weighted = [layer for layer in network.layers if layer.params]
    assert [layer.name for layer in weighted] == ["conv1", "conv2", "depthwise", "pointwise", "head"]
    assert weighted[0].params == {"weight": "conv1.weight", "bias": "conv1.bias"}


def test_formats(exported: Export) -> None:
    network, weights = import_onnx(exported("plain")[0])
    weight = network.tensors["1.weight"]
    assert weight.format is not None
    assert (weight.format.width, weight.format.signed) == (6, True)
    assert np.abs(weights["1.weight"]).max() <= 31  # narrow range
    activation = network.tensors[next(layer.output for layer in network.layers if layer.op == "requantise")].format
    assert activation is not None
    assert str(activation).startswith("ap_ufixed<6,")
    assert str(activation).endswith(",AP_RND_CONV,AP_SAT>")


@pytest.mark.parametrize("name", ["plain", "residual", "mlp"])
def test_quantize_clip_dequantize_form(exported: Export, name: str) -> None:
    """The same network as standard ONNX operators: the same integers, and those of onnxruntime."""
    path, _, _ = exported(name, "qcdq")
    network, weights = import_onnx(path)
    assert network.is_quantised
    x = inputs_of(network)
    np.testing.assert_array_equal(run(network, weights, x), by_onnxruntime(path, x))
    twin, twin_weights = import_onnx(exported(name)[0])
    np.testing.assert_array_equal(run(network, weights, x), run(twin, twin_weights, x))
    weighted = [layer.params["weight"] for layer in network.layers if "weight" in layer.params]
    assert {network.tensors[name].bits for name in weighted} == {6}


@pytest.mark.parametrize("name", ["plain", "residual"])
def test_channels_last_form(exported: Export, name: str, tmp_path: Path) -> None:
    """What hls4ml is given: qonnx's channels-last domain gives the same network."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
    from qonnx.transformation.gemm_to_matmul import GemmToMatMul
    from qonnx.util.cleanup import cleanup_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = cleanup_model(ModelWrapper(str(exported(name)[0])))
        model = cleanup_model(model.transform(ConvertToChannelsLastAndClean()).transform(GemmToMatMul()))
    assert any(n.domain == "qonnx.custom_op.channels_last" for n in model.graph.node)
    path = tmp_path / "channels_last.onnx"
    model.save(str(path))
    network, weights = import_onnx(path)
    assert network.is_quantised
    twin, twin_weights = import_onnx(exported(name)[0])
    assert ops_of(network) == ops_of(twin)
    x = inputs_of(network)
    np.testing.assert_array_equal(run(network, weights, x), run(twin, twin_weights, x))


def test_a_batch_norm_left_in_the_file_stays_float(exported: Export) -> None:
    path, _, _ = exported("norm")
    network, weights = import_onnx(path)
    assert not network.is_quantised
    assert ops_of(network)[:4] == ["conv2d", "batch_norm", "relu", "requantise"]
    assert network.tensors[network.layers[1].params["weight"]].bits == 6
    x = inputs_of(network)
    # Float32 (qonnx) and float64 (ours) batch norms may round a tie apart: one level of the ReLU, times its weights.
    np.testing.assert_allclose(execute(network, weights, x[:SLOW]), by_qonnx(path, x[:SLOW]), rtol=0, atol=0.05)


# Single nodes, against qonnx

GRID = FixedPoint(8, 3)


def quantised_input(low: dict | None = None) -> tuple[list, dict]:
    nodes = [node("Quant", ["x", "s", "z", "b"], ["q"], domain=QUANT, signed=1, narrow=0)]
    return nodes, {"s": np.float32(GRID.step), "z": np.float32(0), "b": np.float32(8), **(low or {})}


def test_trunc_version_2(tmp_path: Path) -> None:
    nodes, constants = quantised_input({"os": np.float32(1.0), "ob": np.float32(4)})
    nodes.append(node("Trunc", ["q", "s", "z", "b", "os", "ob"], ["y"], domain=QUANT, rounding_mode="FLOOR", signed=1))
    path = write(tmp_path, nodes, constants, (1, 200), domains=[QUANT])
    network, weights = import_onnx(path)
    x = GRID.to_real(np.resize(np.arange(-128, 128), (2, 200)))
    from qonnx.custom_op.general.trunc import trunc_v2

    args = np.float32(GRID.step), np.float32(0), np.float32(8), 0, 1, np.float32(1.0), np.float32(4), "FLOOR"
    np.testing.assert_array_equal(run(network, weights, x), trunc_v2(x.astype(np.float32), *args))


@pytest.mark.parametrize(
    ("op", "arguments", "attrs", "bits"),
    [
        ("Quant", [0.1, 0.0, 4.0], {"signed": 1, "narrow": 0}, 4),
        ("Quant", [0.5, 0.0, 3.0], {"signed": 1, "narrow": 0, "rounding_mode": "CEIL"}, 3),
        ("BipolarQuant", [1.0], {}, 1),
        ("Trunc", [0.125, 0.0, 8.0, 4.0], {"rounding_mode": "FLOOR"}, 4),
        ("MultiThreshold", [[[-1.0, 0.0, 1.0]]], {"out_dtype": "UINT2"}, 2),
    ],
)
def test_other_quantisers_are_costed_and_not_executed(
    tmp_path: Path, op: str, arguments: list, attrs: dict, bits: int
) -> None:
    nodes, constants = quantised_input({f"a{i}": np.asarray(a, np.float32) for i, a in enumerate(arguments)})
    constants["a0"] = constants["a0"].reshape(constants["a0"].shape[-2:])
    nodes.append(node(op, ["q", *(f"a{i}" for i in range(len(arguments)))], ["y"], domain=QUANT, **attrs))
    network, weights = import_onnx(write(tmp_path, nodes, constants, (1, 3), domains=[QUANT]))
    assert network.tensors["y"].bits == bits
    assert network.tensors["y"].format is None
    with pytest.raises(
        UnsupportedError, match=rf"^y: is quantised to {bits} bits with a scale that is no power of two"
    ):
        execute(network, weights, np.zeros((1, 3), np.int64))


def test_older_names_of_the_domain(tmp_path: Path) -> None:
    for domain in ("finn.custom_op.general", "onnx.brevitas"):
        nodes = [node("Quant", ["x", "s", "z", "b"], ["y"], domain=domain, signed=0, narrow=0)]
        constants = {"s": np.float32(0.25), "z": np.float32(0), "b": np.float32(4)}
        network, _ = import_onnx(write(tmp_path, nodes, constants, (1, 3), domains=[domain]))
        assert str(network.tensors["x"].format) == "ap_ufixed<4,2,AP_RND_CONV,AP_SAT>"


def test_finn_annotations_give_weights_their_width(tmp_path: Path) -> None:
    import onnx

    path = write(tmp_path, [node("MatMul", ["x", "w"], ["y"])], {"w": np.sign(floats(7, 5))}, (1, 7))
    model = onnx.load(path)
    entry = onnx.StringStringEntryProto(key="finn_datatype", value="BIPOLAR")
    model.graph.quantization_annotation.append(
        onnx.TensorAnnotation(tensor_name="w", quant_parameter_tensor_names=[entry])
    )
    onnx.save(model, path)
    network, _ = import_onnx(path)
    assert network.tensors["MatMul_0.weight"].bits == 1


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        (
            [node("Relu", ["x"], ["s"]), node("Quant", ["x", "s", "z", "b"], ["y"], "q", domain=QUANT)],
            {"z": np.float32(0), "b": np.float32(4)},
            "q: scale of Quant is computed at run time or fed from outside; expected a constant; export the model "
            "with its weights",
        ),
        (
            [node("FloatQuant", ["x", "z"], ["y"], "q", domain=QUANT)],
            {"z": np.float32(0)},
            "q: operator 'qonnx.custom_op.general.FloatQuant' is not supported; use integer quantisers (Quant)",
        ),
        (
            [node("QuantizeLinear", ["x", "s", "z"], ["i"]), node("DequantizeLinear", ["i", "t", "z"], ["y"], "dq")],
            {"s": np.float32(1), "t": np.float32(2), "z": np.int8(0)},
            "dq: DequantizeLinear without a QuantizeLinear of the same scale before it; expected such a pair; "
            "export in QDQ form",
        ),
    ],
)
def test_refused(tmp_path: Path, nodes: list, constants: dict, message: str) -> None:
    path = write(tmp_path, nodes, constants, (1, 3), domains=[QUANT])
    with pytest.raises(UnsupportedError) as raised:
        import_onnx(path)
    assert str(raised.value) == message
