# SPDX-License-Identifier: Apache-2.0
"""What pruning itself costs: groups and surgery of networks of the zoo, and selection among many channels.

    python benchmarks/pruning.py [--network resnet56] [--channels 512] [--rows 100000]

"export" is torch.export's own recording of the module; "groups" and "surgery" are what pruning adds. Selectors keep
half of the channels; "Gram" is the product of the contributions with themselves, in float32. One thread, the median of
three runs.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import numpy as np
import torch

from hwsim.importers.torch import import_torch
from prune import SELECTORS, Choice, channel_groups, shrink
from prune.selectors import select
from slimfab import zoo

REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet56")
    parser.add_argument("--channels", type=int, default=512)
    parser.add_argument("--rows", type=int, default=100_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    surgery(arguments.network)
    selection(arguments.channels, arguments.rows)


def surgery(name: str) -> None:
    model, shape = zoo.build(name).eval(), zoo.ZOO[name].in_shape
    (network, _), seconds = timed(lambda: import_torch(model, shape, fold=False))
    print(f"{name}: export and import {seconds:.2f} s")
    groups, seconds = timed(lambda: channel_groups(network))
    kept = {group.name: tuple(range(0, group.width, 2)) for group in groups}
    choice = Choice(network.hash, shape, kept)
    _, cutting = timed(lambda: shrink(model, network, choice))
    print(f"{name}: {len(groups)} groups {seconds:.3f} s, surgery {cutting:.3f} s")


def selection(channels: int, rows: int) -> None:
    rng = np.random.default_rng(0)
    z = np.maximum(rng.normal(size=(rows, 64)) @ rng.normal(size=(64, channels)), 0).astype(np.float32)
    gram, seconds = timed(lambda: (z.T @ z).astype(np.float64))
    print(f"{channels} channels on {rows} rows: Gram {seconds:.2f} s")
    for name in SELECTORS:
        _, choosing = timed(lambda name=name: select(name, gram, channels // 2))
        print(f"{channels} channels: {name} {choosing:.2f} s")


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result, and the median seconds."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return result, sorted(seconds)[REPEATS // 2]


if __name__ == "__main__":
    main()
