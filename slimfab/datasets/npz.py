# SPDX-License-Identifier: Apache-2.0
"""The user's own data: one npz file of plain arrays."""

from pathlib import Path

import numpy as np

from hwsim.errors import DatasetError, ModelFileError
from hwsim.fixed import FixedPoint
from hwsim.serial import load_arrays
from slimfab.datasets.record import Dataset, Split

PIXEL = FixedPoint(8, 8, signed=False)
REQUIRED = ("x_train", "y_train", "x_test", "y_test")
OPTIONAL = ("x_val", "y_val", "class_names")


def load_npz(path: Path) -> Dataset:
    """Load ``x_train, y_train, x_test, y_test`` and perhaps ``x_val, y_val, class_names`` (strings) from an npz file.

    Examples are (N, F) or (N, C, H, W): uint8 pixels, which become pixel / 256, or real numbers, which are taken as
    they are. Labels are integers from 0. Without validation arrays the last tenth of the training examples serve.

    Raises:
        DatasetError: the file is missing or damaged, holds pickled objects, or its arrays do not fit together.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; expected an npz file with {', '.join(REQUIRED)}; check the path")
    try:
        arrays = load_arrays(path)
    except ModelFileError as error:
        raise DatasetError(str(error)) from error
    absent = [name for name in REQUIRED if name not in arrays]
    unknown = [name for name in arrays if name not in REQUIRED + OPTIONAL]
    if absent or unknown:
        problem = f"lacks {', '.join(absent)}" if absent else f"holds unknown {', '.join(unknown)}"
        raise DatasetError(f"{path}: {problem}; expected {', '.join(REQUIRED)} and optionally {', '.join(OPTIONAL)}")
    splits = {part: _split(path, part, arrays) for part in ("train", "val", "test") if f"x_{part}" in arrays}
    if "val" not in splits:
        train = splits["train"]
        cut = len(train) - max(1, len(train) // 10)
        splits["train"], splits["val"] = Split(train.x[:cut], train.y[:cut]), Split(train.x[cut:], train.y[cut:])
    names = arrays.get("class_names")
    if names is None:
        names = np.arange(1 + max(int(split.y.max(initial=0)) for split in splits.values()))
    pixels = splits["train"].x.dtype == np.uint8
    return Dataset(
        path.stem,
        splits["train"],
        splits["val"],
        splits["test"],
        tuple(str(name) for name in names),
        PIXEL if pixels else None,
        f"file {path}",
    )


def _split(path: Path, part: str, arrays: dict[str, np.ndarray]) -> Split:
    x, y = arrays[f"x_{part}"], arrays.get(f"y_{part}")
    if y is None or y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        got = "nothing" if y is None else f"{y.dtype} of shape {y.shape}"
        raise DatasetError(f"{path}: y_{part} is {got}; expected integer labels of shape (N,)")
    if x.dtype != np.uint8 and not np.issubdtype(x.dtype, np.floating):
        raise DatasetError(f"{path}: x_{part} is {x.dtype}; expected uint8 pixels or floating point")
    if len(x) != len(y):
        raise DatasetError(f"{path}: x_{part} has {len(x)} examples and y_{part} {len(y)} labels; expected as many")
    return Split(x if x.dtype == np.uint8 else x.astype(np.float32), y.astype(np.int64))
