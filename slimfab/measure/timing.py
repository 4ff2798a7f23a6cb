# SPDX-License-Identifier: Apache-2.0
"""How long a call takes when nothing disturbs it.

With one thread, the thread's processor time: others who wait for the same core do not count. With more, the wall
clock. Neither sees a neighbour that shares the core's arithmetic or caches, so a small matrix product of known
duration, the probe, runs before and after every few calls: where it is slower than it can be, what lies between is
repeated.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FASTEST = 0.25  # share of undisturbed repetitions that counts, by its median
DISTURBED = 1.12  # times the probe's shortest time
BETWEEN_NS = 300_000  # calls between two probes take about that long
PATIENCE = 3.0  # times the budget, until disturbed repetitions have to do
WARM_UPS = 3
PROBE_SIDE, PROBE_REPEATS = 64, 4  # 50 kB and some 25 us on a current core


@dataclass(frozen=True)
class Timing:
    """One call in us: the median of the fastest quarter of the undisturbed repetitions, and that of all repetitions."""

    best_us: float
    median_us: float
    repetitions: int


@dataclass
class Probe:
    """A matrix product, and the shortest time it ever took."""

    shortest_ns: float = float("inf")
    sides: tuple[npt.NDArray[np.float32], ...] = field(
        default_factory=lambda: tuple(np.ones((PROBE_SIDE, PROBE_SIDE), np.float32) for _ in range(3))
    )

    def is_disturbed(self) -> bool:
        """Run it; whether something slows it down now."""
        left, right, out = self.sides
        start = time.perf_counter_ns()
        for _ in range(PROBE_REPEATS):
            np.matmul(left, right, out=out)
        took = time.perf_counter_ns() - start
        self.shortest_ns = min(self.shortest_ns, took)
        return took > DISTURBED * self.shortest_ns


PROBE = Probe()


def repeated(
    call: Callable[[], object], threads: int, budget_s: float, fewest: int, most: int
) -> Iterator[tuple[int, bool]]:
    """Repeat a call and yield, for every repetition in turn, its time in ns and whether it was disturbed.

    Stops after `budget_s` seconds with at least `fewest` undisturbed repetitions, after `most`, or when patience ends.
    """
    clock = time.thread_time_ns if threads == 1 else time.perf_counter_ns
    start = time.perf_counter()
    quiet, total, disturbed = 0, 0, PROBE.is_disturbed()
    while total < most:
        elapsed = time.perf_counter() - start
        if total >= fewest and ((quiet >= fewest and elapsed > budget_s) or elapsed > PATIENCE * budget_s):
            return
        times: list[int] = []
        while sum(times) < BETWEEN_NS and total + len(times) < most:
            before = clock()
            call()
            times.append(clock() - before)
        after = PROBE.is_disturbed()
        either = disturbed or after
        disturbed = after
        quiet, total = quiet + len(times) * (not either), total + len(times)
        yield from ((took, either) for took in times)


def time_call(call: Callable[[], object], threads: int, budget_s: float, fewest: int = 15, most: int = 20000) -> Timing:
    """Repeat a call for `budget_s` seconds, at least `fewest` and at most `most` times."""
    for _ in range(WARM_UPS):
        call()
    taken = np.array(list(repeated(call, threads, budget_s, fewest, most)), dtype=np.float64).reshape(-1, 2)
    best = fastest_us(taken[:, 0] / 1e3, taken[:, 1] > 0)
    return Timing(best, float(np.median(taken[:, 0])) / 1e3, len(taken))


def fastest_us(
    times_us: npt.NDArray[np.float64], disturbed: npt.NDArray[np.bool_], share: float = FASTEST
) -> float:  # fmt: skip
    """The median of the fastest `share` of the undisturbed times; of all, where all were disturbed."""
    chosen = np.sort(times_us[~disturbed] if (~disturbed).any() else times_us)
    return float(np.median(chosen[: max(1, round(share * len(chosen)))]))
