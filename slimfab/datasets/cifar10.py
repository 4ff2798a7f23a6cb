# SPDX-License-Identifier: Apache-2.0
"""CIFAR-10: 32×32 colour images, 50,000 for training and 10,000 for test.

Only the official *binary* version is read (https://www.cs.toronto.edu/~kriz/cifar.html): either the archive
``cifar-10-binary.tar.gz`` or its six ``.bin`` files. The Python version consists of pickles, which can run any code
when they are opened, and is refused. Validation is the last 5,000 training images (the second half of
``data_batch_5``); training is the 45,000 before them.
"""

import tarfile
import zlib
from pathlib import Path

import numpy as np

from hwsim.errors import DatasetError
from hwsim.fixed import FixedPoint
from slimfab.datasets.download import Progress, download
from slimfab.datasets.files import DATASETS, cache_folder, check_sha256, locate, missing, read_bytes, search_folders
from slimfab.datasets.record import Dataset, Split

ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
URL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
INNER_FOLDER = "cifar-10-batches-bin"
SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
IMAGE_SHAPE = (3, 32, 32)
RECORD_BYTES = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes
VALIDATION_IMAGES = 5000
PIXEL = FixedPoint(8, 8, signed=False)
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
REMEDY = f"give the folder with {ARCHIVE} or its .bin files, or allow the download"


@DATASETS.register("cifar10")
def load_cifar10(folder: Path | None, allow_download: bool, progress: Progress | None) -> Dataset:
    """CIFAR-10 from the official binary archive or its unpacked files."""
    roots = search_folders("cifar10", folder)
    folders = [place for root in roots for place in (root, root / INNER_FOLDER)]
    names = list(SHA256)
    if paths := locate(folders, names):
        batches = {path.name: read_bytes(path) for path in paths}
    elif archives := locate(roots, [ARCHIVE]):
        batches = read_archive(archives[0], ARCHIVE_SHA256)
    elif allow_download:
        archive = (folder or cache_folder("cifar10")) / ARCHIVE
        download([URL], archive, ARCHIVE_SHA256, progress)
        batches = read_archive(archive, ARCHIVE_SHA256)
    else:
        raise _pickled_version(folders) or missing("cifar10", folders, names, REMEDY)
    return from_batches(batches, SHA256)


def read_archive(path: Path, sha256: str) -> dict[str, bytes]:
    """The ``.bin`` files inside the archive, read in memory; no other member is touched.

    Raises:
        DatasetError: the archive is damaged or lacks a file.
    """
    check_sha256(path, read_bytes(path), sha256)
    batches = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for name in SHA256:
                member = archive.extractfile(f"{INNER_FOLDER}/{name}")
                if member is not None:
                    batches[name] = member.read()
    except (tarfile.TarError, KeyError, OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{path}: not a readable archive ({error}); expected the official {ARCHIVE}; replace it"
        ) from error
    return batches


def from_batches(batches: dict[str, bytes], checksums: dict[str, str]) -> Dataset:
    """Make the record from the contents of the five training files and the test file.

    Raises:
        DatasetError: a file is truncated or its content differs.
    """
    splits = []
    for name, sha256 in checksums.items():
        content = batches[name]
        if len(content) == 0 or len(content) % RECORD_BYTES:
            raise DatasetError(
                f"{name}: holds {len(content)} bytes; expected a multiple of {RECORD_BYTES}; "
                "the file is truncated; replace it"
            )
        check_sha256(Path(name), content, sha256)
        records = np.frombuffer(content, dtype=np.uint8).reshape(-1, RECORD_BYTES)
        splits.append(Split(records[:, 1:].reshape(-1, *IMAGE_SHAPE), records[:, 0].astype(np.int64)))
    *training, test = splits
    x, y = np.concatenate([split.x for split in training]), np.concatenate([split.y for split in training])
    cut = len(x) - VALIDATION_IMAGES
    return Dataset(
        name="cifar10",
        train=Split(x[:cut], y[:cut]),
        val=Split(x[cut:], y[cut:]),
        test=test,
        class_names=CLASS_NAMES,
        input_format=PIXEL,
        source="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images; "
        "https://www.cs.toronto.edu/~kriz/cifar.html",
    )


def _pickled_version(folders: list[Path]) -> DatasetError | None:
    for folder in folders:
        for name in ("cifar-10-python.tar.gz", "cifar-10-batches-py"):
            if (folder / name).exists():
                return DatasetError(
                    f"cifar10: {folder / name} is the Python version, which is made of pickles and is "
                    f"never opened; expected the binary version; {REMEDY}"
                )
    return None
