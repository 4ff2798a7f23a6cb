# SPDX-License-Identifier: Apache-2.0
"""How fast a comparison answers: MobileNetV1 on 12 devices, and pairs of network variant and device per second.

    python benchmarks/compare.py [--targets NAME,NAME,…] [--variants 2048] [--repeats 9]

First, in a process that has imported the package and read the device files, ``slimfab.compare.compare`` of MobileNetV1
(1.0, 224 x 224, 8 bits, from its layer list): the first call, and the median of calls on networks never seen before.
FPGA targets search for their folding in it. Then ``hwsim.sweep.sweep`` of random widths of the same network on the
targets that are no FPGA, kernels of the variants made anew; and, for what a sweep refuses, estimates of an FPGA one by
one. Wall and CPU seconds of one core; on a busy machine the CPU seconds are the ones to compare. Exit code 1 if the
goals of 50 ms and 10,000 pairs per second are missed in CPU time.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from cost_networks import mobilenet_v1

from hwsim import targets
from hwsim.network import Network
from hwsim.sweep import sweep
from hwsim.variants import variants
from slimfab.compare import compare

TARGETS = ("cpu:cortex-a9", "cpu:cortex-a53", "cpu:cortex-a72", "cpu:cortex-a73", "cpu:jetson-orin-cpu",
           "gpu:jetson-orin", "gpu:a100", "gpu:h100", "npu:eyeriss", "npu:gemmini", "npu:tpu-v1",
           "fpga:u250")  # fmt: skip
GOAL_MS, GOAL_PAIRS = 50.0, 10_000.0


def main() -> int:
    """Print both figures and how they come about."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--variants", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    names = given.targets.split(",")
    for name in names:
        targets.parse(name)
    network = mobilenet_v1()
    spent_ms = comparison(network, names, given.repeats)
    rate = pairs(network, [name for name in names if not name.startswith("fpga:")], given.variants)
    return 0 if spent_ms < GOAL_MS and rate > GOAL_PAIRS else 1


def comparison(network: Network, names: list[str], repeats: int) -> float:
    """Print the time of a comparison; returns the CPU milliseconds of the median call."""
    wall, cpu = timed(lambda: compare(network, names))
    print(f"compare MobileNetV1 on {len(names)} devices, after import")
    print(f"  first call          {1e3 * wall:8.1f} ms wall  {1e3 * cpu:8.1f} ms CPU")
    unseen = [replace(network, name=f"unseen-{index}") for index in range(repeats)]
    times = [timed(lambda one=one: compare(one, names)) for one in unseen]
    wall, cpu = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
    print(f"  a network unseen    {wall:8.1f} ms wall  {cpu:8.1f} ms CPU   (median of {repeats})")
    for name in names:
        fresh = replace(network, name=f"alone-{name}")
        compare(fresh, ["cpu:cortex-a9"])  # hash and kernels, which all targets share
        print(f"    {name:20} {1e3 * timed(lambda one=fresh, name=name: targets.estimate(one, name))[1]:6.2f} ms CPU")
    return cpu


def pairs(network: Network, names: list[str], count: int) -> float:
    """Print the rate of a sweep, all targets and each alone; returns pairs per CPU second."""
    generator = np.random.default_rng(0)
    pointwise = [layer for layer in network.layers if layer.op == "conv2d" and layer.attrs["groups"] == 1]
    sizes = {layer.name: network.tensors[layer.output].shape[0] for layer in pointwise}
    widths = {name: generator.integers(size // 4, size + 1, count) for name, size in sizes.items()}
    chunk = 256  # variants at a time: their kernels' columns stay in the cache
    pieces = [{name: all_[first : first + chunk] for name, all_ in widths.items()} for first in range(0, count, chunk)]
    sweep(variants(network, pieces[0]), names)
    wall, cpu = timed(lambda: [sweep(variants(network, piece), names) for piece in pieces])
    print(f"\nsweep of {count} variants on {len(names)} devices")
    print(f"  {count * len(names) / wall:12,.0f} pairs/s wall  {count * len(names) / cpu:12,.0f} pairs/s CPU")
    many = variants(network, pieces[0])
    print(f"    variants made       {chunk / timed(lambda: variants(network, pieces[0]))[1]:10,.0f} per CPU second")
    for name in names:
        each = timed(lambda name=name: sweep(many, [name]))[1]
        print(f"    {name:20}{chunk / each:10,.0f} per CPU second")
    some = [replace(network, name=f"one-{index}") for index in range(4)]
    alone = timed(lambda: [targets.estimate(one, "fpga:u250") for one in some])[1]
    print(f"    fpga:u250           {len(some) / alone:10,.0f} per CPU second, folded one by one")
    return count * len(names) / cpu


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    sys.exit(main())
