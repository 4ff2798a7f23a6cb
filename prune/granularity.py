# SPDX-License-Identifier: Apache-2.0
"""Which weights of a layer are removed together, from single ones to whole filters.

A granularity is an index map: for a weight (filters, channels, rows, columns) or (outputs, inputs) it says of every
position which unit it belongs to. Scores of units and masks over weights follow from the map alone, so that a new
granularity is a new map. A unit that is no part of the hardware's schedule gives no cycles back; :func:`unrolled` and
:func:`multiplier` are the units that do.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from hwsim.registry import Registry

Array = npt.NDArray[Any]
Units = npt.NDArray[np.int64]  # per weight, the unit it belongs to
Granularity = Callable[[Sequence[int], int, int], Units]
GRANULARITIES: Registry[Granularity] = Registry("pruning granularity")


def units(granularity: str, shape: Sequence[int], rows: int = 1, columns: int = 1) -> Units:
    """The unit of every weight of a parameter of that shape, numbered from 0 without gaps.

    Args:
        shape: (filters, channels, kernel rows, kernel columns) or (outputs, inputs).
        rows, columns: the block's filters and channels, for granularities with blocks; at the edges blocks are
            smaller.

    Raises:
        UnknownNameError: no such granularity.
        InputError: an impossible shape or block.
    """
    if len(shape) not in (2, 4) or min(shape) < 1:
        raise InputError(f"{granularity}: got a weight of shape {tuple(shape)}; expected 2 or 4 axes of positive size")
    if rows < 1 or columns < 1:
        raise InputError(f"{granularity}: got blocks of {rows}x{columns}; expected at least 1x1")
    index = GRANULARITIES[granularity](shape, rows, columns)
    return np.unique(index, return_inverse=True)[1].reshape(tuple(shape))


@GRANULARITIES.register("element")
def element(shape: Sequence[int], rows: int, columns: int) -> Units:
    """Every weight by itself."""
    return np.arange(int(np.prod(shape))).reshape(tuple(shape))


@GRANULARITIES.register("kernel")
def kernel(shape: Sequence[int], rows: int, columns: int) -> Units:
    """All positions of one filter's kernel for one channel."""
    filters, channels, _ = _axes(shape)
    return filters * shape[1] + channels


@GRANULARITIES.register("kernel_position")
def kernel_position(shape: Sequence[int], rows: int, columns: int) -> Units:
    """One kernel position in the whole layer."""
    return _axes(shape)[2]


@GRANULARITIES.register("filter")
def filters(shape: Sequence[int], rows: int, columns: int) -> Units:
    """One output channel."""
    return _axes(shape)[0]


@GRANULARITIES.register("channel")
def channels(shape: Sequence[int], rows: int, columns: int) -> Units:
    """One input channel."""
    return _axes(shape)[1]


@GRANULARITIES.register("block_punched")
def block_punched(shape: Sequence[int], rows: int, columns: int) -> Units:
    """``rows`` filters by ``columns`` channels at one kernel position (Gong et al., arXiv:2111.11581; YOLObile)."""
    filters, channels, positions = _axes(shape)
    blocks = (filters // rows) * _parts(shape[1], columns) + channels // columns
    return blocks * (int(positions.max()) + 1) + positions


@GRANULARITIES.register("block_row")
def block_row(shape: Sequence[int], rows: int, columns: int) -> Units:
    """One filter within a block of ``columns`` channels, all kernel positions (block-based rows)."""
    filters, channels, _ = _axes(shape)
    return filters * _parts(shape[1], columns) + channels // columns


@GRANULARITIES.register("block_column")
def block_column(shape: Sequence[int], rows: int, columns: int) -> Units:
    """One channel within a block of ``rows`` filters, all kernel positions (block-based columns)."""
    filters, channels, _ = _axes(shape)
    return (filters // rows) * shape[1] + channels


@GRANULARITIES.register("unrolled")
def unrolled(shape: Sequence[int], rows: int, columns: int) -> Units:
    """What a matrix-vector unit of ``rows`` PE by ``columns`` SIMD lanes multiplies in one cycle.

    That is a punched block; of the emitted SystemVerilog every such block of zeros costs no cycle.
    """
    return block_punched(shape, rows, columns)


@GRANULARITIES.register("multiplier")
def multiplier(shape: Sequence[int], rows: int, columns: int) -> Units:
    """The weights that share a multiplier in hls4ml's resource strategy: ``rows`` is the reuse factor.

    The transposed weights (filters, kernel rows, kernel columns, channels) are read in turns, so that runs of
    ``reuse_factor`` weights meet in one DSP block (``w_index += rufactor`` in hls4ml's nnet_dense_resource.h).
    ``columns`` such runs lie in one word of block RAM and go together (Ramhorst et al., arXiv:2308.05170).
    """
    flat = np.arange(int(np.prod(shape))) // (rows * columns)
    if len(shape) == 2:
        return flat.reshape(tuple(shape))
    last = flat.reshape(shape[0], shape[2], shape[3], shape[1])
    return np.ascontiguousarray(np.moveaxis(last, 3, 1))


def unit_scores(index: Units, weight: Array, order: int = 2) -> Array:
    """The L1 or L2 norm of every unit. Shape (units,)."""
    powers = np.abs(weight.astype(np.float64)) ** order
    return np.asarray(np.bincount(index.ravel(), weights=powers.ravel()) ** (1.0 / order))


def expand(index: Units, keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The mask over weights (True stays) of a mask over units."""
    return np.asarray(keep[index])


def keep_share(scores: Array, share: float) -> npt.NDArray[np.bool_]:
    """The units of highest score: the share, rounded to the nearest whole number of units but at least one."""
    if not 0 < share <= 1:
        raise InputError(f"keep_share: got share={share}; expected above 0 and at most 1")
    count = max(1, round(share * len(scores)))
    keep = np.zeros(len(scores), dtype=bool)
    keep[np.argsort(-scores, kind="stable")[:count]] = True
    return keep


def n_of_m(weight: Array, n: int, m: int) -> npt.NDArray[np.bool_]:
    """Of every ``m`` consecutive input channels the ``n`` largest weights stay (Mishra et al., arXiv:2104.08378: 2:4).

    Raises:
        InputError: ``m`` does not divide the channels, or ``n`` is not 1 to ``m``.
    """
    if not 1 <= n <= m or weight.shape[1] % m:
        raise InputError(
            f"n_of_m: got {n}:{m} for {weight.shape[1]} channels; expected n up to m, and m to divide them"
        )
    parts = np.moveaxis(np.abs(weight), 1, -1)
    runs = parts.reshape(*parts.shape[:-1], -1, m)
    ranks = np.argsort(np.argsort(-runs, axis=-1, kind="stable"), axis=-1)
    return np.ascontiguousarray(np.moveaxis((ranks < n).reshape(parts.shape), -1, 1))


def pattern_library(weight: Array, kept: int = 4, patterns: int = 8) -> npt.NDArray[np.bool_]:
    """The kernel masks that most kernels would choose: ``kept`` positions each, the centre among them.

    Source: Niu et al., PatDNN, ASPLOS 2020. Shape (patterns, kernel rows, kernel columns).
    """
    rows, columns = weight.shape[2:]
    centre = (rows // 2) * columns + columns // 2
    others = [position for position in range(rows * columns) if position != centre]
    masks = np.zeros((0, rows * columns), dtype=bool)
    for chosen in combinations(others, kept - 1):
        mask = np.zeros((1, rows * columns), dtype=bool)
        mask[0, [centre, *chosen]] = True
        masks = np.concatenate([masks, mask])
    votes = np.bincount(_best_pattern(weight, masks), minlength=len(masks))
    return masks[np.argsort(-votes, kind="stable")[:patterns]].reshape(-1, rows, columns)


def pattern_mask(weight: Array, library: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Every kernel gets the pattern that leaves it the largest L2 norm."""
    masks = library.reshape(len(library), -1)
    return masks[_best_pattern(weight, masks)].reshape(weight.shape)


def _best_pattern(weight: Array, masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    energy = (weight.astype(np.float64) ** 2).reshape(-1, masks.shape[1])
    return np.asarray((energy @ masks.T).argmax(axis=1))


def _axes(shape: Sequence[int]) -> tuple[Units, Units, Units]:
    """Filter, channel and kernel position of every weight."""
    found = np.indices(tuple(shape))
    position = found[2] * shape[3] + found[3] if len(shape) == 4 else np.zeros(tuple(shape), dtype=np.int64)
    return found[0], found[1], position


def _parts(extent: int, block: int) -> int:
    return -(-extent // block)
