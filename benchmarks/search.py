# SPDX-License-Identifier: Apache-2.0
"""How fast searches of widths are: a step of the environment, and a whole AMC search; one process.

    python benchmarks/search.py [--steps 20000] [--episodes 0] [--threads 2] [NETWORK ...]

NETWORK is of the zoo; resnet20 and vgg_small by default. A step is what an agent's action costs beside its network:
the wish is clipped so that the rest can still meet half of the unpruned cost, for MACs and for a processor's latency.
"within" counts random sequences of wishes that met the budget, out of how many; "used" is the share of the budget that
is taken when everything is asked for. --episodes runs AMC on vgg_small with random data of Fashion-MNIST's shape
(1,000 images to score, 1,000 for batch norm): time does not depend on what the images show.
"""

import argparse
import os
import time

import numpy as np

WIDTHS = (12, 28, 10, 8, 12, 8)


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
    print(line(("network", "cost", "us/step", "tables", "within", "used")))
    for name in arguments.networks:
        for field in ("macs", "cpu:cortex-a53.latency_us"):
            print(line((name, field, *steps(name, field, arguments.steps))), flush=True)
    if arguments.episodes:
        print(f"AMC on vgg_small, {arguments.episodes} episodes: {episodes(arguments.episodes):.0f} s")


def steps(name: str, field: str, count: int) -> tuple[str, ...]:
    """Microseconds per step, seconds for the tables, sequences within the budget, and its use."""
    from prune.search import pose
    from slimfab import zoo

    shape = zoo.ZOO[name].in_shape
    model = zoo.build(name, seed=0)
    images = np.zeros((2, *shape), dtype=np.float32)
    start = time.perf_counter()
    env = pose(model, shape, {field: 0.5}, (images, np.zeros(2, dtype=np.int64))).environment(1)
    tables = time.perf_counter() - start
    rng = np.random.default_rng(0)
    variables = len(env.space.variables)
    wishes = rng.integers(0, env.space.sizes, (max(1, count // variables), variables))
    start = time.perf_counter()
    points = np.stack([env.keep(one) for one in wishes])
    per_step = (time.perf_counter() - start) / wishes.size * 1e6
    within = int(env.fits(points).sum())
    used = env.use(env.keep(env.space.widest))
    return f"{per_step:.0f}", f"{tables:.2f} s", f"{within}/{len(points)}", f"{100 * used:.1f} %"


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
