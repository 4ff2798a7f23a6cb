# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: T201
"""hls4ml users: your model as SystemVerilog, simulated, without vendor tools.

    pip install 'slimfab[hls,rtl]'

is all that hls4ml needs to know ``backend='Slimfab'``. The three lines are in :func:`show`; everything else here makes
a small model with one of hls4ml's front ends, and compares with hls4ml's own C simulation:

    python examples/hls4ml_backend.py                       # PyTorch: pip install 'slimfab[torch]'
    python examples/hls4ml_backend.py --frontend qonnx      # Brevitas: pip install 'slimfab[quant]'
    python examples/hls4ml_backend.py --frontend keras      # in an environment of their own: pip install keras jax
    python examples/hls4ml_backend.py --frontend hgq        # … and hgq2
"""

import argparse
import contextlib
import io
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Convert = Callable[[str, Path], Any]  # back end, output folder → hls4ml's ModelGraph
SAMPLES = 1000
REUSE_FACTOR = 8


def pytorch() -> Convert:
    """An MLP; every type that hls4ml is not told, it infers."""
    import hls4ml
    import torch
    from torch import nn

    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 5)).eval()

    def convert(backend: str, folder: Path) -> Any:
        config = hls4ml.utils.config_from_pytorch_model(
            module, (16,), granularity="name", backend=backend, default_precision="ap_fixed<8,3>",
            default_reuse_factor=REUSE_FACTOR,
        )  # fmt: skip
        return hls4ml.converters.convert_from_pytorch_model(
            module, hls_config=config, backend=backend, output_dir=str(folder)
        )

    return convert


def qonnx() -> Convert:
    """A quantised MLP out of Brevitas, through a QONNX file."""
    import brevitas.nn as qnn
    import hls4ml
    import torch
    from brevitas.export import export_qonnx
    from brevitas.quant import (
        Int8ActPerTensorFixedPoint,
        Int8BiasPerTensorFixedPointInternalScaling,
        Int8WeightPerTensorFixedPoint,
        Uint8ActPerTensorFixedPoint,
    )
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.gemm_to_matmul import GemmToMatMul
    from qonnx.util.cleanup import cleanup_model
    from torch import nn

    torch.manual_seed(0)
    weight = {"weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": 6}
    weight["bias_quant"] = Int8BiasPerTensorFixedPointInternalScaling
    module = nn.Sequential(
        qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint),
        qnn.QuantLinear(16, 32, bias=True, **weight), qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, bit_width=6),
        qnn.QuantLinear(32, 5, bias=True, **weight),
    )  # fmt: skip
    module(torch.randn(64, 16))  # sets the scales
    with tempfile.TemporaryDirectory() as folder:
        export_qonnx(module.eval(), args=torch.randn(1, 16), export_path=f"{folder}/model.onnx")
        model = cleanup_model(ModelWrapper(f"{folder}/model.onnx"))
    model = cleanup_model(model.transform(GemmToMatMul()))

    def convert(backend: str, folder: Path) -> Any:
        config = hls4ml.utils.config_from_onnx_model(
            model, granularity="name", backend=backend, default_precision="fixed<16,6>",
            default_reuse_factor=REUSE_FACTOR,
        )  # fmt: skip
        return hls4ml.converters.convert_from_onnx_model(
            model, hls_config=config, backend=backend, output_dir=str(folder)
        )

    return convert


def keras() -> Convert:
    """A small convolutional network of Keras 3."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((8, 8, 2)), layers.Conv2D(4, 3, padding="same", name="conv"),
        layers.BatchNormalization(name="norm"), layers.ReLU(name="relu"), layers.MaxPooling2D(2, name="pool"),
        layers.Flatten(name="flatten"), layers.Dense(5, name="head"),
    ])  # fmt: skip
    return _from_keras(model)


def hgq() -> Convert:
    """An HGQ2 network whose activations have another format in every channel, as training leaves them."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QDense
    from hgq.quantizer import Quantizer
    from hgq.utils import trace_minmax

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    with QuantizerConfigScope(q_type="kif", place="datalane", overflow_mode="WRAP", i0=2, f0=4):
        entry = keras.Input((16,))
        hidden = QDense(20, activation="relu", name="first")(entry)
        model = keras.Model(entry, QDense(5, name="last")(hidden))
    for layer in model._flatten_layers():
        if isinstance(layer, Quantizer) and hasattr(layer.quantizer, "_f"):
            bits = layer.quantizer._f
            bits.assign(np.clip(np.asarray(bits.numpy()) + rng.integers(-2, 2, bits.shape), 0, 6))
    trace_minmax(model, rng.normal(size=(SAMPLES, 16)).astype(np.float32))  # sets the integer bits
    return _from_keras(model)


def _from_keras(model: Any) -> Convert:
    import hls4ml

    def convert(backend: str, folder: Path) -> Any:
        config = hls4ml.utils.config_from_keras_model(
            model, granularity="name", backend=backend, default_precision="fixed<8,3>",
            default_reuse_factor=REUSE_FACTOR,
        )  # fmt: skip
        return hls4ml.converters.convert_from_keras_model(
            model, hls_config=config, backend=backend, output_dir=str(folder)
        )

    return convert


FRONTENDS: dict[str, Callable[[], Convert]] = {"pytorch": pytorch, "qonnx": qonnx, "keras": keras, "hgq": hgq}


def show(convert: Convert, folder: Path, synth: bool = False) -> int:
    """Print how the hardware compares with hls4ml's C simulation; the number of outputs that differ."""
    with contextlib.redirect_stdout(io.StringIO()):  # hls4ml prints every layer that it reads
        model = convert("Slimfab", folder / "slimfab")
        (variable,) = model.get_input_variables()
        x = np.random.default_rng(1).normal(size=(SAMPLES, *variable.shape))

        # What an hls4ml user does:
        model.compile()  # writes SystemVerilog, and compiles it with Verilator
        y = model.predict(x)
        report = model.build(synth=synth, cosim=True)

        reference = convert("Vitis", folder / "vitis")
        reference.compile()  # hls4ml's C++, with g++
        expected = np.asarray(reference.predict(x)).reshape(y.shape)
    different = int((y != expected).sum())
    cycles = report["CosimReport"]
    print(f"{different} of {y.size} outputs differ from hls4ml's C simulation")
    print(f"latency {cycles['LatencyMin']} cycles, one sample every {cycles['IntervalMin']} cycles (RTL simulation)")
    for key, value in report.get("CSynthesisReport", {}).items():
        print(f"{key}: {value}")
    return different


def main() -> int:
    """0 where hardware and C simulation agree."""
    parser = argparse.ArgumentParser(description="A model of hls4ml as SystemVerilog, against its C simulation.")
    parser.add_argument("--frontend", choices=FRONTENDS, default="pytorch")
    parser.add_argument("--output", type=Path, help="folder to keep the designs in; a temporary one by default")
    parser.add_argument("--synth", action="store_true", help="count resources with yosys, too")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the front ends
        folder = options.output or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with contextlib.redirect_stdout(io.StringIO()):
            convert = FRONTENDS[options.frontend]()
        return min(1, show(convert, folder, options.synth))


if __name__ == "__main__":
    raise SystemExit(main())
