# SPDX-License-Identifier: Apache-2.0
"""The front door: recipes, the run flow, checks, comparison, reports, model zoo and data sets."""

from collections.abc import Sequence
from importlib import metadata as _metadata
from typing import TYPE_CHECKING, Any

from hwsim.errors import SlimfabError

if TYPE_CHECKING:
    from slimfab.profiling import Profile

try:
    __version__ = _metadata.version("slimfab")
except _metadata.PackageNotFoundError:  # used from a checkout that is not installed
    __version__ = "0+unknown"

__all__ = ["SlimfabError", "__version__", "profile"]


def profile(model: Any, x: Any, targets: Sequence[str] | None = None, bits: int | None = None) -> "Profile":
    """What a torch module costs on several targets.

    >>> slimfab.profile(model, x, targets=["cpu:cortex-a9", "fpga:pynq-z2"])

    Args:
        model: an ``nn.Module``, or anything ``slimfab compare`` takes as a string.
        x: an example batch (N, …) or an input shape without the batch; may be None for zoo names and ONNX files.
        targets: as listed by ``slimfab targets``; a CPU, a GPU and an FPGA by default.
        bits: cost it with weights and activations of so many bits; None leaves it as it is.

    Layers that no model knows are listed with their share of the MACs, and figures are those of the others.

    Raises:
        UnsupportedError: the module cannot be imported at all: torch.export refuses it, or it has several results.
        UnknownNameError: no such target.
    """
    from slimfab.profiling import profile_model

    return profile_model(model, x, targets, bits)
