# SPDX-License-Identifier: Apache-2.0
"""Vivado's hardware handoff (``.hwh``): which part a block design is for, its cells, their parameters and addresses.

The file is XML: ``SYSTEMINFO`` names the device, every ``MODULE`` is a cell. pynq reads it to find drivers and
addresses; this reads what must agree with a manifest.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass

from hwsim.errors import BundleError
from hwsim.registry import suggest

_ACTUAL_CLOCKS = (  # names of PS parameters, by the index of the PL clock; the first is Zynq-7000's
    "pcw_act_fpga{}_peripheral_freqmhz",
    "psu__crl_apb__pl{}_ref_ctrl__act_freqmhz",
)


@dataclass(frozen=True)
class Cell:
    """One cell of a block design; ``parameters`` by their names in lower case."""

    name: str
    kind: str
    parameters: Mapping[str, str]

    def number(self, key: str, where: str) -> int:
        """A whole number among the parameters.  Raises BundleError where it is missing or none."""
        text = self.parameters.get(key, "")
        if re.fullmatch(r"\d+", text) is None:
            raise BundleError(f"{where}: {self.name}.{key}: got '{text}'; expected a whole number; build it again")
        return int(text)


@dataclass(frozen=True)
class Handoff:
    """A block design: the part it is for, the tool that wrote it, its cells by name, and base addresses by cell."""

    part: str
    version: str
    cells: Mapping[str, Cell]
    addresses: Mapping[str, tuple[int, int]]

    def cell(self, name: str, where: str) -> Cell:
        """The cell of that name.  Raises BundleError where there is none."""
        if name not in self.cells:
            raise BundleError(f"{where}: has no cell {name}; {suggest(name, self.cells)}")
        return self.cells[name]

    def clock_mhz(self, index: int = 0) -> float | None:
        """The actual frequency of a clock from the processor to the fabric; None where there is no such clock."""
        for cell in self.cells.values():
            for pattern in _ACTUAL_CLOCKS:
                text = cell.parameters.get(pattern.format(index), "")
                if re.fullmatch(r"\d+(\.\d+)?", text):
                    return float(text)
        return None


def read(data: bytes, where: str) -> Handoff:
    """Read the content of a ``.hwh`` file.

    Raises:
        BundleError: it is damaged, has declarations of its own (which a handoff never has), or names no device.
    """
    if b"<!" in data.replace(b"<!--", b""):
        raise BundleError(f"{where}: has declarations; expected the plain XML that Vivado writes; refuse it")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise BundleError(f"{where}: is no XML ({error}); expected a hardware handoff; build it again") from error
    info = root.find("SYSTEMINFO")
    if root.tag != "EDKSYSTEM" or info is None or not info.get("DEVICE"):
        raise BundleError(f"{where}: names no device; expected Vivado's hardware handoff; build it again")
    cells = {}
    for module in root.iterfind("MODULES/MODULE"):
        name = module.get("FULLNAME", module.get("INSTANCE", "")).lstrip("/")
        parameters = {p.get("NAME", "").lower(): p.get("VALUE", "") for p in module.iterfind("PARAMETERS/PARAMETER")}
        cells[name] = Cell(name, module.get("MODTYPE", ""), parameters)
    return Handoff(_part(info), root.get("VIVADOVERSION", ""), cells, _addresses(root))


def _part(info: ElementTree.Element) -> str:
    return "".join(info.get(key, "") for key in ("DEVICE", "PACKAGE", "SPEEDGRADE"))


def _addresses(root: ElementTree.Element) -> dict[str, tuple[int, int]]:
    """Base and size of what processors reach, by cell; a cell with several ranges keeps the first."""
    found: dict[str, tuple[int, int]] = {}
    for memory in root.iterfind("MODULES/MODULE/MEMORYMAP/MEMRANGE"):
        name, low, high = (memory.get(key, "") for key in ("INSTANCE", "BASEVALUE", "HIGHVALUE"))
        if memory.get("MEMTYPE") == "REGISTER" and low and high and name not in found:
            found[name] = int(low, 16), int(high, 16) - int(low, 16) + 1
    return found
