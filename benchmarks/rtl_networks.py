# SPDX-License-Identifier: Apache-2.0
"""Whole networks as SystemVerilog under Verilator: integers against the golden executor, cycles against the cost model.

    python benchmarks/rtl_networks.py [--board pynq-z2] [--images 50] [--vectors 1000] [--quick] [--lanes N]
                                      [--input-format TYPE] [NETWORK ...]

NETWORK is a name from the zoo, a QONNX file, or a folder with network.json and weights.npz; by default some of the zoo
and the demo's, if there is one. Zoo networks have random weights and are quantised to 6 bits after calibration on
random images. Inputs are random integers of the input's format: --images of them for networks with convolutions,
--vectors for others. Behind a simulated latency and interval stands how far the cost model is off. With --quick it is
the sources as synthesis reads them that are simulated, every register of every multiplier, and not the modules of a
fast simulation. With --lanes every layer has at most so many rows and columns at a time; otherwise the folding is the
fastest that fits the board. For files that do not say the format of their inputs, --input-format does, such as
"ap_fixed<16,6>". Speed is simulated cycles per second of wall time, without compilation, on one core.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import numpy as np

from hls.rtl_compile import FAST, QUICK, compile_design
from hls.rtl_sim import RtlExecutor
from hwsim import device, reference
from hwsim.design import Design, Folding
from hwsim.errors import SlimfabError
from hwsim.fixed import FixedPoint
from hwsim.fpga.folded import legal_pe, legal_simd
from hwsim.fpga.folding import choose_design
from hwsim.fpga.stages import pipeline
from hwsim.importers.onnx import import_exact
from hwsim.network import Network, Weights
from hwsim.targets import estimate
from slimfab.models import is_torch, load_model

ZOO = ("jet_mlp", "vgg_tiny", "resnet8", "mobilenet_tiny", "ds_cnn")
DEMO = Path("build/demo/06-export/golden")
TITLES = (
    "network",
    "MACs",
    "inputs",
    "integers",
    "differ",
    "latency",
    "model",
    "interval",
    "model",
    "build",
    "Mcycle/s",
)
WIDTHS = (34, 8, 7, 9, 7, 10, 7, 9, 7, 8, 9)


def main() -> None:
    """Print one line per network; exit code 1 if an integer differs."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("networks", nargs="*", default=[*ZOO, *([str(DEMO)] if DEMO.is_dir() else [])])
    parser.add_argument("--board", default="pynq-z2")
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--vectors", type=int, default=1000)
    parser.add_argument("--quick", action="store_const", const=QUICK, default=FAST)
    parser.add_argument("--lanes", type=int)
    parser.add_argument("--input-format", type=FixedPoint.parse)
    arguments = parser.parse_args()
    print(row(TITLES))
    wrong = 0
    for name in arguments.networks:
        try:
            network, weights = quantised(name, arguments.input_format)
            has_images = any(layer.op == "conv2d" for layer in network.layers)
            count = arguments.images if has_images else arguments.vectors
            design = folded_design(network, arguments.board, arguments.lanes)
            cells, differing = measure(network, weights, design, count, arguments.quick)
            print(row((Path(name).name if "/" in name else name, *cells)), flush=True)
            wrong += differing
        except SlimfabError as error:
            print(f"{name}: {error}", flush=True)
    sys.exit(1 if wrong else 0)


def quantised(name: str, input_format: FixedPoint | None = None) -> tuple[Network, Weights]:
    """A network with number formats: of the zoo and calibrated, or as its file has it, exactly."""
    if name.endswith(".onnx"):
        exact = import_exact(name, input_format=input_format)
        return exact.network, exact.weights
    model = load_model(name)
    if not is_torch(name):
        return model.network, model.weights
    import torch

    from quant.calibrate import calibrate
    from quant.convert import to_network
    from quant.module import QuantModule
    from quant.spec import QuantSpec

    module = QuantModule(model.network, model.weights, QuantSpec(weight_width=6, activation_width=6))
    shape = model.network.tensors[model.network.inputs[0]].shape
    calibrate(module, torch.rand((100, *shape), generator=torch.Generator().manual_seed(0)))
    return to_network(module)


def folded_design(network: Network, board: str, lanes: int | None) -> Design:
    """The fastest design that fits the board, or one with at most so many lanes per layer."""
    if lanes is None:
        return choose_design(network, device.load(board), "folded")
    folding = {
        stage.name: Folding(*(max(n for n in legal(stage) if n <= lanes) for legal in (legal_pe, legal_simd)))
        for stage in pipeline(network).stages
    }
    return Design(network.hash, board, 100.0, backend="Slimfab", folding=folding)


def measure(
    network: Network, weights: Weights, design: Design, count: int, optimise: tuple[str, ...]
) -> tuple[tuple[str, ...], int]:
    """The cells of a network's row, and how many integers differ."""
    source = network.tensors[network.inputs[0]]
    assert source.format is not None
    rng = np.random.default_rng(0)
    images = rng.integers(source.format.min_int, source.format.max_int + 1, (count, *source.shape))
    predicted = estimate(network, f"fpga:{design.device}/folded", 1, design, weights=weights)
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name) / "design", Path(name) / "cache"
        executor = RtlExecutor(network, weights, design, folder, cache=cache, optimise=optimise)
        start = time.perf_counter()
        compile_design(executor.folder, executor.manifest, executor.cache, executor.optimise)
        built = time.perf_counter() - start
        start = time.perf_counter()
        got = executor.predict(images)
        seconds = time.perf_counter() - start
    differing = int((got != reference.execute(network, weights, images)).sum())
    run = executor.last_run
    assert run is not None
    interval = run.interval or 0
    speed = int(run.out_cycles[-1, -1]) / seconds / 1e6
    return (
        f"{network.macs() / 1e6:.3g} M", f"{count}", f"{got.size}", f"{differing}", f"{run.latency}",
        difference(predicted.field("cycles"), run.latency), f"{interval}",
        difference(predicted.field("ii"), interval), f"{built:.0f} s", f"{speed:.2f}",
    ), differing  # fmt: skip


def difference(predicted: float, counted: int) -> str:
    """By how much the cost model is off, in percent of what was counted."""
    return f"{100 * (predicted - counted) / max(counted, 1):+.1f} %" if predicted != counted else "="


def row(cells: tuple[str, ...]) -> str:
    """The cells, the first one left and the others right."""
    first, *others = (cell[:width].rjust(width) for cell, width in zip(cells, WIDTHS, strict=True))
    return "".join([first.strip().ljust(WIDTHS[0]), *others])


if __name__ == "__main__":
    main()
