# SPDX-License-Identifier: Apache-2.0
"""How long a call takes when nothing disturbs it.

With one thread, the thread's processor time: others who wait for the same core do not count. With more, the wall
clock. Of many repetitions the fastest tenth counts, whose median is steadier than the fastest one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FASTEST = 0.1  # share of repetitions that counts
WARM_UPS = 3


@dataclass(frozen=True)
class Timing:
    """One call in us: the median of the fastest tenth of all repetitions, and their median."""

    best_us: float
    median_us: float
    repetitions: int


def time_call(call: Callable[[], object], threads: int, budget_s: float, fewest: int = 15, most: int = 2000) -> Timing:
    """Repeat a call for `budget_s` seconds, at least `fewest` and at most `most` times."""
    clock = time.thread_time_ns if threads == 1 else time.perf_counter_ns
    for _ in range(WARM_UPS):
        call()
    times = []
    end = time.perf_counter() + budget_s
    while len(times) < fewest or (time.perf_counter() < end and len(times) < most):
        start = clock()
        call()
        times.append(clock() - start)
    ordered = np.sort(np.array(times)) / 1e3
    fastest = ordered[: max(1, round(FASTEST * len(ordered)))]
    return Timing(float(np.median(fastest)), float(np.median(ordered)), len(times))
