# SPDX-License-Identifier: Apache-2.0
"""The folding search beside uniform reuse factors and FINN's greedy rule, on every network of the zoo.

    python benchmarks/folding.py [--bits 8] [--boards pynq-z2,zcu104,u250] [--mapping folded,hls4ml] [NETWORK ...]

One line per network and mapping, on the first board that it fits: cycles from image to image of the search, its proven
bound, the gap between the two, seconds of the search, and how many times longer the intervals are of

* uniform   one reuse factor for all layers, each taking its nearest legal one; the fastest such design that fits
* greedy    FINN's SetFolding (github:Xilinx/finn, transformation/fpgadataflow/set_folding.py): per layer simd, then pe,
            is raised divisor by divisor until the layer meets a target; the fastest target whose design fits. With
            hls4ml, which has reuse factors instead, every layer takes the largest one that meets the target
* materials the better of the two if it may also choose, for all layers alike, where products and weights go

Where an interval is the same, "=" and how many times fuller the fullest resource is, as a share of what is allowed.
--objective latency_us (or energy_uj) has the search make another figure the smallest: value, bound, gap and seconds.

All of them have the same cost model, budgets and legal values. The first search of a process is left out of the times.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import product

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import numpy as np
import numpy.typing as npt

from hwsim import device
from hwsim.device import Device
from hwsim.errors import SlimfabError
from hwsim.fpga.folding import RESOURCES, Goal, Options, all_options, choose
from hwsim.fpga.folding.board import allowed_by
from hwsim.fpga.folding.options import MEMORIES, MULTIPLIERS
from hwsim.fpga.resources import SHELL
from hwsim.fpga.stages import Pipeline, pipeline
from hwsim.network import Network
from slimfab.models import load_model
from slimfab.zoo import ZOO

WIDTHS = (16, 9, 8, 11, 11, 7, 8, 9, 9, 10)
TITLES = ("network", "board", "mapping", "interval", "bound", "gap", "seconds", "uniform", "greedy", "materials")
Rows = list[int]
Point = tuple[float, float]  # interval in cycles, and the fullest resource's share of its limit


def main() -> None:
    """Print the table; exit code 1 where a rule is better than the search."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("networks", nargs="*", default=ZOO.names())
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--boards", default="pynq-z2,zcu104,u250")
    parser.add_argument("--mapping", default="folded,hls4ml")
    parser.add_argument("--objective", choices=("interval_us", "latency_us", "energy_uj"), default="interval_us")
    arguments = parser.parse_args()
    boards = [device.load(name) for name in arguments.boards.split(",")]
    warm = load_model("jet_mlp").network.with_bits(arguments.bits)
    choose(warm, boards[-1], "folded")
    print(row(TITLES))
    fine = True
    for name, mapping in product(arguments.networks, arguments.mapping.split(",")):
        try:
            network = load_model(name).network.with_bits(arguments.bits)
            fine &= compare(name, network, boards, mapping, Goal(arguments.objective))
        except SlimfabError as error:
            print(f"{name}: {error}", flush=True)
    sys.exit(0 if fine else 1)


def compare(name: str, network: Network, boards: list[Device], mapping: str, goal: Goal) -> bool:
    """Print a network's line; whether no rule is better than the search."""
    for board in boards:
        start = time.perf_counter()
        found = choose(network, board, mapping, goal=goal)
        seconds = time.perf_counter() - start
        if not found.misses:
            break
    if found.misses:
        print(f"{name}: {mapping}: does not fit {board.name}", flush=True)
        return True
    times = f"{100 * found.gap:.2g} %", f"{seconds:.3f}"
    if goal != Goal():
        print(
            row((name, board.name, mapping, f"{found.value:,.4g}", f"{found.bound:,.4g}", *times, "", "", "")),
            flush=True,
        )
        return True
    cycles, bound = (us * found.design.clock_mhz for us in (found.value, found.bound))
    rules = Rules(network, board, mapping, found.design.io_type)
    ours = cycles, rules.fullest(np.array([found.used[name] - SHELL[name] for name in RESOURCES]))
    plain = [rules.fastest(uniform), rules.fastest(greedy)]
    free = min(rules.fastest(rule, *made) for rule in (uniform, greedy) for made in rules.materials())
    cells = (name, board.name, mapping, f"{cycles:,.0f}", f"{bound:,.0f}", *times)
    print(row((*cells, *(against(ours, one) for one in (*plain, free)))), flush=True)
    return all(one >= (cycles, 0.0) for one in (*plain, free))


def against(ours: Point, other: Point) -> str:
    """How many times longer the other interval is, or, where it is the same, how many times fuller the device."""
    if not np.isfinite(other[0]):
        return "no fit"
    return f"= {other[1] / ours[1]:.2f}" if other[0] == ours[0] else f"{other[0] / ours[0]:.2f} x"


class Rules:
    """The options of a network on a board, and the fastest design of a rule that fits."""

    def __init__(self, network: Network, board: Device, mapping: str, io_type: str) -> None:
        self.stages: Pipeline = pipeline(network)
        self.options: Options = all_options(self.stages, mapping, io_type)
        clock = board["clock_mhz"]
        limits = allowed_by(network, board, clock, Goal())
        self.shortest = limits.shortest
        self.limits = np.array([limits.limits[name] - SHELL[name] for name in RESOURCES])
        self.used = np.stack([getattr(self.options.cost, name) for name in RESOURCES], axis=1)
        self.mapping = mapping

    def materials(self) -> Iterator[tuple[str, str]]:
        """Where the products and the weights of all layers may be."""
        yield from product(MULTIPLIERS, MEMORIES) if self.mapping == "folded" else [("auto", "auto")]

    def fastest(self, rule: Callable[["Rules", Rows, float], int], multiplier: str = "", memory: str = "") -> Point:
        """The fastest design of a rule that fits; infinite where none does.

        By default products of narrow operands and small memories go to LUTs, as synthesis would choose.
        """
        per_stage = [self._made(stage, multiplier, memory) for stage in range(len(self.stages.stages))]
        reuse = {self.options.foldings[row].reuse_factor for rows in per_stage for row in rows}
        targets = sorted(reuse) if rule is uniform else sorted(set(self.options.cost.busy.tolist()))
        best = np.inf, np.inf
        for target in targets:
            rows = [rule(self, own, float(target)) for own in per_stage]
            full = self.fullest(self.used[rows].sum(axis=0))
            if full <= 1:
                best = min(best, (max(float(self.options.cost.busy[rows].max()), self.shortest), full))
        return best

    def fullest(self, used: npt.NDArray[np.float64]) -> float:
        """The largest share of a limit that resources, (resources,), take."""
        return float((used / self.limits).max())

    def _made(self, stage: int, multiplier: str, memory: str) -> Rows:
        record = self.stages.stages[stage]
        narrow = min(record.weight_bits, record.input_bits)
        own: Rows = np.flatnonzero(self.options.stage == stage).tolist()
        multiplier = multiplier or ("lut" if narrow < 5 else "dsp")
        kept = []
        for index in own:
            folding = self.options.foldings[index]
            bits = folding.pe * folding.simd * record.weight_bits
            small = bits * folding.reuse_factor <= 1024
            wanted = memory or ("distributed" if small else "block")
            if folding.multiplier in ("auto", multiplier) and folding.memory in ("auto", wanted):
                kept.append(index)
        return kept


def uniform(rules: Rules, rows: Rows, target: float) -> int:
    """The option whose reuse factor is nearest; of several the fastest."""
    busy, foldings = rules.options.cost.busy, rules.options.foldings
    return min(rows, key=lambda row: (abs(foldings[row].reuse_factor - target), busy[row]))


def greedy(rules: Rules, rows: Rows, target: float) -> int:
    """Raise simd, then pe, from 1 until the target is met; with hls4ml the largest reuse factor that meets it."""
    busy, foldings = rules.options.cost.busy, rules.options.foldings
    if rules.mapping == "hls4ml":
        order = sorted(rows, key=lambda row: -foldings[row].reuse_factor)
    else:
        widest = max(foldings[row].simd for row in rows)
        first = sorted((row for row in rows if foldings[row].pe == 1), key=lambda row: foldings[row].simd)
        then = sorted((row for row in rows if foldings[row].simd == widest), key=lambda row: foldings[row].pe)
        order = [*first, *then]
    return next((row for row in order if busy[row] <= target), order[-1])


def row(cells: tuple[str, ...]) -> str:
    """The cells, the first three left and the others right."""
    sides = ("<",) * 3 + (">",) * 7
    return "".join(f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, WIDTHS, strict=True))


if __name__ == "__main__":
    main()
