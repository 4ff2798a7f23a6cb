# SPDX-License-Identifier: Apache-2.0
"""How fast an emitted design is simulated, built, and given new weights; one core throughout.

    python benchmarks/rtl_simulation.py [--board pynq-z2] [--images 20] [--most 1,4,16] [NETWORK ...]

NETWORK is as in rtl_networks.py; the zoo's resnet8 and the demo's network, if there is one, by default. Each is folded
with at most --most rows and columns of a layer at a time, and as the cost model folds it for the board. Mcycle/s is
simulated cycles per second of processor time beyond those of the first image, best of some rounds: neither
compilation nor start. Behind it, what that is in multiply-accumulates. Building is processor time too. New weights are
old ones with other signs; the time is from having them to having a library and a folder to run in.

What a cycle costs grows with the folding: products first, then windows, FIFOs and flags of every unit, which move in
most cycles of a balanced pipeline.
"""

import argparse
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import numpy as np
from rtl_networks import DEMO, quantised

from hls.rtl_compile import compile_design, find_verilator
from hls.rtl_sim import RtlExecutor
from hwsim import device
from hwsim.design import Design, Folding
from hwsim.fpga import folded
from hwsim.fpga.folding import choose_design
from hwsim.fpga.stages import pipeline
from hwsim.network import Network, Weights

ROUNDS = 3
TITLES = ("network", "folding", "products", "build", "weights", "cycles", "Mcycle/s", "MMAC/s")
WIDTHS = (12, 12, 10, 9, 9, 10, 10, 8)


def main() -> None:
    """Print the tools' versions and one line per network and folding."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["resnet8", *([str(DEMO)] if DEMO.is_dir() else [])])
    parser.add_argument("--board", default="pynq-z2")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--most", default="1,4,16")
    arguments = parser.parse_args()
    compiler = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    print(f"Verilator {find_verilator().version}; {compiler}")
    print(row(TITLES))
    for name in arguments.networks:
        network, weights = quantised(name)
        for label, design in designs(network, arguments.board, [int(most) for most in arguments.most.split(",")]):
            title = Path(name).name if "/" in name else name
            print(row((title, label, *measure(network, weights, design, arguments.images))), flush=True)


def designs(network: Network, board: str, limits: list[int]) -> Iterator[tuple[str, Design]]:
    """Foldings of growing size."""
    for most in limits:
        folding = {
            stage.name: Folding(
                max(n for n in folded.legal_pe(stage) if n <= most),
                max(n for n in folded.legal_simd(stage) if n <= most),
            )
            for stage in pipeline(network).stages
        }
        yield f"at most {most}", Design(network.hash, board, 100.0, backend="Slimfab", folding=folding)
    yield board, choose_design(network, device.load(board), "folded")


def measure(network: Network, weights: Weights, design: Design, count: int) -> tuple[str, ...]:
    """The cells of a row, from the number of products per cycle on."""
    source = network.tensors[network.inputs[0]]
    assert source.format is not None
    rng = np.random.default_rng(0)
    images = rng.integers(source.format.min_int, source.format.max_int + 1, (count, *source.shape))
    with tempfile.TemporaryDirectory() as folder:
        executor = RtlExecutor(network, weights, design, Path(folder) / "design", cache=Path(folder) / "cache")
        start = spent()
        compile_design(executor.folder, executor.manifest, executor.cache, executor.optimise)
        built = spent() - start
        changed_weights, begun = other_signs(network, weights), time.perf_counter()
        executor.load_weights(changed_weights)
        compile_design(executor.folder, executor.manifest, executor.cache, executor.optimise)
        changed = time.perf_counter() - begun
        runs = [simulated(executor, images) for _ in range(ROUNDS)]
        first_cycles, first_seconds = min(simulated(executor, images[:1]) for _ in range(ROUNDS))
    speed = max((cycles - first_cycles) / (seconds - first_seconds) for cycles, seconds in runs)
    products = sum(
        folding.pe * folding.simd
        for name, folding in design.folding.items()
        if network.layer(name).op in ("conv2d", "dense")
    )
    cycles = runs[0][0]
    macs = speed * network.macs() * count / cycles
    return (
        f"{products}", f"{built:.1f} s", f"{changed:.2f} s", f"{cycles}", f"{speed / 1e6:.2f}", f"{macs / 1e6:.0f}",
    )  # fmt: skip


def spent() -> float:
    """Seconds of processor time of the programs that have been called."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def simulated(executor: RtlExecutor, images: np.ndarray) -> tuple[int, float]:
    """Cycles, and seconds of processor time."""
    start = spent()
    executor.predict(images)
    run = executor.last_run
    assert run is not None
    return int(run.out_cycles[-1, -1]), spent() - start


def other_signs(network: Network, weights: Weights) -> Weights:
    """Weights of the same formats, zero where they were zero."""
    changed = {}
    for name, values in weights.items():
        fmt = network.tensors[name].format
        assert fmt is not None
        changed[name] = np.clip(-values, fmt.min_int, fmt.max_int) if fmt.signed else values
    return changed


def row(cells: tuple[str, ...]) -> str:
    """The cells, the first one left and the others right."""
    first, *others = (cell[:width].rjust(width) for cell, width in zip(cells, WIDTHS, strict=True))
    return "".join([first.strip().ljust(WIDTHS[0]), *others])


if __name__ == "__main__":
    main()
