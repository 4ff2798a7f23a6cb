# SPDX-License-Identifier: Apache-2.0
"""How many foldings of a network a second are costed, on one core, and how far latencies to first order are off.

    python benchmarks/design_points.py [--board pynq-z2] [--bits 8] [--points 20000] [NETWORK ...]

One line per network of the zoo and mapping: stages, design points per second of CPU time with cycles, interval,
latency, LUT, FF, DSP blocks, block RAM, energy and power of each, and the same where foldings are given as numbers (PE,
SIMD or reuse factor, strategy, materials) that must be found first; "one by one" is how many estimates the same core
makes a second. For PE x SIMD stages, "latency" is the range of latencies to first order over those counted beat by
beat, of the fastest folding that fits and of eight random ones that take little time to count; the last line says
within which factor nine tenths of them all are, and all.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterable, Iterator

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import numpy as np
import numpy.typing as npt

from hwsim import device
from hwsim.design import MEMORIES, MULTIPLIERS, STRATEGIES, Folding
from hwsim.device import Device
from hwsim.fpga.counted import Counted, count
from hwsim.fpga.design_points import FIELDS, DesignSpace, Rows
from hwsim.fpga.folding import choose_design
from hwsim.network import Network
from hwsim.targets import estimate
from slimfab.models import load_model

NETWORKS = ("jet_mlp", "vgg_small", "resnet8", "resnet20", "mobilenet_tiny", "ds_cnn")
TITLES = ("network", "mapping", "stages", "points/s", "from numbers", "one by one", "latency")
WIDTHS = (16, 9, 8, 12, 14, 12, 14)
WORDS = {"strategy": STRATEGIES, "multiplier": MULTIPLIERS, "memory": MEMORIES}
COMPARED = 8
MOST_CYCLES = 3e6  # of points that are counted beat by beat


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--board", default="pynq-z2")
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--points", type=int, default=20_000)
    arguments = parser.parse_args()
    board = device.load(arguments.board)
    print(row(TITLES))
    ratios: list[float] = []
    for name in arguments.networks:
        network = load_model(name).network.with_bits(arguments.bits)
        for mapping in ("folded", "hls4ml"):
            space = DesignSpace(network, board, mapping)
            rows = space.random(arguments.points, 0)
            numbers = numbers_of(space, rows)
            many = rate(lambda space=space, rows=rows: space.evaluate(rows), len(rows))
            told = rate(lambda space=space, numbers=numbers: space.evaluate(space.find(numbers)), len(rows))
            suffix = "/folded" if mapping == "folded" else ""
            single = 0.0 if suffix else one_by_one(network, board, space, rows[0])
            found = list(compared(network, board, space, rows)) if suffix else []
            ratios += found
            span = f"{min(found):.2f} - {max(found):.2f}" if found else ""
            speeds = f"{many:,.0f}", f"{told:,.0f}", f"{single:,.0f}" if single else ""
            print(row((name, mapping, len(space.stages.stages), *speeds, span)), flush=True)
    off = np.sort(np.maximum(np.array(ratios), 1 / np.array(ratios)))
    most = f"nine tenths of {len(off)} within a factor {off[int(0.9 * len(off))]:.2f}, all within {off[-1]:.2f}"
    print(f"latencies to first order: {most}")


def rate(work: Callable[[], object], count: int) -> float:
    """So many things a second of CPU time; the best of three."""
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return count / best


def one_by_one(network: Network, board: Device, space: DesignSpace, point: Rows) -> float:
    """Estimates a second."""
    plan = space.design(point)
    return rate(lambda: estimate(network, f"fpga:{board.name}", 1, plan), 1)


def numbers_of(space: DesignSpace, rows: Rows) -> dict[str, npt.NDArray[np.float64]]:
    """The foldings of rows, as numbers."""
    return {name: values[rows] for name, values in numbers(space.options.foldings).items()}


def numbers(foldings: Iterable[Folding]) -> dict[str, npt.NDArray[np.float64]]:
    """Every field of foldings, (foldings,)."""

    def number(name: str, value: object) -> int:
        return WORDS[name].index(str(value)) if name in WORDS else int(str(value))

    return {name: np.array([number(name, getattr(one, name)) for one in foldings]) for name in FIELDS}


def compared(network: Network, board: Device, space: DesignSpace, rows: Rows) -> Iterator[float]:
    """Latencies to first order over counted ones."""
    chosen = choose_design(network, board, "folded").folding
    fields = numbers([chosen[stage.name] for stage in space.stages.stages])
    best = space.find({name: values[np.newaxis] for name, values in fields.items()})
    rows = np.concatenate([best, rows])
    points = space.evaluate(rows)
    quick = np.flatnonzero(points.cycles < MOST_CYCLES)
    for index in [0, *quick[quick > 0][:COMPARED].tolist()]:
        plan = space.design(rows[index])
        counted = count(network, plan, 1)
        if isinstance(counted, Counted):
            yield float(points.cycles[index]) / counted.total


def row(cells: tuple[object, ...]) -> str:
    """The cells, the first two left and the others right."""
    texts = [str(cell) for cell in cells]
    left = [text.ljust(width) for text, width in zip(texts[:2], WIDTHS[:2], strict=True)]
    return "".join([*left, *(text.rjust(width) for text, width in zip(texts[2:], WIDTHS[2:], strict=True))])


if __name__ == "__main__":
    main()
