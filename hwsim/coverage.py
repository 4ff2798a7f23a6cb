# SPDX-License-Identifier: Apache-2.0
"""What an estimate does not cover: operators that no model knows, with their share of the network.

An imported file may hold operators that are none of :data:`hwsim.ops.OPS`. For estimates they become ``opaque`` layers
(:func:`hwsim.importers.onnx.import_partly`, :func:`hwsim.importers.torch.import_torch_partly`): their shapes are known,
their time, energy and resources are not. An estimate counts the other layers, so that its figures are what those take
and no more; it lists here what it left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hwsim import ops
from hwsim.columns import per_network
from hwsim.network import Layer, Network


@dataclass(frozen=True)
class Uncovered:
    """One operator that is not covered.

    Args:
        operator: its name in the file that was imported.
        layers: its layers, in execution order.
        macs: multiply-accumulate operations of one inference; None where no formula is known for one of the layers.
        macs_share: those over all that are known of the network, 0 to 1.
        values_share: values that the layers write over all that layers of the network write, 0 to 1.
    """

    operator: str
    layers: tuple[str, ...]
    macs: int | None
    macs_share: float
    values_share: float

    def text(self) -> str:
        """One line, such as ``LSTM (2 layers): 31.4 % of the MACs, 2.0 % of the values``."""
        count = f"{len(self.layers)} layer{'s' if len(self.layers) > 1 else ''}"
        products = f"{self.macs_share:.1%} of the MACs"
        if self.macs is None:
            products = "MACs not known" + (f", {products} at least" if self.macs_share else "")
        elif not self.macs:
            products = "no MACs"
        return f"{self.operator} ({count}): {products}, {self.values_share:.1%} of the values written"


@per_network
def uncovered(network: Network) -> tuple[Uncovered, ...]:
    """The operators of a network's opaque layers, those with the most products first."""
    groups: dict[str, list[Layer]] = {}
    for layer in network.layers:
        if layer.op == ops.OPAQUE:
            groups.setdefault(layer.attrs["operator"], []).append(layer)
    if not groups:
        return ()
    macs, values = max(network.macs(), 1), sum(_values(network, layer) for layer in network.layers)
    found = []
    for operator, layers in groups.items():
        known = sum(ops.macs(network, layer) for layer in layers)
        is_known = all(layer.attrs["macs"] is not None for layer in layers)
        written = sum(_values(network, layer) for layer in layers)
        names = tuple(layer.name for layer in layers)
        found.append(Uncovered(operator, names, known if is_known else None, known / macs, written / values))
    return tuple(sorted(found, key=lambda one: (-one.macs_share, one.macs is not None, -one.values_share)))


def covered_values(network: Network) -> float:
    """Share of the values that layers write which layers write that an estimate counts, 0 to 1."""
    return 1.0 - sum(one.values_share for one in uncovered(network))


def remarks(missing: Sequence[Uncovered]) -> tuple[str, ...]:
    """One line for the notes of an estimate; none where everything is covered."""
    if not missing:
        return ()
    return (f"incomplete: not covered and not counted: {'; '.join(one.text() for one in missing)}",)


def _values(network: Network, layer: Layer) -> int:
    return 0 if layer.op in ("input", "output") else network.tensors[layer.output].size
