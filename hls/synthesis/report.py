# SPDX-License-Identifier: Apache-2.0
"""What a design occupies according to yosys: in total, per layer, and per unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hls.synthesis import netlists
from hls.synthesis.counts import Counts, expect_family
from hls.synthesis.programs import find_yosys
from hls.synthesis.structure import read_structure

INTERFACE = "(interface)"  # where a unit belongs to no layer


@dataclass(frozen=True)
class UnitCounts:
    """Resources of one instance of a module."""

    unit: str
    module: str
    layer: str
    counts: Counts


@dataclass(frozen=True)
class Synthesis:
    """Resources of an emitted design, counted in yosys's netlist.

    ``joints`` is what the generated modules need themselves, besides their units.
    """

    network: str
    family: str
    tool: str
    units: tuple[UnitCounts, ...]
    joints: Counts

    @property
    def total(self) -> Counts:
        """Everything together."""
        return sum((unit.counts for unit in self.units), self.joints)

    @property
    def layers(self) -> Mapping[str, Counts]:
        """Resources by layer, in the order of the design; what belongs to none is :data:`INTERFACE`."""
        found: dict[str, Counts] = {}
        for unit in self.units:
            layer = unit.layer or INTERFACE
            found[layer] = found.get(layer, Counts()) + unit.counts
        interface = found.pop(INTERFACE, Counts()) + self.joints
        return {**found, INTERFACE: interface}

    @property
    def label(self) -> str:
        """Which tool counted, and what its counts are not."""
        return (
            f"{self.tool}, {self.family}: cells before placement, every unit by itself; not what "
            f"{'Vivado' if self.family.startswith('xc') else 'a placed design'} occupies"
        )


def synthesise(
    folder: Path | str,
    family: str = "xc7",
    cache: Path | None = None,
    workers: int = 1,
    listen: netlists.Listen = lambda done, of: None,
) -> Synthesis:
    """Synthesise an emitted design with yosys, and count.

    Args:
        family: one of :data:`hls.synthesis.counts.FAMILIES`: "xc7" (7 series), "xcup" (UltraScale+), "ecp5".
        cache: where netlists are kept; see :func:`hls.synthesis.netlists.default_cache`.
        workers: how many units are synthesised side by side.
        listen: called with how many netlists are made, of how many that were missing.

    Raises:
        UnknownNameError: an unknown family.
        ModelFileError, OutputError: the folder holds no emitted design, it was changed, or the cache is not writable.
        ToolMissing, ToolFailed: there is no yosys, or it failed.
    """
    expect_family(family)
    yosys, root = find_yosys(), cache or netlists.default_cache()
    with netlists.workplace(root) as name:
        work = Path(name)
        structure = read_structure(folder, yosys, work, root)
        jobs = {part.path: netlists.part_job(structure, part, family, yosys) for part in structure.parts}
        joints = netlists.joint_job(structure, family, yosys)
        netlists.make((*jobs.values(), joints), yosys, root, work, workers, listen)
    units = tuple(
        UnitCounts(part.unit, part.module, part.layer, netlists.counts(jobs[part.path], family, root))
        for part in structure.parts
    )
    return Synthesis(structure.network, family, yosys.label, units, netlists.counts(joints, family, root))
