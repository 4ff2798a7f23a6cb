# SPDX-License-Identifier: Apache-2.0
"""A bundle: one zip file with all that a board needs to run an accelerator and to prove that it runs right.

    manifest.json            what it is, for which board, and a hash of every other file (:mod:`boards.manifest`)
    NAME.bit, NAME.hwh       the bitstream and Vivado's hardware handoff, which pynq looks for under the same name
    NAME.xclbin              in their place for a card: what v++ linked, for XRT
    golden/inputs.npy        (N, *shape) integers of the input's format
    golden/outputs.npy       (N, *shape) integers that the golden executor computes from them
    estimate.json            what the design was expected to take when it was built
    driver/, *.ipynb, …      whatever else the board shall have

:func:`pack` writes one, :func:`open_verified` reads one that nobody has to trust. Both check the same: the hash of
every file, nothing beside what the manifest names, a bitstream and a handoff of the part and of this very build, golden
integers of the right shape and range. Nothing is written or loaded before all of them have passed.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from boards import bitfile, handoff, xclbin
from boards.archive import Archive, Content, check_name
from boards.manifest import Manifest
from hwsim import serial
from hwsim.errors import BundleError, InputError, OutputError
from hwsim.estimate import Estimate
from hwsim.fixed import FixedPoint

MANIFEST = "manifest.json"
INPUTS, OUTPUTS, ESTIMATE = "golden/inputs.npy", "golden/outputs.npy", "estimate.json"
MAX_MANIFEST_BYTES = 4 << 20
_STAMP = (1980, 1, 1, 0, 0, 0)  # so that the same content is the same file

IntArray = npt.NDArray[np.int64]
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle that has passed every check."""

    path: Path
    manifest: Manifest

    def read(self, name: str) -> bytes:
        """One file's content; its hash is checked again.  Raises BundleError when it has changed since."""
        if name not in self.manifest.files:
            raise BundleError(f"{self.path}: holds no file {name}; it has {', '.join(sorted(self.manifest.files))}")
        with Archive(self.path) as archive:
            return archive.read(name, self.manifest.files[name])

    def golden(self) -> tuple[IntArray, IntArray]:
        """Golden inputs and outputs: two arrays of (N, *shape) integers."""
        return _array(self.read(INPUTS), INPUTS), _array(self.read(OUTPUTS), OUTPUTS)

    def estimate(self) -> Estimate | None:
        """The estimate that the bundle was built from; None in one without."""
        if ESTIMATE not in self.manifest.files:
            return None
        return _estimate(self.manifest, self.read(ESTIMATE), str(self.path))

    def unpack(self, folder: Path | str) -> Path:
        """Write all files into a folder that does not exist yet, completely or not at all.

        Raises:
            OutputError: the folder exists or cannot be written.
            BundleError: the zip file was changed after it was verified.
        """
        target = Path(folder)
        if target.exists():
            raise OutputError(f"{target}: exists already; choose a new folder")
        with Archive(self.path) as archive:
            files = {name: archive.read(name, content) for name, content in self.manifest.files.items()}
            files[MANIFEST] = archive.read(MANIFEST)
        with serial.replacing(target) as temporary:
            for name, data in files.items():
                serial.atomic_write(temporary / name, data)
        return target


def pack(
    manifest: Manifest, files: Mapping[str, bytes], inputs: IntArray, outputs: IntArray, path: Path | str
) -> Bundle:
    """Write a bundle and open it again, verified.

    Args:
        manifest: its ``files`` are filled in here.
        files: content by name; NAME.bit and NAME.hwh, or NAME.xclbin, among them.
        inputs, outputs: (N, *shape) golden integers, N at least 1.

    Raises:
        BundleError: something is missing or contradicts the manifest.
        OutputError: the file cannot be written.
    """
    content = {**files, INPUTS: _npy(inputs), OUTPUTS: _npy(outputs)}
    for name in content:
        check_name(name, str(path))
    complete = replace(manifest, files={name: Content.of(data) for name, data in sorted(content.items())})
    check(complete, content, str(path))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        head = (json.dumps(serial.to_json(complete), indent=1, allow_nan=False) + "\n").encode()
        for name, data in [(MANIFEST, head), *sorted(content.items())]:
            archive.writestr(zipfile.ZipInfo(name, _STAMP), data, zipfile.ZIP_DEFLATED)
    serial.atomic_write(path, buffer.getvalue())
    return open_verified(path)


def open_verified(path: Path | str, *, board: str | None = None, part: str | None = None) -> Bundle:
    """Open a bundle after checking everything in it; nothing is written.

    Args:
        board, part: what it must be for; None accepts any.

    Raises:
        BundleError: it is damaged, hostile, stale, or for another board; says which.
    """
    with Archive(path) as archive:
        head = archive.read(MANIFEST)
        if len(head) > MAX_MANIFEST_BYTES:
            raise BundleError(f"{path}: {MANIFEST}: got {len(head)} bytes; expected at most {MAX_MANIFEST_BYTES}")
        manifest = read_manifest(head, f"{path}: {MANIFEST}")
        if board is not None and manifest.board != board:
            raise BundleError(f"{path}: is for board {manifest.board}; expected {board}; build it for {board}")
        if part is not None and manifest.part != part:
            raise BundleError(f"{path}: is for part {manifest.part}; expected {part}; build it for the board's part")
        unnamed = set(archive.names()) - {MANIFEST, *manifest.files}
        if unnamed:
            raise BundleError(f"{path}: holds {min(unnamed)}, which the manifest does not name; refuse this bundle")
        check(manifest, {name: archive.read(name, content) for name, content in manifest.files.items()}, str(path))
    return Bundle(Path(path), manifest)


def read_manifest(data: bytes, where: str) -> Manifest:
    """A manifest from its JSON text.  Raises BundleError where it is damaged."""
    return _record(Manifest, data, where)


def _record(kind: type[R], data: bytes, where: str) -> R:
    try:
        return serial.from_json(kind, json.loads(data), where)
    except BundleError:
        raise
    except InputError as error:
        raise BundleError(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: is no JSON ({error}); the bundle is damaged; build it again") from error


def _estimate(manifest: Manifest, data: bytes, where: str) -> Estimate:
    found = _record(Estimate, data, f"{where}: {ESTIMATE}")
    if found.network_hash != manifest.model_hash:
        raise BundleError(
            f"{where}: {ESTIMATE}: is of network {found.network_hash}; expected {manifest.model_hash}; build it again"
        )
    return found


def check(manifest: Manifest, files: Mapping[str, bytes], where: str) -> None:
    """Whether the files of a bundle are what its manifest says.

    Raises:
        BundleError: names the file and what is wrong with it.
    """
    hardware = (manifest.xclbin,) if manifest.platform else (manifest.bit, manifest.hwh)
    for name in (*hardware, INPUTS, OUTPUTS):
        if name not in files:
            kinds = "an .xclbin" if manifest.platform else "a .bit and a .hwh of one name"
            raise BundleError(f"{where}: {name} is missing; expected {kinds}, and golden vectors")
    if manifest.platform:
        _check_container(manifest, files[manifest.xclbin], f"{where}: {manifest.xclbin}")
    else:
        _check_bitstream(manifest, files, where)
    if ESTIMATE in files:
        _estimate(manifest, files[ESTIMATE], where)
    _check_golden(manifest, files, where)


def _check_container(manifest: Manifest, data: bytes, where: str) -> None:
    found = xclbin.check(data, manifest.platform, manifest.part, manifest.build_id, where)
    if found.clock_mhz != manifest.clock_mhz:
        raise BundleError(f"{where}: got {found.clock_mhz} MHz; expected {manifest.clock_mhz:g} as the manifest")


def _check_bitstream(manifest: Manifest, files: Mapping[str, bytes], where: str) -> None:
    header = bitfile.read(files[manifest.bit], f"{where}: {manifest.bit}")
    if not bitfile.same_part(header.part, manifest.part):
        raise BundleError(
            f"{where}: {manifest.bit} is for part {header.part}; expected {manifest.part}; build it again"
        )
    if header.user_id != int(manifest.build_id, 16):
        raise BundleError(
            f"{where}: {manifest.bit} is stale: got build {header.user_id:08x}; expected {manifest.build_id}; "
            "it comes from another build, run the implementation again"
        )
    _check_handoff(manifest, handoff.read(files[manifest.hwh], f"{where}: {manifest.hwh}"), where)


def _check_golden(manifest: Manifest, files: Mapping[str, bytes], where: str) -> None:
    counts = set()
    for name, port in ((INPUTS, manifest.input), (OUTPUTS, manifest.output)):
        array, fmt = _array(files[name], f"{where}: {name}"), FixedPoint.parse(port.format)
        if array.ndim == 0 or array.shape[1:] != port.shape or len(array) == 0:
            raise BundleError(
                f"{where}: {name}: got shape {array.shape}; expected ({', '.join(map(str, ('N', *port.shape)))})"
            )
        if array.min() < fmt.min_int or array.max() > fmt.max_int:
            raise BundleError(f"{where}: {name}: holds integers outside {port.format}; compute them again")
        counts.add(len(array))
    if len(counts) > 1:
        raise BundleError(f"{where}: got {min(counts)} and {max(counts)} golden inputs and outputs; expected as many")


def _check_handoff(manifest: Manifest, found: handoff.Handoff, where: str) -> None:
    name = f"{where}: {manifest.hwh}"
    if not bitfile.same_part(found.part, manifest.part):
        raise BundleError(f"{name} is for part {found.part}; expected {manifest.part}; build it again")
    dma = found.cell(manifest.dma, name)
    widths = (("mm2s", manifest.input.word_bytes), ("s2mm", manifest.output.word_bytes))
    for direction, expected in widths:
        key = f"c_m_axis_{direction}_tdata_width" if direction == "mm2s" else f"c_s_axis_{direction}_tdata_width"
        got = dma.number(key, name)
        if got != 8 * expected:
            raise BundleError(f"{name}: {manifest.dma}.{key}: got {got} bits; expected {8 * expected} as the manifest")
    found.cell(manifest.accelerator, name)


def _npy(array: IntArray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array, dtype=np.int64), allow_pickle=False)
    return buffer.getvalue()


def _array(data: bytes, where: str) -> IntArray:
    try:
        array: Any = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, MemoryError, OverflowError) as error:
        raise BundleError(f"{where}: is no .npy file of plain numbers; build the bundle again") from error
    if array.dtype != np.int64:
        raise BundleError(f"{where}: got {array.dtype}; expected int64; build the bundle again")
    result: IntArray = array
    return result
