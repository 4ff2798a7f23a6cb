# SPDX-License-Identifier: Apache-2.0
"""Do all executors of a network give the same integers? If not, where does the first difference arise?

Every executor is compared with the golden one on every output of every image. For one that differs and can trace,
the first image with a difference is run again and the tensors are compared in the network's order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hls.executors import Executor, GoldenExecutor, Tracer
from hwsim.errors import InputError, VerifyError
from hwsim.network import Network

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Divergence:
    """The first tensor in which an executor leaves the golden one, and the first element that differs.

    ``inputs_agree`` says that everything the layer reads was compared and equal, so that the fault is in this layer.
    """

    layer: str
    tensor: str
    image: int
    index: tuple[int, ...]
    expected: int
    got: int
    differing: int
    inputs_agree: bool


@dataclass(frozen=True)
class Comparison:
    """One executor against the golden one: ``mismatches`` counts output integers that differ."""

    executor: str
    images: int
    outputs: int
    mismatches: int
    max_difference: int
    first_image: int | None = None
    divergence: Divergence | None = None

    @property
    def is_exact(self) -> bool:
        """Whether every integer was equal."""
        return self.mismatches == 0

    def __str__(self) -> str:
        if self.is_exact:
            return f"{self.executor}: {self.outputs} integers of {self.images} images equal the golden executor's"
        text = (
            f"{self.executor}: {self.mismatches} of {self.outputs} integers differ by up to {self.max_difference}, "
            f"first in image {self.first_image}"
        )
        if (at := self.divergence) is None:
            return text
        return (
            f"{text}; first differing layer: {at.layer}, {at.tensor}{list(at.index)}: got {at.got}, expected "
            f"{at.expected} ({at.differing} elements differ)"
        )


@dataclass(frozen=True)
class VerifyReport:
    """What :func:`verify` found."""

    network: str
    network_hash: str
    images: int
    comparisons: tuple[Comparison, ...]

    @property
    def is_exact(self) -> bool:
        """Whether all executors agree with the golden one."""
        return all(one.is_exact for one in self.comparisons)

    def require(self) -> "VerifyReport":
        """This report, if everything is exact.

        Raises:
            VerifyError: naming the first executor that differs, and the layer where it is known.
        """
        for one in self.comparisons:
            if not one.is_exact:
                raise VerifyError(f"{self.network}: {one}; the result cannot be trusted; report the network")
        return self


def verify(
    network: Network, weights: Mapping[str, Array], x: npt.ArrayLike, executors: Mapping[str, Executor]
) -> VerifyReport:
    """Compare executors with the golden one, integer by integer.

    Args:
        x: (N, *shape) integers of the input's format; at least one image.
        executors: name → executor; what they raise is passed on.

    Raises:
        InputError: there are no images.
    """
    images = np.asarray(x)
    if len(images) == 0:
        raise InputError(f"{network.name}: got no images to verify with; expected at least one")
    golden = GoldenExecutor(network, weights)
    expected = golden.predict(images)
    comparisons = [_compare(network, golden, name, one, images, expected) for name, one in executors.items()]
    return VerifyReport(network.name, network.hash, len(images), tuple(comparisons))


def _compare(
    network: Network, golden: GoldenExecutor, name: str, executor: Executor, images: Array, expected: Array
) -> Comparison:
    got = np.asarray(executor.predict(images))
    if got.shape != expected.shape:
        raise VerifyError(
            f"{network.name}: {name} gave outputs of shape {got.shape}; expected {expected.shape}; "
            "give it the same network"
        )
    differences = np.abs(got.astype(np.int64) - expected)
    wrong = differences != 0
    if not wrong.any():
        return Comparison(name, len(images), expected.size, 0, 0)
    image = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
    divergence = None
    if isinstance(executor, Tracer):
        one = images[image : image + 1]
        divergence = first_divergence(network, golden.trace(one), executor.trace(one), image)
    return Comparison(name, len(images), expected.size, int(wrong.sum()), int(differences.max()), image, divergence)


def first_divergence(
    network: Network, expected: Mapping[str, Array], got: Mapping[str, Array], image: int = 0
) -> Divergence | None:
    """The first tensor, in the network's order, that both know and that differs in the first image they hold."""
    equal: set[str] = set()
    for layer in network.layers:
        for tensor in layer.outputs:
            if tensor not in got:
                continue
            wrong = np.argwhere(np.asarray(got[tensor][0]) != expected[tensor][0])
            if len(wrong) == 0:
                equal.add(tensor)
                continue
            index = _index(wrong[0])
            return Divergence(
                layer.name,
                tensor,
                image,
                index,
                int(expected[tensor][0][index]),
                int(got[tensor][0][index]),
                len(wrong),
                all(source in equal for source in layer.inputs),
            )
    return None


def _index(row: Sequence[Any] | Array) -> tuple[int, ...]:
    return tuple(int(i) for i in row)
