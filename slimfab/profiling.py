# SPDX-License-Identifier: Apache-2.0
"""The two-line Python way: a module and an example in, a comparison of targets out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hwsim.errors import InputError
from hwsim.estimate import Estimate
from hwsim.network import Network

DEFAULT_TARGETS = ("cpu:cortex-a9", "cpu:cortex-a53", "cpu:cortex-a72", "gpu:jetson-orin", "fpga:pynq-z2")


@dataclass(frozen=True)
class Profile:
    """The network and its cost on each target; printing it shows the table and which target is best at what."""

    network: Network
    estimates: tuple[Estimate, ...]

    def __getitem__(self, target: str) -> Estimate:
        for estimate in self.estimates:
            if estimate.target == target:
                return estimate
        raise KeyError(f"{target}; available: {', '.join(e.target for e in self.estimates)}")

    def __str__(self) -> str:
        from rich.console import Console

        from hwsim.coverage import remarks
        from hwsim.verdict import QUESTIONS, verdict
        from slimfab.console import estimates_table

        console = Console(width=160, color_system=None)
        with console.capture() as capture:
            console.print(estimates_table(self.network.name, self.estimates))
        answers = [verdict(self.estimates, field).text() for field in QUESTIONS] if len(self.estimates) > 1 else []
        missing = remarks(self.estimates[0].uncovered)
        return capture.get() + "".join(f"{line}\n" for line in (*missing, *answers))


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
    if isinstance(model, str):
        from slimfab.models import load_for_estimates

        return load_for_estimates(model, _shape(x)).network
    from slimfab.models import require_torch

    require_torch()
    from torch import nn

    from hwsim.importers.torch import import_torch_partly

    if not isinstance(model, nn.Module):
        raise InputError(f"profile: got {type(model).__name__}; expected a torch.nn.Module, a network, or a name")
    return import_torch_partly(model, _shape(x) or ())[0]


def _shape(x: Any) -> tuple[int, ...] | None:
    """The input shape without the batch, of an example batch or of a shape given as such."""
    if x is None or isinstance(x, list | tuple):
        return None if x is None else tuple(x)
    if not hasattr(x, "shape"):
        raise InputError(f"profile: got {x!r}; expected an example batch, or an input shape such as (1, 28, 28)")
    return tuple(x.shape[1:])
