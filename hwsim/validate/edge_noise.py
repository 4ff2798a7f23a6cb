# SPDX-License-Identifier: Apache-2.0
"""How well a table's measurements can be predicted at all: contradictions inside a run, and repeats of a run.

A network that has no more of anything than another, and was measured to take longer, contradicts every model in which
more work never takes less time. And the same network, measured in two rounds on one board under one runtime, differs by
more than the factor that all networks of the two rounds have in common.
"""

from collections.abc import Sequence

import numpy as np

from hwsim.columns import Column
from hwsim.validate.edge_setups import Setup

FEWEST_COMMON = 10  # networks of two rounds; the factor of fewer says little
#: Runtimes as set-ups name them, the longer names first; rounds of one differ in its version.
RUNTIMES = ("tflite_armnn", "armnn", "tflite")


def most_within(counts: Column, time_us: Column, within: float) -> int:
    """How many of the measurements a model in which more work never takes less time can have within a tolerance.

    Two contradict each other where one has no more of any count and took so much longer that no two predictions in
    order are close to both. "Contradicts" is a partial order, so the largest set without any is as large as the number
    of measurements less a largest matching (R. P. Dilworth, "A decomposition theorem for partially ordered sets",
    Annals of Mathematics 51, 1950; D. R. Fulkerson, Proc. AMS 7, 1956).

    Args:
        counts: what each has of every kind of work, (measurements, kinds).
        time_us: (measurements,).
        within: relative, such as 0.1.
    """
    no_more = (counts[:, None, :] <= counts[None, :, :]).all(axis=2)
    longer = (1 - within) * time_us[:, None] > (1 + within) * time_us[None, :]
    against = [np.flatnonzero(row).tolist() for row in no_more & longer]
    partner: dict[int, int] = {}

    def finds_partner(index: int, asked: set[int]) -> bool:
        for other in against[index]:
            if other not in asked:
                asked.add(other)
                if other not in partner or finds_partner(partner[other], asked):
                    partner[other] = index
                    return True
        return False

    return len(time_us) - sum(finds_partner(index, set()) for index in range(len(time_us)))


def possible_share(found: Sequence[Setup], within: float) -> float:
    """The share of all runs of set-ups that :func:`most_within` allows, 0 to 1."""
    runs = sum(len(setup.rows) for setup in found)
    return sum(most_within(setup.runs.counts, setup.runs.time_us, within) for setup in found) / runs


def repeat_spread(found: Sequence[Setup]) -> tuple[float, float]:
    """Median and 95 % quantile of how far apart rounds of one board, runtime and type are on the same network.

    Relative, less the factor that the networks of two rounds have in common; NaN where nothing was measured twice.
    """
    apart = []
    for index, one in enumerate(found):
        for other in found[index + 1 :]:
            if (one.device, _runtime(one), one.dtype) != (other.device, _runtime(other), other.dtype):
                continue
            times = [dict(zip(each.runs.network.tolist(), each.runs.time_us.tolist(), strict=True))
                     for each in (one, other)]  # fmt: skip
            common = sorted(set(times[0]) & set(times[1]))
            if len(common) >= FEWEST_COMMON:
                logs = np.log([times[0][name] / times[1][name] for name in common])
                apart.append(np.abs(logs - np.median(logs)))
    if not apart:
        return float("nan"), float("nan")
    every = np.concatenate(apart)
    return float(np.expm1(np.median(every))), float(np.expm1(np.quantile(every, 0.95)))


def _runtime(setup: Setup) -> str:
    return next((name for name in RUNTIMES if name in setup.name), setup.name)
