# SPDX-License-Identifier: Apache-2.0
"""Which cost fields are made of layers, and of which: MACs, parameters, and what processors and arrays take.

A processor's time has two tables, because weights that exceed its last-level cache come from main memory every time.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from hwsim import ops
from hwsim.columns import Column
from hwsim.network import Network
from hwsim.sweep import ByKernel, by_kernel
from hwsim.variants import variants
from prune.choice import widths
from prune.groups import ChannelGroup
from prune.search.costs import Asked, PointCost, Switched, Tabulated
from prune.search.space import Points, Space, channel_counts
from prune.search.tables import PROBES, Breakdown, agrees, tabulate

Array = npt.NDArray[np.float64]
PROCESSORS = ("cpu:", "gpu:", "npu:")
CHUNK = 2000  # variants looked at in one go: some ten megabytes of columns


def tabulated_cost(
    field: str, space: Space, groups: Sequence[ChannelGroup], network: Network, asked: Asked, seed: int = 0
) -> PointCost | None:
    """Tables of a cost field, or None where it is not made of layers or tables do not give what the model does.

    Args:
        groups: those whose widths are the variables of ``space``, by name.
        network: the unpruned one, as it is costed.
        asked: the model, which tables must agree with at random points.
        seed: of these points.
    """
    target, _, figure = field.rpartition(".")
    found: PointCost | None = None
    if field in _COUNTS:
        found = tabulate(space, _counted(field, space, groups, network), "sum", _joined(space, groups), seed)
    elif target.startswith(PROCESSORS) and not target.endswith("/eager") and figure in ("latency_us", "energy_uj"):
        found = _processor(_Kernels(space, groups, network, target, figure), space, groups, seed)
    rng = np.random.default_rng(seed + 1)
    probes = np.stack([rng.integers(0, space.sizes) for _ in range(PROBES)] + [space.widest, space.narrowest])
    return found if found is not None and agrees(found, probes, asked(probes)) else None


def _macs(network: Network) -> dict[str, float]:
    return {layer.name: float(ops.macs(network, layer)) for layer in network.layers}


def _params(network: Network) -> dict[str, float]:
    return {one.name: float(sum(network.tensors[t].size for t in one.params.values())) for one in network.layers}


_COUNTS: dict[str, Callable[[Network], dict[str, float]]] = {"macs": _macs, "params": _params}


def _counted(field: str, space: Space, groups: Sequence[ChannelGroup], network: Network) -> Breakdown:
    def by_layer(points: Points) -> Mapping[str, Array]:
        resized = (network.with_widths(widths(groups, channel_counts(groups, space.values(p)))) for p in points)
        counts = [_COUNTS[field](one) for one in resized]
        return {name: np.array([one[name] for one in counts]) for name in counts[0]}

    return by_layer


def _joined(space: Space, groups: Sequence[ChannelGroup]) -> dict[str, set[int]]:
    """The variables whose groups meet in each layer that has weights."""
    numbers = {variable.name: index for index, variable in enumerate(space.variables)}
    found: dict[str, set[int]] = {}
    for group in groups:
        if group.name in numbers:
            for member in group.members:
                found.setdefault(member.layer, set()).add(numbers[group.name])
    return found


def _processor(kernels: "_Kernels", space: Space, groups: Sequence[ChannelGroup], seed: int) -> PointCost | None:
    joined = _joined(space, groups)
    size = tabulate(space, kernels.weight_bytes, "sum", joined, seed)
    if size is None:
        return None
    capacity = kernels.look(space.widest[None]).cache_bytes

    def table(by_layer: Breakdown) -> Tabulated | None:
        return tabulate(space, by_layer, "sum", joined, seed)

    if size(space.widest[None])[0] <= capacity:
        return table(kernels.cached)
    outside = table(kernels.streamed)
    if size(space.narrowest[None])[0] > capacity:
        return outside
    inside = table(kernels.cached)
    return Switched(inside, outside, size, capacity) if inside and outside else None


class _Kernels:
    """A figure of many points by kernel, in one call of the model per chunk; the last points are kept."""

    def __init__(
        self, space: Space, groups: Sequence[ChannelGroup], network: Network, target: str, figure: str
    ) -> None:
        self._space, self._groups, self._network = space, groups, network
        self._target, self._figure = target, figure
        self._known: dict[bytes, ByKernel] = {}

    def look(self, points: Points) -> ByKernel:
        """What the model says of points (N, variables)."""
        key = points.tobytes()
        if key not in self._known:
            many = variants(self._network, self._widths(points))
            self._known[key] = by_kernel(many, self._target, self._figure)
        return self._known[key]

    def weight_bytes(self, points: Points) -> Mapping[str, Array]:
        """Bytes of weights by kernel."""
        return self._columns(points, lambda found: found.weight_bytes)

    def cached(self, points: Points) -> Mapping[str, Array]:
        """The figure by kernel with weights in the cache; "" is what no kernel causes."""
        return {"": np.full(len(points), self._fixed(points)), **self._columns(points, lambda found: found.cached)}

    def streamed(self, points: Points) -> Mapping[str, Array]:
        """The figure by kernel with weights in main memory; "" is what no kernel causes."""
        return {"": np.full(len(points), self._fixed(points)), **self._columns(points, lambda found: found.streamed)}

    def _fixed(self, points: Points) -> float:
        return self.look(points[:CHUNK]).fixed

    def _columns(self, points: Points, column: Callable[[ByKernel], Column]) -> Mapping[str, Array]:
        found = [self.look(points[start : start + CHUNK]) for start in range(0, len(points), CHUNK)]
        rows = np.concatenate([column(one) for one in found])
        return dict(zip(found[0].names, rows.T, strict=True))

    def _widths(self, points: Points) -> dict[str, Array]:
        """Output channels of every layer that makes a group's channels, as :func:`prune.choice.widths` gives them."""
        numbers = {variable.name: index for index, variable in enumerate(self._space.variables)}
        whole = {m.layer: len(m.index) for group in self._groups for m in group.producers}
        found = {layer: np.full(len(points), float(width)) for layer, width in whole.items()}
        for group in self._groups:
            if group.name in numbers:
                index = numbers[group.name]
                kept = np.asarray(self._space.variables[index].options)[points[:, index]]
                for layer, channels in group.multiplicity.items():
                    found[layer] -= channels * (group.width - kept)
        return found
