# SPDX-License-Identifier: Apache-2.0
"""Data sets with fixed train, validation and test splits.

>>> from slimfab import datasets
>>> data = datasets.load("digits")
>>> x, y = data.as_float("train")          # float32 images in [0, 1], int64 labels

Files are looked for in the given folder, else in ``$SLIMFAB_DATA``, the system's packages and the user's cache;
their SHA-256 is checked at every load. Nothing is downloaded unless asked for, and nothing is ever unpickled.
To add a data set, write its loader in a file of this folder and register it under its name.
"""

from pathlib import Path

from hwsim.errors import DatasetError
from slimfab.datasets import cifar10, digits, mnist, npz
from slimfab.datasets.download import Progress
from slimfab.datasets.files import DATASETS
from slimfab.datasets.record import Dataset, Split

__all__ = ["DATASETS", "Dataset", "Progress", "Split", "cifar10", "digits", "load", "mnist", "npz"]


def load(
    name: str, folder: Path | str | None = None, *, download: bool = False, progress: Progress | None = None
) -> Dataset:
    """Load a data set by name, or the user's own arrays from a file ``….npz``.

    ``folder`` is where the files are (and where a download goes; the user's cache by default). ``progress(file,
    bytes so far, bytes in all or None)`` is called during a download. The splits are always the same;
    :meth:`Dataset.subset` draws fewer training examples.

    Raises:
        UnknownNameError: no such data set.
        DatasetError: files are missing, truncated or not the ones expected, or a download failed.
        OutputError: a download cannot be written.
    """
    place = Path(folder) if folder is not None else None
    if place is not None and not place.is_dir() and not download:
        raise DatasetError(
            f"{name}: folder {place} does not exist; expected the folder with the data files; "
            "correct the path, or allow the download"
        )
    if name.endswith(".npz"):
        return npz.load_npz(place / name if place is not None else Path(name))
    return DATASETS[name](place, download, progress)
