# SPDX-License-Identifier: Apache-2.0
"""What single choices lose: the data of the exact allocator."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from prune.search.space import Points

Array = npt.NDArray[np.float64]
Options = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Profile:
    """Scores of single choices: option ``options[v][k]`` of variable v loses ``drops[v][k]`` of the widest point.

    ``remark`` is what the allocator says of the point that it made of them.
    """

    top: float
    options: tuple[Options, ...]
    drops: tuple[Array, ...]
    remark: str = ""

    def predict(self, points: Points) -> Any:
        """The scores of points (..., variables) if drops add up; between measured options they are interpolated."""
        columns = np.moveaxis(np.asarray(points), -1, 0)
        found = [np.interp(k, o, d) for k, o, d in zip(columns, self.options, self.drops, strict=True)]
        return self.top - np.sum(found, axis=0)
