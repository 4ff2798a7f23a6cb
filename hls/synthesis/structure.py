# SPDX-License-Identifier: Apache-2.0
"""What an emitted folder is made of: instances of its units' modules, and the generated modules that join them."""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hls.emit import load_manifest
from hls.synthesis.programs import Program, run
from hls.templates import MODULES
from hwsim import serial
from hwsim.errors import ModelFileError, UnknownNameError
from hwsim.registry import suggest

_COMMENT = re.compile(r"//.*")
_BITS = re.compile(r"[01xz]+")
_INTEGER_BITS = 32  # of a Verilog integer


@dataclass(frozen=True)
class Part:
    """One instance of a library module, or of a module that a template made for its weights.

    ``path`` are instance names from the top down, joined by dots; ``parameters`` are Verilog constants. ``layer`` is
    the layer of the network that it works for, "" where it works for none (registers, TLAST).
    """

    path: str
    unit: str
    module: str
    layer: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Structure:
    """An emitted folder as a tree of instances.

    ``generated`` are the modules written to join the units, ``top`` among them; ``ports`` are those of the top: name →
    (direction, bits). ``memories`` maps the files that units read to their SHA-256.
    """

    folder: Path
    network: str
    files: tuple[str, ...]
    memories: Mapping[str, str]
    top: str
    generated: tuple[str, ...]
    ports: Mapping[str, tuple[str, int]]
    parts: tuple[Part, ...]

    def part(self, unit: str) -> Part:
        """The instance of a unit.

        Raises:
            UnknownNameError: there is none of this name.
        """
        found = {part.unit: part for part in self.parts}
        if unit not in found:
            raise UnknownNameError(f"{self.network}: unknown unit '{unit}'; {suggest(unit, found)}")
        return found[unit]

    def sources_of(self, module: str) -> tuple[str, ...]:
        """The files of a module and of all modules that its text names, in the folder's order."""
        file_of = {Path(name).stem: name for name in self.files}
        found: set[str] = set()
        waiting = [module]
        while waiting:
            name = waiting.pop()
            found.add(name)
            words = set(re.findall(r"\w+", _COMMENT.sub("", (self.folder / file_of[name]).read_text())))
            waiting += (words & file_of.keys()) - found
        return tuple(file for file in self.files if Path(file).stem in found)


def read_structure(folder: Path | str, yosys: Program, work: Path, failed: Path) -> Structure:
    """Read the instances of an emitted folder out of its generated modules; yosys does the parsing.

    Args:
        work: a folder for intermediate files.
        failed: a folder for the log of a failure.

    Raises:
        ModelFileError, OutputError: the folder holds no emitted design, or it was changed.
        ToolFailed: yosys cannot read it.
    """
    source = Path(folder)
    manifest = load_manifest(source)
    files = tuple((source / "files.f").read_text().split())
    leaves = MODULES.keys() | {unit.module for unit in manifest.units}
    generated = tuple(Path(name).stem for name in files if Path(name).stem not in leaves)
    if not generated:
        raise ModelFileError(f"{source / 'files.f'}: names no generated module; expected a top; emit the design again")
    top = generated[-1]  # files.f is in the order of use
    for name in files:
        shutil.copyfile(source / name, work / name)
    texts = " ".join(name for name in files if Path(name).stem in generated)
    script = f"read_verilog -sv {texts}; proc; write_json structure.json"
    run(yosys, ["-q", "-p", script], work, failed, manifest.network)
    modules = serial.read_json(work / "structure.json")["modules"]
    layers = {unit.unit: unit.layer for unit in manifest.units}
    memories = {name: digest for name, digest in manifest.files.items() if name not in (*files, "files.f")}
    ports = {name: (port["direction"], len(port["bits"])) for name, port in modules[top]["ports"].items()}
    place = {unit: index for index, unit in enumerate(layers)}
    parts = sorted(_parts(modules, generated, layers, top, ""), key=lambda part: place.get(part.unit, len(place)))
    return Structure(source, manifest.network, files, memories, top, generated, ports, tuple(parts))


def _parts(
    modules: Mapping[str, Any], generated: tuple[str, ...], layers: Mapping[str, str], module: str, prefix: str
) -> Iterator[Part]:
    for name, cell in modules[module]["cells"].items():
        kind, path = cell["type"], f"{prefix}{name}"
        if kind in generated:
            yield from _parts(modules, generated, layers, kind, f"{path}.")
        elif not kind.startswith("$"):
            unit = name.removeprefix("u_")
            parameters = {key: _constant(value) for key, value in cell["parameters"].items()}
            yield Part(path, unit, kind, layers.get(unit, ""), parameters)


def _constant(value: str) -> str:
    """A parameter of yosys's JSON as a sized constant; texts become their bytes, which Verilog takes them for."""
    if _BITS.fullmatch(value):
        return f"{len(value)}'{'s' if len(value) == _INTEGER_BITS else ''}b{value}"
    text = value[:-1] if _BITS.fullmatch(value.rstrip()) else value  # a space marks a text that looks like bits
    return f"{8 * len(text)}'h{text.encode().hex()}"


def text_of(constant: str) -> str:
    """The text that a constant of :class:`Part` spells, "" where it spells none."""
    _, mark, digits = constant.partition("'h")
    return bytes.fromhex(digits).decode() if mark else ""
