# SPDX-License-Identifier: Apache-2.0
"""Cycles of matrix products on a systolic array without stalls, in SCALE-Sim's closed form.

A product of M x K by K x N is cut into folds that each fill an array of R rows and C columns:

    cycles = ceil(Sr / R) ceil(Sc / C) (T + a R + C - 2) - 1

                               Sr   Sc   T    a
    os   output stationary     M    N    K    1    operands enter skewed, sums stay
    ws   weight stationary     K    N    M    2    R cycles to load the weights of a fold
    is   input stationary      K    M    N    2

T streams through a fold; R + C - 2 is the skew across the array. Every fold takes as long as a full one. This is what
SCALE-Sim counts in its mode without memory stalls (github:scalesim-project/SCALE-Sim, scale-sim-v3, compute/systolic_
compute_{os,ws,is}.py); `benchmarks/simulator.py` runs it beside this.

Arrays whose processing elements hold the operand of the next fold beside that of this one hide the loading of all folds
but the first (:func:`double_buffered_cycles`), as the TPU does (Jouppi et al., ISCA 2017, section 2).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim import ops
from hwsim.errors import InputError
from hwsim.network import Network
from hwsim.registry import suggest

Counts = npt.NDArray[np.int64]
DATAFLOWS = ("os", "ws", "is")


@dataclass(frozen=True, eq=False)
class Products:
    """Matrix products, arrays of shape (layers,): ``count`` of M x K by K x N one after the other."""

    names: tuple[str, ...]
    m: Counts
    n: Counts
    k: Counts
    count: Counts

    @property
    def macs(self) -> Counts:
        """Multiply-accumulates."""
        return self.count * self.m * self.n * self.k


def cycles(
    m: npt.ArrayLike, n: npt.ArrayLike, k: npt.ArrayLike, rows: npt.ArrayLike, columns: npt.ArrayLike, dataflow: str
) -> Counts:
    """Cycles of matrix products on arrays of ``rows`` x ``columns``; arguments broadcast.

    Raises:
        InputError: an unknown dataflow, or a size below 1.
    """
    folds, streamed, fill = _folds(m, n, k, rows, columns, dataflow)
    return np.asarray(folds * (streamed + fill) - 1, dtype=np.int64)


def double_buffered_cycles(
    m: npt.ArrayLike, n: npt.ArrayLike, k: npt.ArrayLike, rows: npt.ArrayLike, columns: npt.ArrayLike, dataflow: str
) -> Counts:
    """As :func:`cycles`, where a fold is loaded (os: drained) while another computes; arguments broadcast.

    A fold then takes the longer of what streams through it and the ``rows`` cycles of the load beside it, and the
    array is filled and emptied once.

    Raises:
        InputError: an unknown dataflow, or a size below 1.
    """
    folds, streamed, fill = _folds(m, n, k, rows, columns, dataflow)
    steady = np.maximum(streamed, np.asarray(rows, dtype=np.int64))
    return np.asarray((folds - 1) * steady + streamed + fill - 1, dtype=np.int64)


def spread(m: npt.ArrayLike, n: npt.ArrayLike, k: npt.ArrayLike, dataflow: str) -> tuple[Counts, Counts, Counts]:
    """What of M, N, K lies along the array's rows, along its columns, and streams through.

    Raises:
        InputError: an unknown dataflow, or a size below 1.
    """
    if dataflow not in DATAFLOWS:
        raise InputError(f"systolic: unknown dataflow '{dataflow}'; {suggest(dataflow, DATAFLOWS)}")
    m_, n_, k_ = (_sizes(each) for each in (m, n, k))
    return {"os": (m_, n_, k_), "ws": (k_, n_, m_), "is": (k_, m_, n_)}[dataflow]


def _folds(
    m: npt.ArrayLike, n: npt.ArrayLike, k: npt.ArrayLike, rows: npt.ArrayLike, columns: npt.ArrayLike, dataflow: str
) -> tuple[Counts, Counts, Counts]:
    """Folds, what streams through each, and the cycles to fill and empty the array."""
    along_rows, along_columns, streamed = spread(m, n, k, dataflow)
    r, c = _sizes(rows), _sizes(columns)
    folds = -(-along_rows // r) * -(-along_columns // c)
    loads = 1 if dataflow == "os" else 2
    return folds, streamed, np.asarray(loads * r + c - 2, dtype=np.int64)


def _sizes(given: npt.ArrayLike) -> Counts:
    found = np.asarray(given, dtype=np.int64)
    if np.any(found < 1):
        raise InputError("systolic: got a size below 1; expected matrices and arrays of at least 1 x 1; check M, N, K")
    return found


def products(network: Network) -> Products:
    """The matrix products of a network's dense layers and convolutions; one per group of channels."""
    rows: list[tuple[str, int, int, int, int]] = []
    for layer in network.layers:
        if layer.op in ops.WEIGHTED:
            dims = ops.loop_dims(network, layer)
            groups = int(layer.attrs.get("groups", 1))
            rows.append((layer.name, dims["B"] * dims["OY"] * dims["OX"], dims["K"] // groups,
                         dims["C"] * dims["FY"] * dims["FX"], groups))  # fmt: skip
    columns = np.array([row[1:] for row in rows], dtype=np.int64).reshape(len(rows), 4).T
    return Products(tuple(row[0] for row in rows), columns[0], columns[1], columns[2], columns[3])


def network_cycles(network: Network, rows: npt.ArrayLike, columns: npt.ArrayLike, dataflow: str) -> Counts:
    """Cycles of all layers one after the other on arrays of ``rows`` x ``columns``, shape of the arrays' sizes."""
    work = products(network)
    sizes = [np.asarray(each, dtype=np.int64)[..., None] for each in (rows, columns)]
    each = cycles(work.m, work.n, work.k, sizes[0], sizes[1], dataflow)
    return np.asarray((each * work.count).sum(axis=-1), dtype=np.int64)
