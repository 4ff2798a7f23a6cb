# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from quant_networks import Perceptron, Residual, images, quantised

from hwsim.errors import FormatError, ModelFileError, NetworkError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor
from hwsim.reference import execute
from quant.convert import to_network
from quant.executor import exact_dtype, exact_forward, on_grid, run_qonnx, significand_bits
from quant.spec import QuantSpec

WIDE = QuantSpec(16, 16, 16, input_format=FixedPoint(16, 16, signed=False))


def dense(weight, input_width, frac=0):
    """A dense layer without bias on an unsigned input, and its integer weights."""
    ints = np.array(weight, dtype=np.int64)
    layers = (
        Layer("x", "input", (), ("x",)),
        Layer("fc", "dense", ("x",), ("y",), params={"weight": "w"}),
    )
    tensors = {
        "x": Tensor((ints.shape[1],), FixedPoint(input_width, frac, False)),
        "y": Tensor((len(ints),), FixedPoint(60, frac)),
        "w": Tensor(ints.shape, FixedPoint(32, 0)),
    }
    return Network("n", layers, tensors, ("x",), ("y",)), {"w": ints}


def test_bits_are_those_of_the_largest_partial_sum():
    assert significand_bits(*dense([[100, -3]], 8)) == {"x": 8, "fc": 15}  # 25,500 is below 2**15, 32,768


def test_a_mean_needs_the_bits_of_its_sum_and_one_more():
    layers = (Layer("x", "input", (), ("x",)), Layer("mean", "global_avg_pool", ("x",), ("y",)))
    tensors = {"x": Tensor((1, 7, 7), FixedPoint(8, 4, False)), "y": Tensor((1, 1, 1), FixedPoint(8, 6, False))}
    bits = significand_bits(Network("n", layers, tensors, ("x",), ("y",)), {})
    assert bits["mean"] == (49 * 255).bit_length() + 1 + 2


@pytest.mark.parametrize(("weight", "dtype"), [(2**16 - 1, torch.float32), (2**17, torch.float64)])
def test_the_narrowest_type_that_is_wide_enough_is_taken(weight, dtype):
    assert exact_dtype(*dense([[weight]], 8)) is dtype


def test_sums_beyond_float64_are_refused():
    with pytest.raises(FormatError, match="fc: sums need 55 bits; expected at most 53; narrow weights or activations"):
        exact_dtype(*dense([[2**31 - 1] * 256], 16, 16))


def test_wide_networks_run_in_float64():
    module = quantised(Residual, WIDE)
    network, weights = to_network(module)
    assert exact_dtype(network, weights) is torch.float64
    x = images(Residual, high=2**16)
    assert np.array_equal(exact_forward(module, x, batch=7), execute(network, weights, x))
    assert next(module.parameters()).dtype is torch.float32


def test_real_inputs_are_refused():
    with pytest.raises(NetworkError, match="input: got float64 data; expected integers of the input's format"):
        exact_forward(quantised(Perceptron), np.zeros((1, 6)))


def test_values_between_two_steps_are_noticed():
    network, _ = to_network(quantised(Perceptron))
    fmt = network.tensors["output"].format
    assert on_grid(np.array([3 * fmt.step]), network, "output").tolist() == [3]
    with pytest.raises(FormatError, match="output: values are not on the grid of"):
        on_grid(np.array([0.5 * fmt.step]), network, "output")


def test_values_without_a_format_are_refused():
    network = Network("n", (Layer("x", "input", (), ("x",)),), {"x": Tensor((1,))}, ("x",), ("x",))
    with pytest.raises(FormatError, match="x: has no number format; quantise the network first"):
        on_grid(np.zeros(1), network, "x")


@pytest.mark.parametrize("content", [None, b"not an onnx file"])
def test_files_that_are_no_qonnx_are_refused(tmp_path, content):
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match="m.onnx: not a readable QONNX file"):
        run_qonnx(path, np.zeros((1, 1)))
