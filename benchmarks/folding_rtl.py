# SPDX-License-Identifier: Apache-2.0
"""A chosen folding all the way: its interval counted by Verilator, its resources by yosys, beside what was predicted.

    python benchmarks/folding_rtl.py [--network resnet8] [--board pynq-z2] [--bits 8] [--images 3] [--folder FOLDER]

The network of the zoo has random weights and is quantised after calibration on random images. Printed are the search's
bound and seconds, cycles from image to image predicted and counted, integers that differ from the golden executor's,
and per resource: predicted for the stages, counted by yosys, and allowed once the board's shell is placed. LUTs are
given in both of yosys's counts: those that may share a 6-input LUT counted together, and every one by itself. Exit code
1 if an integer or the interval differs, or if the counts exceed the budget. Synthesis takes minutes the first time.
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
import torch

from hls.rtl_compile import QUICK
from hls.rtl_sim import RtlExecutor
from hls.synthesis import Synthesis, synthesise
from hwsim import device, reference
from hwsim.fpga.folding import RESOURCES, Choice, choose
from hwsim.fpga.resources import SHELL
from hwsim.network import Network, Weights
from quant.calibrate import calibrate
from quant.convert import to_network
from quant.module import QuantModule
from quant.spec import QuantSpec
from slimfab.models import load_model


def main() -> None:
    """Print the comparison; see the head of this file for the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--network", default="resnet8")
    parser.add_argument("--board", default="pynq-z2")
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    network, weights = quantised(arguments.network, arguments.bits)
    board = device.load(arguments.board)
    start = time.perf_counter()
    choice = choose(network, board, "folded").require()
    print(f"{arguments.network} on {board.name}: {choice.text()}; {time.perf_counter() - start:.2f} s")
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name) / "design"
        wrong = simulated(network, weights, choice, folder, arguments.images)
        found = synthesise(folder, "xc7", listen=progress)
    limits = {name: board[name] * board["utilisation"] - SHELL[name] for name in RESOURCES}
    print(found.label)
    sys.exit(1 if wrong or not compared(choice, found, limits) else 0)


def quantised(name: str, bits: int) -> tuple[Network, Weights]:
    """A network of the zoo in integers."""
    model = load_model(name)
    module = QuantModule(model.network, model.weights, QuantSpec(weight_width=bits, activation_width=bits))
    shape = model.network.tensors[model.network.inputs[0]].shape
    calibrate(module, torch.rand((100, *shape), generator=torch.Generator().manual_seed(0)))
    return to_network(module)


def simulated(network: Network, weights: Weights, choice: Choice, folder: Path, images: int) -> bool:
    """Print cycles and integers; whether any differs."""
    source = network.tensors[network.inputs[0]]
    assert source.format is not None
    rng = np.random.default_rng(0)
    inputs = rng.integers(source.format.min_int, source.format.max_int + 1, (images, *source.shape))
    with tempfile.TemporaryDirectory() as cache:
        executor = RtlExecutor(network, weights, choice.design, folder, cache=Path(cache), optimise=QUICK)
        got = executor.predict(inputs)
    run = executor.last_run
    assert run is not None
    predicted = round(choice.value * choice.design.clock_mhz)
    differing = int((got != reference.execute(network, weights, inputs)).sum())
    print(
        f"interval: {predicted:,} cycles predicted, {run.interval:,} counted; {differing} of {got.size} integers differ"
    )
    return differing > 0 or run.interval != predicted


def compared(choice: Choice, found: Synthesis, limits: dict[str, float]) -> bool:
    """Print every resource; whether all counts are within the limits."""
    total = found.total
    print(f"{'':12}{'predicted':>12}{'yosys':>12}{'allowed':>12}")
    for name in RESOURCES:
        counted = total.lut_paired if name == "lut" else getattr(total, name)
        print(f"{name:12}{choice.used[name] - SHELL[name]:12,.0f}{counted:12,}{limits[name]:12,.0f}")
    print(f"{'lut, single':12}{'':12}{total.lut:12,}{limits['lut']:12,.0f}", flush=True)
    return all(getattr(total, name) <= limits[name] for name in RESOURCES)


def progress(done: int, of: int) -> None:
    """One line on a terminal, rewritten."""
    if sys.stdout.isatty():
        print(f"\r{done} of {of} netlists", end="\n" if done == of else "", flush=True)


if __name__ == "__main__":
    main()
