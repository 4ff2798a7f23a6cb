# SPDX-License-Identifier: Apache-2.0
"""What happens to the weights of the next layer when units go: W' = W A, with one A per method.

A (units, kept) says of which kept units every unit's part in the next layer is made. Removal takes a part away,
ThiNet's least squares scales what stays, a merge adds the parts of equal units, interpolation and refit spread a part
over all kept units. Functions here make A; :func:`apply` carries it out on weights of the full size, where the removed
columns become zero, so that masking and shrinking go on to agree.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from prune.groups import OTHER_GROUP, Member
from prune.selectors import RIDGE, fit_scales

Array = npt.NDArray[Any]


def removal(width: int, kept: Sequence[int]) -> Array:
    """Kept units stay as they are, the others leave nothing behind."""
    matrix = np.zeros((width, len(kept)))
    matrix[list(kept), np.arange(len(kept))] = 1.0
    return matrix


def scale(contributions: Array, kept: Sequence[int]) -> Array:
    """Every kept unit's weights times one factor (ThiNet, ICCV 2017).

    Args:
        contributions: Gram matrix (units, units) of what units add to the next layer's outputs.
    """
    return removal(len(contributions), kept) * fit_scales(contributions, kept)


def merge(labels: Sequence[int] | Array, kept: Sequence[int]) -> Array:
    """The weights of all units of a cluster are added to those of the one that stays: exact where they are equal.

    Source: Ding et al., Centripetal SGD, CVPR 2019; Niu et al., ASCP, arXiv:2206.08186.

    Raises:
        InputError: a cluster has no kept unit or several.
    """
    labels = np.asarray(labels)
    matrix = (labels[:, None] == labels[list(kept)][None]).astype(np.float64)
    if not (matrix.sum(axis=1) == 1).all():
        raise InputError(f"merge: got kept={list(kept)[:8]}; expected exactly one kept unit of every cluster")
    return matrix


def least_squares(activations: Array, kept: Sequence[int]) -> Array:
    """Every unit as the linear combination of kept ones that is closest to it: argmin ``|X - X_S A.T|**2``.

    With the Gram matrix of the units' activations this is interpolation. With that of the next layer's whole receptive
    fields (units × kernel positions) it is the least-squares refit of that layer, because the best W' for the outputs
    X W.T is W A (He et al., Channel Pruning, ICCV 2017).
    """
    inside = activations[np.ix_(kept, kept)]
    ridge = RIDGE * float(inside.diagonal().mean()) + np.finfo(float).tiny
    solved = np.linalg.solve(inside + ridge * np.eye(len(inside)), activations[list(kept)])
    return np.asarray(solved.T)


def apply(weight: Array, member: Member, matrix: Array, kept: Sequence[int]) -> Array:
    """The consumer's weight after W' = W A, at its old size: columns of removed units are zero.

    A unit may stand for several positions (pixels behind a flatten): the n-th of one unit is mixed with the n-th of
    others. Positions of other groups stay.

    Args:
        weight: the parameter of ``member``, whose ``axis`` holds the positions.
        matrix: A (units, kept).
    """
    index = np.asarray(member.index)
    own = np.flatnonzero(index != OTHER_GROUP)
    order = own[np.argsort(index[own], kind="stable")]
    columns = np.moveaxis(weight, member.axis, 0)
    width = len(matrix)
    parts = columns[order].reshape(width, -1)  # (units, positions of a unit × everything else)
    mixed = np.zeros_like(parts)
    mixed[list(kept)] = (matrix.T @ parts.astype(np.float64)).astype(weight.dtype)
    result = columns.copy()
    result[order] = mixed.reshape(columns[order].shape)
    return np.ascontiguousarray(np.moveaxis(result, 0, member.axis))
