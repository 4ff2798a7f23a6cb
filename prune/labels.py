# SPDX-License-Identifier: Apache-2.0
"""Labels that travel through a module's operators and say which numbers go together.

Every tensor has an array of labels of its own rank, with extent 1 along axes that do not matter: ``(1, C, 1, 1)`` for a
convolution's output. What moves numbers – views, permutations, slices, concatenation, shuffles, heads – moves labels by
the very same numpy call; what combines numbers makes labels equal. So operators need no channel arithmetic of their
own, and any mixture of them works. A label stands for one removable slice until it is made equal to others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Touch:
    """One axis of one parameter or buffer and the label at each of its positions.

    ``kind`` is producer, follower or consumer; ``role`` is weight, bias, scale, shift, statistic, or other.
    """

    kind: str
    layer: str
    role: str
    tensor: str
    axis: int
    labels: Labels


class Book:
    """Labels handed out so far, which of them are equal, which must stay, and which parameters they cut."""

    def __init__(self) -> None:
        self.count = 0
        self.touches: list[Touch] = []
        self.elements: dict[str, Labels] = {}  # parameters read element by element
        self._equal: list[Labels] = []
        self._frozen: list[tuple[Labels, str]] = []

    def fresh(self, count: int) -> Labels:
        """New labels, equal to no other."""
        self.count += count
        return np.arange(self.count - count, self.count)

    def equal(self, a: Labels, b: Labels) -> Labels:
        """Make two arrays of labels equal, broadcast against one another; the result."""
        left, right = np.broadcast_arrays(a, b)
        pairs = np.unique(np.stack([left.ravel(), right.ravel()], axis=1), axis=0)
        self._equal.append(pairs[pairs[:, 0] != pairs[:, 1]])
        return compressed(left)

    def freeze(self, labels: Labels, reason: str) -> None:
        """Forbid the removal of these."""
        self._frozen.append((np.unique(labels), reason))

    def touch(self, kind: str, layer: str, role: str, tensor: str, axis: int, labels: Labels) -> None:
        """Record that removing labels cuts a parameter."""
        self.touches.append(Touch(kind, layer, role, tensor, axis, labels))

    def roots(self) -> Labels:
        """For every label the smallest one that it is equal to."""
        root = np.arange(self.count)
        pairs = np.concatenate(self._equal) if self._equal else np.zeros((0, 2), dtype=np.int64)
        while len(pairs):
            low = np.minimum(root[pairs[:, 0]], root[pairs[:, 1]])
            before = root.copy()
            for side in (0, 1):
                np.minimum.at(root, before[pairs[:, side]], low)
                np.minimum.at(root, pairs[:, side], low)
            root = root[root]
            if np.array_equal(root, before):
                break
        return root

    def reasons(self, root: Labels) -> dict[int, str]:
        """Per root that must stay: why."""
        found: dict[int, str] = {}
        for labels, reason in self._frozen:
            for label in np.unique(root[labels]).tolist():
                found.setdefault(label, reason)
        return found


def compressed(labels: Labels) -> Labels:
    """With extent 1 along every axis over which labels do not change."""
    for axis in range(labels.ndim):
        if labels.shape[axis] > 1:
            first = np.take(labels, [0], axis=axis)
            if (labels == first).all():
                labels = first
    return labels


def varying(labels: Labels) -> list[int]:
    """The axes along which labels change."""
    return [axis for axis, extent in enumerate(labels.shape) if extent > 1]


def whole(labels: Labels, shape: Sequence[int]) -> Labels:
    """At the tensor's full shape."""
    return np.broadcast_to(labels, tuple(shape))


def along(labels: Labels, axis: int, extent: int) -> Labels | None:
    """The labels of one axis, or None where they also change along another."""
    axis %= labels.ndim
    if any(other != axis for other in varying(labels)):
        return None
    line = labels.reshape(-1)
    return line if len(line) == extent else np.repeat(line, extent)


def one_axis(book: Book, labels: Labels, *, heads: bool) -> Labels:
    """Labels that change along one axis only, after a view has split an axis in two.

    A channel axis that is split for a shuffle loses the same offsets of every part; the last axis of a row, split into
    heads, loses whole heads. Forward code then finds its parts as equal as before.
    """
    axes = varying(labels)
    while len(axes) > 1:
        axis = axes[-1] if heads else axes[0]
        first = np.take(labels, [0], axis=axis)
        book.equal(labels, first)
        labels = first
        axes = varying(labels)
    return labels


def equal_parts(book: Book, parts: Iterable[Labels], reason: str) -> list[Labels]:
    """Pieces of one axis that code cuts by size: of one extent they lose the same offsets, else nothing may go."""
    pieces: list[Any] = list(parts)
    shapes = {piece.shape for piece in pieces}
    for piece in pieces:
        if len(shapes) == 1:
            book.equal(pieces[0], piece)
        else:
            book.freeze(piece, reason)
    return pieces
