# SPDX-License-Identifier: Apache-2.0
"""The roofline: work takes as long as the slower of arithmetic and data, plus what it costs to start it.

Williams, Waterman, Patterson, "Roofline: an insightful visual performance model", CACM 52(4), 2009; here with
several memory levels whose times add up where the same data crosses both, and with a start-up cost per kernel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.columns import Column

LIMITS = ("compute", "memory", "overhead")


@dataclass(frozen=True, eq=False)
class Times:
    """Where the time of every kernel goes, in us; all columns have shape (kernels,)."""

    compute: Column
    memory: Column
    overhead: Column

    @property
    def total(self) -> Column:
        """Arithmetic and data transfer overlap; the start-up does not."""
        return np.maximum(self.compute, self.memory) + self.overhead

    def bottlenecks(self) -> list[str]:
        """The largest of the three for every kernel."""
        return [LIMITS[index] for index in np.argmax((self.compute, self.memory, self.overhead), axis=0)]


@dataclass(frozen=True, eq=False)
class SerialTimes(Times):
    """Times measured as a sum: what overlaps is not in them twice."""

    @property
    def total(self) -> Column:
        """All three, one after another."""
        return self.compute + self.memory + self.overhead


def roofline(work: Column, rate: Column, traffic: Sequence[tuple[Column, float]], overhead_us: float) -> Times:
    """Time of kernels from their work and data.

    Args:
        work: operations of every kernel, shape (kernels,).
        rate: operations per us the machine sustains for every kernel, shape (kernels,).
        traffic: per memory level, the bytes of every kernel and the bandwidth in bytes per us.
        overhead_us: start-up cost of one kernel.
    """
    memory = np.zeros_like(work)
    for moved, bandwidth in traffic:
        memory += moved / bandwidth
    return Times(work / rate, memory, np.full_like(work, overhead_us))
