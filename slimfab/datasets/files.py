# SPDX-License-Identifier: Apache-2.0
"""Where data files are, and whether they are the right ones."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from hwsim.errors import DatasetError
from hwsim.registry import Registry
from slimfab.datasets.download import Progress
from slimfab.datasets.record import Dataset

Loader = Callable[[Path | None, bool, Progress | None], Dataset]
DATASETS: Registry[Loader] = Registry("data set")


def cache_folder(name: str) -> Path:
    """The user's cache of a data set: ``$XDG_CACHE_HOME/slimfab/NAME`` or ``~/.cache/slimfab/NAME``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "slimfab" / name


def search_folders(name: str, folder: Path | None, system: Sequence[Path] = ()) -> list[Path]:
    """Folders that may hold a data set, the first ones first.

    A given ``folder`` is the only place (or a subfolder of it named after the data set). Without one: the same under
    ``$SLIMFAB_DATA``, then the ``system`` folders, then the user's cache.
    """

    def under(root: Path) -> list[Path]:
        return [root / name.replace("_", "-"), root / name, root]

    if folder is not None:
        return under(folder)
    environment = os.environ.get("SLIMFAB_DATA")
    return [*(under(Path(environment)) if environment else []), *system, cache_folder(name)]


def locate(folders: Sequence[Path], files: Sequence[str]) -> list[Path] | None:
    """The paths of ``files`` (each as named, or with ``.gz`` after it) in the first folder that has them all."""
    for folder in folders:
        paths = [_either(folder, file) for file in files]
        found = [path for path in paths if path is not None]
        if len(found) == len(files):
            return found
    return None


def _either(folder: Path, file: str) -> Path | None:
    return next((path for path in (folder / file, folder / f"{file}.gz") if path.is_file()), None)


def missing(name: str, folders: Sequence[Path], files: Sequence[str], remedy: str) -> DatasetError:
    """The error for a data set that no folder holds completely; names the absent files of a folder that holds some."""
    for folder in folders:
        absent = [file for file in files if _either(folder, file) is None]
        if len(absent) < len(files):
            return DatasetError(
                f"{name}: {folder} lacks {', '.join(absent)}; expected all of {', '.join(files)}; {remedy}"
            )
    return DatasetError(f"{name}: not found in {', '.join(map(str, folders))}; expected {', '.join(files)}; {remedy}")


def read_bytes(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot read ({error.strerror}); check the file and its permissions") from error


def check_sha256(path: Path, content: bytes, expected: str, what: str = "content") -> None:
    """Compare a SHA-256.

    Raises:
        DatasetError: it differs.
    """
    got = hashlib.sha256(content).hexdigest()
    if got != expected:
        raise DatasetError(
            f"{path}: SHA-256 of its {what} is {got[:12]}…; expected {expected[:12]}…; "
            "the file is damaged or of another data set; replace it"
        )
