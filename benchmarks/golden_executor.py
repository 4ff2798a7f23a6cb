# SPDX-License-Identifier: Apache-2.0
"""Images per second of the golden executor on one core, beside float32 torch on the same core in the same run.

    python benchmarks/golden_executor.py [FOLDER] [IMAGES]

FOLDER holds network.json and weights.npz; the demo's by default. Inputs are random integers of the input's format.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from hwsim import execute
from hwsim.network import Network, Weights, load

ROUNDS = 5


def main(folder: Path, count: int) -> None:
    """Print images per second, best of some rounds."""
    torch.set_num_threads(1)
    network, weights = load(folder)
    source = network.tensors[network.inputs[0]]
    assert source.format is not None
    rng = np.random.default_rng(0)
    images = rng.integers(source.format.min_int, source.format.max_int + 1, (count, *source.shape))
    golden = rate(lambda: execute(network, weights, images), count)
    floats = rate(lambda: multiply(network, weights, count), count)
    print(f"network           {network.name}, {network.macs():,} MACs")
    print(f"golden executor   {golden:,.0f} images/s on one core ({golden * network.macs() / 1e9:.2f} GMAC/s)")
    print(f"torch float32     {floats:,.0f} images/s on one core, convolutions and dense layers alone")


def multiply(network: Network, weights: Weights, count: int) -> None:
    """The network's convolutions and dense layers on zeros in torch, one after the other."""
    with torch.no_grad():
        for layer in network.layers:
            if layer.op not in ("conv2d", "dense"):
                continue
            x = torch.zeros(count, *network.tensors[layer.inputs[0]].shape)
            weight = torch.from_numpy(weights[layer.params["weight"]]).float()
            if layer.op == "dense":
                torch.nn.functional.linear(x, weight)
                continue
            top, left, bottom, right = layer.attrs["padding"]
            x = torch.nn.functional.pad(x, (left, right, top, bottom))
            attrs = layer.attrs
            torch.nn.functional.conv2d(x, weight, None, attrs["stride"], 0, attrs["dilation"], attrs["groups"])


def rate(run: Callable[[], object], count: int) -> float:
    """Images per second of the fastest of some rounds, after one to warm up."""
    run()
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return count / best


if __name__ == "__main__":
    arguments = sys.argv[1:]
    place = Path(arguments[0] if arguments else "build/demo/06-export/golden")
    if not (place / "network.json").is_file():
        sys.exit(f"{place}: no network.json; run 'make demo' first, or name a folder that holds one")
    main(place, int(arguments[1]) if len(arguments) > 1 else 256)
