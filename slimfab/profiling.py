# SPDX-License-Identifier: Apache-2.0
"""The two-line Python way: a module and an example in, a comparison of targets out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hwsim.estimate import Estimate
from hwsim.network import Network

DEFAULT_TARGETS = ("cpu:cortex-a9", "cpu:cortex-a53", "cpu:cortex-a72", "gpu:jetson-orin", "fpga:pynq-z2")


@dataclass(frozen=True)
class Profile:
    """The network and its cost on each target; printing it shows the table."""

    network: Network
    estimates: tuple[Estimate, ...]

    def __getitem__(self, target: str) -> Estimate:
        for estimate in self.estimates:
            if estimate.target == target:
                return estimate
        raise KeyError(f"{target}; available: {', '.join(e.target for e in self.estimates)}")

    def __str__(self) -> str:
        from rich.console import Console

        from slimfab.console import estimates_table

        console = Console(width=160, color_system=None)
        with console.capture() as capture:
            console.print(estimates_table(self.network.name, self.estimates))
        return capture.get()


def profile_model(model: Any, x: Any, targets: Sequence[str] | None, bits: int | None) -> Profile:
    """See :func:`slimfab.profile`."""
    from hwsim.targets import compare

    network = _network(model, x)
    if bits is not None:
        network = network.with_bits(bits)
    return Profile(network, tuple(compare(network, list(targets or DEFAULT_TARGETS))))


def _network(model: Any, x: Any) -> Network:
    if isinstance(model, Network):
        return model
    shape = tuple(x.shape[1:]) if hasattr(x, "shape") else tuple(x) if x is not None else None
    if isinstance(model, str):
        from slimfab.models import load_model

        return load_model(model, shape).network
    from hwsim.importers.torch import import_torch

    return import_torch(model, shape or ())[0]
