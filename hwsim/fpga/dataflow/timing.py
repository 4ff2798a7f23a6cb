# SPDX-License-Identifier: Apache-2.0
"""What a formula answers: the cycles of one unit for one image."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Cycles of one unit for one image.

    ``latency`` runs from the cycle in which the first beat enters an idle unit to the one in which the last beat
    leaves; ``interval`` lies between the last beats of successive images in steady state.
    """

    beats_in: int
    beats_out: int
    latency: int
    interval: int
