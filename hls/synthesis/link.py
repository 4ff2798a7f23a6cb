# SPDX-License-Identifier: Apache-2.0
"""One netlist out of the netlists of a design's parts, as yosys's JSON holds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hls.synthesis import netlists
from hls.synthesis.counts import Counts
from hls.synthesis.harness import HARNESS, INSIDE, harness
from hls.synthesis.programs import Program
from hls.synthesis.structure import Structure

Module = dict[str, Any]

_TRUE = f"{1:032b}"


@dataclass(frozen=True)
class Linked:
    """A netlist in yosys's JSON, its top, and what its parts count together."""

    modules: Mapping[str, Module]
    top: str
    counts: Counts


def whole(structure: Structure, family: str, yosys: Program, root: Path, work: Path, workers: int = 1) -> Linked:
    """The netlist of a whole design; netlists of its parts that are missing are made."""
    jobs = {part.path: netlists.part_job(structure, part, family, yosys) for part in structure.parts}
    joint = netlists.joint_job(structure, family, yosys)
    netlists.make((*jobs.values(), joint), yosys, root, work, workers)
    boxes = {path: f"unit_{job.key}" for path, job in jobs.items()}
    modules = {f"unit_{job.key}": _inner(netlists.netlist(job, root)) for job in jobs.values()}
    modules[structure.top] = _filled(netlists.netlist(joint, root), boxes)
    counts = sum((netlists.counts(job, family, root) for job in (*jobs.values(), joint)), Counts())
    return Linked(modules, structure.top, counts)


def single(structure: Structure, unit: str, family: str, yosys: Program, root: Path, work: Path) -> Linked:
    """The netlist of one unit of a design."""
    job = netlists.part_job(structure, structure.part(unit), family, yosys)
    netlists.make((job,), yosys, root, work)
    return Linked({unit: netlists.netlist(job, root)}, unit, netlists.counts(job, family, root))


def harnessed(design: Linked, what: str, family: str, yosys: Program, root: Path, work: Path) -> Linked:
    """A netlist within registers; see :mod:`hls.synthesis.harness`. The counts stay those of the design."""
    inside = design.modules[design.top]
    ports = {name: (port["direction"], len(port["bits"])) for name, port in inside["ports"].items()}
    job = netlists.text_job(f"{what}: harness", harness(ports), HARNESS, family, yosys)
    netlists.make((job,), yosys, root, work)
    filled = _filled(netlists.netlist(job, root), {INSIDE: design.top})
    return Linked({**design.modules, design.top: _inner(inside), HARNESS: filled}, HARNESS, design.counts)


def _inner(module: Module) -> Module:
    return {**module, "attributes": {}}


def _filled(joint: Module, boxes: Mapping[str, str]) -> Module:
    """A flattened module as the top, its empty boxes named after the modules that fill them."""
    cells = {
        name: {**cell, "type": boxes.get(name, cell["type"]), "parameters": {} if name in boxes else cell["parameters"]}
        for name, cell in joint["cells"].items()
        if cell["type"] != "$scopeinfo"  # only remembers what was flattened
    }
    return {**joint, "attributes": {"top": _TRUE}, "cells": cells}
