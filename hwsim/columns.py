# SPDX-License-Identifier: Apache-2.0
"""What lets the cost models be array arithmetic: records as columns, made once per network."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from hwsim.network import Network

T = TypeVar("T")
Column = npt.NDArray[np.float64]
REMEMBERED = 256  # networks; a search visits more, but returns to its last ones


def columns(kind: "type[DataclassInstance]", records: Sequence[Any]) -> dict[str, Column]:
    """The whole-number fields of records as float arrays of shape (records,), by name."""
    names = [field.name for field in fields(kind) if field.type in (int, "int")]
    return {name: np.array([getattr(one, name) for one in records], dtype=np.float64) for name in names}


def per_network(build: "Callable[[Network], T]") -> "Callable[[Network], T]":
    """Decorator: remember the results for the last networks, by their hash."""
    results: OrderedDict[str, T] = OrderedDict()

    @wraps(build)
    def remembered(network: "Network") -> T:
        if network.hash not in results:
            results[network.hash] = build(network)
            if len(results) > REMEMBERED:
                results.popitem(last=False)
        return results[network.hash]

    return remembered


@dataclass(frozen=True, eq=False)
class Prediction:
    """One figure of many rows with its error bar, arrays of shape (rows,); NaN in `value` = not predicted."""

    value: Column
    low: Column
    high: Column
