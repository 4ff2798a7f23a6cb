# SPDX-License-Identifier: Apache-2.0
"""The 8×8 digits inside scikit-learn: 1,797 real images that need neither files nor a network."""

from pathlib import Path

import numpy as np

from hwsim.errors import DatasetError
from hwsim.fixed import FixedPoint
from slimfab.datasets.download import Progress
from slimfab.datasets.files import DATASETS
from slimfab.datasets.record import Dataset, Split

PIXEL = FixedPoint(5, 4, signed=False)  # pixels are 0 to 16: pixel / 16, exactly
TRAIN, VALIDATION, TEST = slice(0, 1257), slice(1257, 1437), slice(1437, 1797)


@DATASETS.register("digits")
def load_digits(folder: Path | None, download: bool, progress: Progress | None) -> Dataset:
    """The digits of scikit-learn; ``folder``, ``download`` and ``progress`` have no meaning here.

    In the order of the file the first 1,257 images are for training, the next 180 for validation, the last 360 for
    test; as writers follow one another, the test digits are mostly from other hands.

    Raises:
        DatasetError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DatasetError(
            "digits: scikit-learn is not installed; expected the package that holds the images; "
            "pip install 'slimfab[data]'"
        ) from error
    bunch = datasets.load_digits()
    x = bunch.images.astype(np.uint8)[:, None]
    y = bunch.target.astype(np.int64)
    return Dataset(
        name="digits",
        train=Split(x[TRAIN], y[TRAIN]),
        val=Split(x[VALIDATION], y[VALIDATION]),
        test=Split(x[TEST], y[TEST]),
        class_names=tuple("0123456789"),
        input_format=PIXEL,
        source="Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI 1998, test part, as in scikit-learn",
    )
