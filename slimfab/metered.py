# SPDX-License-Identifier: Apache-2.0
"""A meter's recordings beside what was measured on a board without sensors."""

from dataclasses import replace
from pathlib import Path

from boards import joulescope
from boards.bundle import ESTIMATE
from boards.measurement import Comparison, Measurement, compare
from hwsim import serial
from hwsim.errors import InputError
from hwsim.estimate import Estimate
from slimfab.deploy import RESULT


def add_power(folder: Path, idle: Path, busy: Path, rail: str) -> tuple[Measurement, tuple[Comparison, ...]]:
    """Add a rail to a measurement from two recordings, at rest and at work, and compare again.

    Args:
        folder: of results of ``slimfab deploy --measure --meter``; its measurement is rewritten.

    Raises:
        ModelFileError: there is no measurement, or a recording cannot be read.
        InputError: nothing is known of the work, or a recording is too short.
    """
    path = folder / RESULT
    found = serial.from_json(Measurement, serial.read_json(path), str(path))
    if found.inferences_per_s is None:
        raise InputError(f"{path}: says nothing of the work; expected how fast it was; measure again with --meter")
    added = joulescope.power(idle, busy, found.inferences_per_s, rail)
    result = replace(found, power=(*(one for one in found.power if one.rail != rail), added))
    serial.write_json(path, result)
    known = folder / "bundle" / ESTIMATE
    if not known.exists():
        return result, ()
    return result, compare(result, serial.from_json(Estimate, serial.read_json(known), str(known)))
