# SPDX-License-Identifier: Apache-2.0
"""Fashion-MNIST and MNIST: 28×28 grey images, 60,000 for training and 10,000 for test, in four IDX files.

Validation is the last 5,000 images of the training file; training is the 55,000 before them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwsim.fixed import FixedPoint
from slimfab.datasets.download import Progress, download
from slimfab.datasets.files import DATASETS, cache_folder, locate, missing, search_folders
from slimfab.datasets.idx import read_idx
from slimfab.datasets.record import Dataset, Split

VALIDATION_IMAGES = 5000
PIXEL = FixedPoint(8, 8, signed=False)  # pixel / 256, exactly


@dataclass(frozen=True)
class IdxFile:
    """One of the four files: SHA-256 of its content, and of the official gzip file."""

    name: str
    shape: tuple[int, ...]
    sha256: str
    sha256_gz: str


@dataclass(frozen=True)
class IdxSet:
    """Everything that distinguishes one MNIST-like data set from another."""

    name: str
    files: tuple[IdxFile, IdxFile, IdxFile, IdxFile]  # training images, labels, test images, labels
    class_names: tuple[str, ...]
    urls: tuple[str, ...]
    system_folders: tuple[Path, ...]
    remedy: str
    source: str


def load_idx_set(spec: IdxSet, folder: Path | None, allow_download: bool, progress: Progress | None) -> Dataset:
    """Find (or download), check and split one MNIST-like data set."""
    names = [file.name for file in spec.files]
    folders = search_folders(spec.name, folder, spec.system_folders)
    paths = locate(folders, names)
    if paths is None and allow_download:
        paths = _download(spec, folder or cache_folder(spec.name), progress)
    if paths is None:
        raise missing(spec.name, folders, names, spec.remedy)
    arrays = [read_idx(path, file.shape, file.sha256) for path, file in zip(paths, spec.files, strict=True)]
    return split_images(spec, arrays)


def split_images(spec: IdxSet, arrays: Sequence[np.ndarray]) -> Dataset:
    """Make the record from training images and labels, test images and labels (uint8)."""
    images, labels, test_images, test_labels = arrays
    cut = len(images) - VALIDATION_IMAGES
    whole = Split(images[:, None], labels.astype(np.int64))
    return Dataset(
        name=spec.name,
        train=Split(whole.x[:cut], whole.y[:cut]),
        val=Split(whole.x[cut:], whole.y[cut:]),
        test=Split(test_images[:, None], test_labels.astype(np.int64)),
        class_names=spec.class_names,
        input_format=PIXEL,
        source=spec.source,
    )


def _download(spec: IdxSet, folder: Path, progress: Progress | None) -> list[Path]:
    paths = []
    for file in spec.files:
        present = locate([folder], [file.name])
        path = present[0] if present else folder / f"{file.name}.gz"
        if not present:
            download([f"{url}/{path.name}" for url in spec.urls], path, file.sha256_gz, progress)
        paths.append(path)
    return paths


def _files(*checksums: tuple[str, str]) -> tuple[IdxFile, IdxFile, IdxFile, IdxFile]:
    names = (
        ("train-images-idx3-ubyte", (60000, 28, 28)),
        ("train-labels-idx1-ubyte", (60000,)),
        ("t10k-images-idx3-ubyte", (10000, 28, 28)),
        ("t10k-labels-idx1-ubyte", (10000,)),
    )
    first, second, third, fourth = (
        IdxFile(name, shape, content, compressed)
        for (name, shape), (content, compressed) in zip(names, checksums, strict=True)
    )
    return first, second, third, fourth


FASHION_MNIST = IdxSet(
    name="fashion_mnist",
    files=_files(
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        (
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        (
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    urls=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
    ),
    system_folders=(Path("/usr/share/datasets/fashion-mnist"),),
    remedy="install the Debian package dataset-fashion-mnist, give the folder with the files, or allow the download",
    source="Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747; MIT licence; github.com/zalandoresearch/fashion-mnist",
)

MNIST = IdxSet(
    name="mnist",
    files=_files(
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    class_names=tuple("0123456789"),
    # The original server of LeCun, Cortes & Burges answers no more; these two mirrors hold its files.
    urls=("https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist"),
    system_folders=(),
    remedy="give the folder with the files, or allow the download",
    source="LeCun, Cortes & Burges, The MNIST database of handwritten digits; http://yann.lecun.com/exdb/mnist",
)


@DATASETS.register("fashion_mnist")
def load_fashion_mnist(folder: Path | None, download: bool, progress: Progress | None) -> Dataset:
    """Fashion-MNIST, also from the Debian package dataset-fashion-mnist."""
    return load_idx_set(FASHION_MNIST, folder, download, progress)


@DATASETS.register("mnist")
def load_mnist(folder: Path | None, download: bool, progress: Progress | None) -> Dataset:
    """MNIST."""
    return load_idx_set(MNIST, folder, download, progress)
