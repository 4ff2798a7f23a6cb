# SPDX-License-Identifier: Apache-2.0
"""What the zoo knows about a network, and how to make one by name."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from hwsim.errors import NetworkError, UnknownNameError
from hwsim.registry import Registry, suggest


@dataclass(frozen=True)
class Published:
    """A number that the literature gives for a network at its default input shape and classes.

    ``tolerance`` is relative; ``source`` says where the number stands and, if the tolerance is not zero, why.
    """

    quantity: str  # "macs" or "parameters"
    value: int
    tolerance: float
    source: str


@dataclass(frozen=True)
class ZooNetwork:
    """A builder and the facts around it.

    ``builder(in_shape, classes, …)`` takes further keyword options of its own. ``in_shape`` (without the batch)
    and ``classes`` are the defaults, and what ``published`` refers to. ``classes`` is the number of outputs;
    for an autoencoder that is the number of features.
    """

    builder: Callable[..., nn.Module]
    in_shape: tuple[int, ...]
    classes: int
    summary: str
    source: str
    published: tuple[Published, ...] = ()

    def options(self) -> list[str]:
        """Names of the builder's own options."""
        return [name for name in inspect.signature(self.builder).parameters if name not in ("in_shape", "classes")]


ZOO: Registry[ZooNetwork] = Registry("network")


def build(
    name: str,
    in_shape: tuple[int, ...] | None = None,
    classes: int | None = None,
    *,
    seed: int = 0,
    options: Mapping[str, object] | None = None,
) -> nn.Module:
    """Build a network of the zoo with random weights drawn from ``seed``.

    ``in_shape`` is (C, H, W) or (F,), without the batch; ``options`` go to the builder (``widths``, ``width``, …).
    The global random state stays as it was.

    Raises:
        UnknownNameError: no such network, or the builder has no such option.
        NetworkError: the input shape, the number of classes or an option does not make a network.
    """
    entry = ZOO[name]
    shape = tuple(in_shape) if in_shape is not None else entry.in_shape
    outputs = entry.classes if classes is None else classes
    arguments = dict(options or {})
    for option in arguments:
        if option not in entry.options():
            raise UnknownNameError(f"{name}: unknown option '{option}'; {suggest(option, entry.options())}")
    if len(shape) != len(entry.in_shape) or min(shape) < 1:
        form = "(C, H, W)" if len(entry.in_shape) == 3 else "(F,)"
        raise NetworkError(f"{name}: in_shape={shape}; expected {form} of positive sizes, e.g. {entry.in_shape}")
    if outputs < 1:
        raise NetworkError(f"{name}: classes={outputs}; expected at least 1")
    _try_shapes(name, entry, shape, outputs, arguments)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return entry.builder(in_shape=shape, classes=outputs, **arguments)


def _try_shapes(
    name: str, entry: ZooNetwork, shape: tuple[int, ...], classes: int, arguments: dict[str, object]
) -> None:
    """Run the network once without memory or arithmetic, so that an impossible shape fails here with its name."""
    try:
        with torch.device("meta"):
            module = entry.builder(in_shape=shape, classes=classes, **arguments)
            result = module.eval()(torch.empty(2, *shape))
    except (RuntimeError, ValueError, TypeError, ZeroDivisionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        settings = "".join(f", {key}={value}" for key, value in arguments.items())
        raise NetworkError(
            f"{name}: cannot be built for in_shape={shape}, classes={classes}{settings} ({reason}); "
            f"the default is in_shape={entry.in_shape}, classes={entry.classes}"
        ) from error
    if tuple(result.shape) != (2, classes):
        raise NetworkError(f"{name}: gives {tuple(result.shape[1:])} outputs; expected {classes}")
