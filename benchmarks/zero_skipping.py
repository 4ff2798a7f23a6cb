# SPDX-License-Identifier: Apache-2.0
"""Cycles of a block-punched convolution whose zero blocks are left out, beside those of the unit that computes them.

    python benchmarks/zero_skipping.py [--channels 32] [--size 16] [--block 8x4] [--fold 8x4] [--images 20]

A 3x3 convolution with as many filters as channels, over a square image that keeps its size. A block is one kernel
position of --block filters x channels, and a share of all blocks, chosen at random, is zero; --fold is pe x simd. Both
units are simulated with Verilator on the same weights and the same random images. Cycles are those between images
(interval) and from an image's first value in to its last one out (latency), of the whole layer with its line buffer
and cast; % is the second interval as a share of the first. "differ" counts the results of all images that are not the
golden executor's, in either unit.
"""

import argparse
import os
import tempfile
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import numpy as np

from hls.beats import to_stream
from hls.dataflow import Array, Dataflow
from hls.emit import write
from hls.layers import build
from hls.rtl_sim import Run, simulate
from hwsim import reference
from hwsim.design import Design, Folding
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor, Weights

ACT, WEIGHT, BIAS = FixedPoint(8, 4, True, "RND_CONV", "SAT"), FixedPoint(8, 9), FixedPoint(8, 4)
ZEROS = (0.0, 0.25, 0.5, 0.75, 0.875)
TITLES = ("zero blocks", "dense: interval", "latency", "sparse: interval", "latency", "%", "differ")
WIDTHS = (11, 17, 9, 18, 9, 8, 8)


def main() -> None:
    """Print one line per share of zero blocks."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--block", type=pair, default=(8, 4))
    parser.add_argument("--fold", type=pair, default=(8, 4))
    parser.add_argument("--images", type=int, default=20)
    arguments = parser.parse_args()
    network = convolution(arguments.channels, arguments.size)
    plan = {"conv": Folding(*arguments.fold)}
    design = Design(network.hash, "none", 100.0, backend="Slimfab", folding=plan)
    rng = np.random.default_rng(0)
    images = rng.integers(ACT.min_int, ACT.max_int + 1, (arguments.images, *network.tensors["x"].shape))
    print(row(TITLES))
    for share in ZEROS:
        weights = punched(network, arguments.block, share)
        golden = reference.execute(network, weights, images)
        runs = []
        differ = 0
        for skip_zeros in (False, True):
            dataflow = build(network, weights, design, skip_zeros=skip_zeros)
            runs.append(simulated(dataflow, images))
            expected = golden.reshape(len(images), -1)[:, dataflow.output.order]
            differ += int((runs[-1].values != expected).sum())
        dense, sparse = ((run.interval or 0, run.latency) for run in runs)
        ratio = f"{100 * sparse[0] / dense[0]:.1f}"
        print(row((f"{100 * share:g} %", *map(str, (*dense, *sparse)), ratio, str(differ))), flush=True)


def pair(text: str) -> tuple[int, int]:
    """ "8x4" as two numbers."""
    first, second = text.split("x")
    return int(first), int(second)


def convolution(channels: int, size: int) -> Network:
    """One 3x3 convolution that keeps channels, rows and columns."""
    image = (channels, size, size)
    attrs = {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1}
    layers = (
        Layer("input", "input", (), ("x",)),
        Layer("conv", "conv2d", ("x",), ("y",), attrs, {"weight": "weight", "bias": "bias"}),
    )
    tensors = {
        "x": Tensor(image, ACT),
        "weight": Tensor((channels, channels, 3, 3), WEIGHT),
        "bias": Tensor((channels,), BIAS),
        "y": Tensor(image, ACT),
    }
    return Network("punched", layers, tensors, ("x",), ("y",))


def punched(network: Network, block: tuple[int, int], share: float) -> Weights:
    """Random weights, none of them zero but those of a share of the blocks."""
    rng = np.random.default_rng(1)
    shape = network.tensors["weight"].shape
    weight = rng.integers(1, WEIGHT.max_int + 1, shape) * rng.choice([-1, 1], shape)
    blocks = shape[0] // block[0], shape[1] // block[1], *shape[2:]
    kept = np.arange(np.prod(blocks)) >= round(share * np.prod(blocks))
    kept = rng.permutation(kept).reshape(blocks).repeat(block[0], axis=0).repeat(block[1], axis=1)
    return {"weight": weight * kept, "bias": rng.integers(BIAS.min_int, BIAS.max_int + 1, shape[:1])}


def simulated(dataflow: Dataflow, images: Array) -> Run:
    """The images through the emitted design."""
    with tempfile.TemporaryDirectory() as folder:
        write(dataflow, Path(folder) / "design")
        return simulate(dataflow, Path(folder) / "design", to_stream(dataflow.input, images))


def row(cells: tuple[str, ...]) -> str:
    """Right-aligned cells."""
    return "".join(cell.rjust(width) for cell, width in zip(cells, WIDTHS, strict=True))


if __name__ == "__main__":
    main()
