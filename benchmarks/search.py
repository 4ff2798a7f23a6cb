# SPDX-License-Identifier: Apache-2.0
"""How fast searches of widths are: a step of the environment, and a whole AMC search; one process.

    python benchmarks/search.py [--steps 20000] [--episodes 0] [--threads 2] [NETWORK ...]

NETWORK is of the zoo; resnet20 and vgg_small by default. A step is what an agent's action costs beside its network:
the wish is clipped so that the rest can still meet the budget: half of the unpruned network's MACs, of a processor's
latency, or of the latency of hls4ml's stages on a ZCU102 within half of its LUTs, kept by one design that is looked up
for every trial. With PE x SIMD stages cycles are counted, a few times per sequence, to prove the latency; "walked" is a
step without that.
"within" counts random sequences of wishes that met the budget, out of how many; "used" is the share of the budget that
is taken when everything is asked for. --episodes runs AMC on vgg_small with random data of Fashion-MNIST's shape
(1,000 images to score, 1,000 for batch norm): time does not depend on what the images show.
"""

import argparse
import os
import time

import numpy as np

BOARD = "fpga:zcu102"
BUDGETS: dict[str, dict[str, float | str]] = {
    "macs": {"macs": 0.5},
    "cpu:cortex-a53.latency_us": {"cpu:cortex-a53.latency_us": 0.5},
    f"{BOARD}.latency_us, lut": {f"{BOARD}.latency_us": 0.5, f"{BOARD}.lut": "=137000"},
    f"{BOARD}/folded.latency_us, lut": {f"{BOARD}/folded.latency_us": 0.5, f"{BOARD}/folded.lut": "=137000"},
}
COUNTED = 400  # times fewer sequences where cycles are counted
WIDTHS = (12, 34, 10, 10, 10, 12, 8)


def main() -> None:
    """Print one line per network and cost."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["resnet20", "vgg_small"])
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--episodes", type=int, default=0)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(arguments.threads)
    print(line(("network", "budget", "us/step", "walked", "tables", "within", "used")))
    for name in arguments.networks:
        for label in BUDGETS:
            print(line((name, label, *steps(name, label, arguments.steps))), flush=True)
    if arguments.episodes:
        print(f"AMC on vgg_small, {arguments.episodes} episodes: {episodes(arguments.episodes):.0f} s")


def steps(name: str, label: str, count: int) -> tuple[str, ...]:
    """Microseconds per step, with and without proofs, seconds for the tables, sequences within the budget, its use."""
    from prune.search import pose
    from slimfab import zoo

    shape = zoo.ZOO[name].in_shape
    model = zoo.build(name, seed=0)
    images = np.zeros((2, *shape), dtype=np.float32)
    start = time.perf_counter()
    env = pose(model, shape, BUDGETS[label], (images, np.zeros(2, dtype=np.int64)), bits=8).environment(1)
    env.keep(env.space.narrowest)
    tables = time.perf_counter() - start
    rng = np.random.default_rng(0)
    variables = len(env.space.variables)
    is_counted = any(limit.proof is not None for limit in env.limits)
    sequences = max(1, count // variables // (COUNTED if is_counted else 1))
    wishes = rng.integers(0, env.space.sizes, (sequences, variables))
    start = time.perf_counter()
    points = [env.keep(one) for one in wishes]
    per_step = (time.perf_counter() - start) / wishes.size * 1e6
    start = time.perf_counter()
    for point in wishes:
        for variable in range(variables):
            env.clip(point, variable, int(point[variable]))
    walked = (time.perf_counter() - start) / wishes.size * 1e6
    within = sum(env.holds(point) for point in points)
    everything = env.keep(env.space.widest)
    used = max(limit.true(everything) / limit.value for limit in env.limits)
    return f"{per_step:.0f}", f"{walked:.0f}", f"{tables:.2f} s", f"{within}/{len(points)}", f"{100 * used:.1f} %"


def episodes(count: int) -> float:
    """Seconds of an AMC search on VGG-small."""
    from prune.search import pose
    from slimfab import zoo

    rng = np.random.default_rng(0)
    shape = zoo.ZOO["vgg_small"].in_shape
    images = rng.normal(size=(2000, *shape)).astype(np.float32)
    labels = rng.integers(0, 10, 1000)
    posed = pose(zoo.build("vgg_small", seed=0), shape, {"macs": 0.5}, (images[:1000], labels), images[1000:])
    start = time.perf_counter()
    posed.run("amc", posed.environment(count))
    return time.perf_counter() - start


def line(cells: tuple[str, ...]) -> str:
    """Columns; texts on the left, numbers on the right."""
    pairs = enumerate(zip(cells, WIDTHS, strict=True))
    return "  ".join(text.ljust(width) if index < 2 else text.rjust(width) for index, (text, width) in pairs)


if __name__ == "__main__":
    main()
