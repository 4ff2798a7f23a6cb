# SPDX-License-Identifier: Apache-2.0
"""A zip file from somewhere else, read with suspicion: what is odd about it is refused before anything is written.

Every member is a plain file with a relative name of harmless characters and an honest size; its content is read up to
the size that was declared for it, never beyond, so that a small file cannot unpack to a large one.
"""

import hashlib
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from hwsim.errors import BundleError

MAX_FILE_BYTES = 256 << 20  # the bitstream of the largest supported device is below 128 MiB
MAX_TOTAL_BYTES = 512 << 20
MAX_FILES = 256
MAX_NAME = 160
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Content:
    """What a member must be: its SHA-256 in hexadecimal and its size."""

    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, data: bytes) -> "Content":
        """What ``data`` is."""
        return cls(hashlib.sha256(data).hexdigest(), len(data))


class Archive:
    """The members of a zip file by name; opening it checks names, kinds, sizes and their sum.

    Raises:
        BundleError: the file is missing, no zip file, or has a member that is refused.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self._zip = zipfile.ZipFile(self.path)
        except OSError as error:
            raise BundleError(f"{path}: cannot read ({error.strerror}); check the path") from error
        except _UNREADABLE as error:
            raise BundleError(f"{path}: is no zip file ({error}); expected a bundle; build it again") from error
        try:
            self._members = _members(self._zip, self.path)
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._zip.close()

    def names(self) -> list[str]:
        """Names of all members, sorted."""
        return sorted(self._members)

    def read(self, name: str, expected: Content | None = None) -> bytes:
        """The content of a member.

        Raises:
            BundleError: there is no such member, it is damaged, or it is not what was expected.
        """
        if name not in self._members:
            raise BundleError(f"{self.path}: {name} is missing; the bundle is incomplete; build it again")
        info = self._members[name]
        try:
            with self._zip.open(info) as file:
                data = file.read(info.file_size + 1)
        except _UNREADABLE as error:
            raise BundleError(f"{self.path}: {name} is damaged ({error}); copy or build the bundle again") from error
        if len(data) != info.file_size:
            raise BundleError(f"{self.path}: {name} unpacks to another size than it declares; refuse this bundle")
        if expected is not None and Content.of(data) != expected:
            raise BundleError(
                f"{self.path}: {name}: got SHA-256 {Content.of(data).sha256[:16]}…; expected "
                f"{expected.sha256[:16]}… as in the manifest; it was changed; build the bundle again"
            )
        return data


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    infos = archive.infolist()
    if len(infos) > MAX_FILES:
        raise BundleError(f"{path}: holds {len(infos)} files; expected at most {MAX_FILES}; refuse this bundle")
    for info in infos:
        check_name(info.filename, str(path))
        mode = info.external_attr >> 16
        if info.is_dir() or (mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode)):
            raise BundleError(f"{path}: {info.filename} is no plain file but a link, folder or device; refuse it")
        if info.flag_bits & 1:
            raise BundleError(f"{path}: {info.filename} is encrypted; expected a plain file; build the bundle again")
        if info.filename in found:
            raise BundleError(f"{path}: {info.filename} is there twice; expected every name once; refuse this bundle")
        if info.file_size > MAX_FILE_BYTES:
            limit = f"{MAX_FILE_BYTES >> 20} MiB"
            raise BundleError(f"{path}: {info.filename}: got {info.file_size} bytes; expected at most {limit}")
        found[info.filename] = info
    total = sum(info.file_size for info in infos)
    if total > MAX_TOTAL_BYTES:
        raise BundleError(f"{path}: unpacks to {total} bytes; expected at most {MAX_TOTAL_BYTES >> 20} MiB; refuse it")
    folders = {name[:place] for name in found for place, letter in enumerate(name) if letter == "/"}
    for name in sorted(folders & found.keys()):
        raise BundleError(f"{path}: {name} is a file and a folder at once; refuse this bundle")
    return found


def check_name(name: str, where: str) -> None:
    """A name of a member: relative, without dots in front, of letters, digits and ``_ . + - /``.

    Raises:
        BundleError: it is anything else, such as ``../x`` or ``/etc/passwd``.
    """
    if len(name) > MAX_NAME or _NAME.fullmatch(name) is None:
        raise BundleError(
            f"{where}: got a file called {name[:MAX_NAME]!r}; expected a plain relative name of letters, digits and "
            "_ . + -; nothing outside the bundle's own folder may be written"
        )
