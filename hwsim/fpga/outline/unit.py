# SPDX-License-Identifier: Apache-2.0
"""What an outline is made of: units without contents, and the streams between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hwsim.fixed import FixedPoint
from hwsim.fpga.dataflow import Timing


class Placed(Protocol):
    """A module between wires, whether it has contents or not."""

    @property
    def name(self) -> str:
        """Unique in its network."""

    @property
    def module(self) -> str:
        """A file of ``hls/rtl``."""

    @property
    def layer(self) -> str:
        """To which layer it belongs."""

    @property
    def timing(self) -> Timing:
        """Cycles per image."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Wires in."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Wires out."""


@dataclass(frozen=True, eq=False)
class Unit:
    """One instance of a module of ``hls/rtl``: of its parameters those numbers that say when beats pass.

    ``turns`` is a list that such a number cannot be: of concat, the beats per pixel of every input; of
    sparse_matrix_vector, the last step of every row of blocks. A module that is in no library has no numbers.
    """

    name: str
    module: str
    layer: str
    numbers: Mapping[str, int]
    timing: Timing
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    turns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Stream:
    """``values`` integers per image, ``lanes`` of them per beat; ``image`` is (channels, rows, columns)."""

    wire: str
    format: FixedPoint
    lanes: int
    image: tuple[int, int, int]
    values: int

    @property
    def beats(self) -> int:
        """Beats per image."""
        return self.values // self.lanes
