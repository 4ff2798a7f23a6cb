# SPDX-License-Identifier: Apache-2.0
"""The records that carry a data set."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hwsim.errors import DatasetError
from hwsim.fixed import FixedPoint
from hwsim.registry import suggest

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Examples ``x`` (N, C, H, W) or (N, F), uint8 or float32, and their labels ``y`` (N,), int64."""

    x: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with three disjoint splits; the test split is for the final report only.

    ``input_format`` is the number format in which raw uint8 examples enter the hardware: their integers are the raw
    values, their real values ``raw * input_format.step``. It is None for examples that are real numbers.

    Raises:
        DatasetError: shapes, types, labels or values do not fit together.
    """

    name: str
    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...]
    input_format: FixedPoint | None
    source: str

    def __post_init__(self) -> None:
        for split in SPLITS:
            self._check(split, getattr(self, split))

    def _check(self, split: str, data: Split) -> None:
        where = f"{self.name}, {split}"
        if len(data.x) != len(data.y) or len(data.y) == 0:
            raise DatasetError(
                f"{where}: got {len(data.x)} examples and {len(data.y)} labels; "
                "expected as many labels as examples, and at least one"
            )
        if data.x.ndim not in (2, 4) or data.x.shape[1:] != self.train.x.shape[1:]:
            raise DatasetError(
                f"{where}: got examples of shape {data.x.shape[1:]}; expected (F,) or (C, H, W), the same in all splits"
            )
        expected = np.uint8 if self.input_format is not None else np.float32
        if data.x.dtype != expected:
            raise DatasetError(f"{where}: got {data.x.dtype} examples; expected {np.dtype(expected)}")
        if data.x.dtype == np.float32 and not np.isfinite(data.x).all():
            raise DatasetError(f"{where}: an example holds NaN or infinity; expected finite numbers; remove it")
        low, high = int(data.y.min()), int(data.y.max())
        if low < 0 or high >= self.classes:
            raise DatasetError(f"{where}: got labels {low} to {high}; expected 0 to {self.classes - 1}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example: (C, H, W) or (F,)."""
        return self.train.x.shape[1:]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def input_range(self) -> tuple[float, float]:
        """Smallest and largest real input value: of the format, or of the training split where there is none."""
        if self.input_format is None:
            return float(self.train.x.min()), float(self.train.x.max())
        return 0.0, self.input_format.max_int * self.input_format.step

    @cached_property
    def mean(self) -> npt.NDArray[np.float64]:
        """Mean of the real inputs of the training split, per channel or feature."""
        return self._moments[0]

    @cached_property
    def std(self) -> npt.NDArray[np.float64]:
        """Standard deviation of the real inputs of the training split, per channel or feature."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        columns = np.moveaxis(self.train.x, 1, 0).reshape(self.shape[0], -1)
        if self.input_format is None:
            return columns.mean(axis=1, dtype=np.float64), columns.std(axis=1, dtype=np.float64)
        values = np.arange(256) * self.input_format.step
        counts = np.stack([np.bincount(column, minlength=256) for column in columns]) / columns.shape[1]
        mean = counts @ values
        return mean, np.sqrt(np.maximum(counts @ values**2 - mean**2, 0.0))

    def split(self, name: str) -> Split:
        """A split by name: "train", "val" or "test".

        Raises:
            DatasetError: no such split.
        """
        if name not in SPLITS:
            raise DatasetError(f"{self.name}: unknown split '{name}'; {suggest(name, SPLITS)}")
        chosen: Split = getattr(self, name)
        return chosen

    def as_float(self, split: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """The real inputs (float32, exact) and labels of a split.

        An image gives pixel / 256 in [0, 1), with no further normalisation, so that the FPGA is fed the raw pixels.
        """
        data = self.split(split)
        if self.input_format is None:
            return data.x, data.y
        return data.x.astype(np.float32) * np.float32(self.input_format.step), data.y

    def as_ints(self, split: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The inputs of a split as integers of ``input_format``, as the integer executor takes them, and its labels.

        Raises:
            DatasetError: the data set holds real numbers; quantise ``as_float`` with a FixedPoint instead.
        """
        data = self.split(split)
        if self.input_format is None:
            raise DatasetError(
                f"{self.name}: inputs are real numbers without a fixed-point format; "
                "expected raw integers; quantise as_float() with the network's input format"
            )
        return data.x.astype(np.int64), data.y

    def subset(self, n_train: int, seed: int) -> "Dataset":
        """The same data set with ``n_train`` training examples drawn from ``seed`` (in their old order).

        Raises:
            DatasetError: there are fewer than ``n_train`` examples.
        """
        if not 1 <= n_train <= len(self.train):
            raise DatasetError(f"{self.name}: n_train={n_train}; expected 1 to {len(self.train)}")
        chosen = np.sort(np.random.default_rng(seed).permutation(len(self.train))[:n_train])
        return replace(self, train=Split(self.train.x[chosen], self.train.y[chosen]))
