# SPDX-License-Identifier: Apache-2.0
"""HGQ's FixedPointQuantizer: a cast whose format may differ from channel to channel.

hls4ml writes one C++ cast per element. A golden layer casts all its channels alike, so different formats are brought
to a common one by powers of two: scaling channel c by 2**(f_c - f) puts its last bit in the common last place, where
one cast rounds all of them; scaling by 2**(b - b_c) then puts its first bit in the common first place, where one cast
limits all of them; a last scaling takes both back.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hls.from_hls4ml_draft import Draft, View
from hls.from_hls4ml_types import Parameter
from hwsim.fixed import FixedPoint, IntArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Channels:
    """Formats channel by channel; a channel of width 0 holds zeros alone."""

    signed: BoolArray
    width: IntArray
    frac: IntArray

    @property
    def alive(self) -> BoolArray:
        """Channels that hold more than zeros."""
        return self.width > 0


def quantiser(draft: Draft, node: Any) -> None:
    """The quantiser's own cast, channel by channel, then that of the result type."""
    view = draft.by_channel(node, draft.view(node))
    channels = _channels(draft, node, view)
    if not channels.alive.any():
        raise draft.refuse(node, "a quantiser of zero bits throughout", "at least one bit somewhere", "drop the layer")
    common = {name: np.unique(getattr(channels, name)) for name in ("signed", "width", "frac")}
    if all(len(values) == 1 for values in common.values()):
        signed, width, frac = (values[0] for values in common.values())
        fmt = FixedPoint(int(width), int(frac), bool(signed), node.RND, node.SAT)
        tensor = draft.cast(f"{node.name}_own", view.tensor, fmt)
    else:
        tensor = _mixed(draft, node, view.tensor, channels)
    draft.publish(node, draft.cast(node.name, tensor, draft.result(node)), view.order)


def _channels(draft: Draft, node: Any, view: View) -> Channels:
    """The masks (keep negative, bits, integer bits) of every golden channel.

    Raises:
        UnsupportedError: pixels of one channel differ.
    """
    found = []
    for mask in node.mask_kbi:
        spread = np.broadcast_to(np.asarray(mask)[0], view.shape).astype(np.int64).ravel()
        elements = np.empty_like(spread)
        elements[view.order] = spread
        rows = elements.reshape(draft.tensors[view.tensor].shape[0], -1)
        if np.any(rows != rows[:, :1]):
            raise draft.refuse(
                node, "a different format for every pixel", "one for every channel",
                "quantise with heterogeneous_axis=(-1,) in HGQ's QuantizerConfig",
            )  # fmt: skip
        found.append(rows[:, 0])
    signed, width, integer = found
    return Channels(signed > 0, np.maximum(width, 0), width - integer)


def _mixed(draft: Draft, node: Any, tensor: str, channels: Channels) -> str:
    """Round, limit and scale back; the first two in one cast where all widths and signs are the same."""
    if node.SAT not in ("WRAP", "SAT"):
        raise draft.refuse(node, f"{node.SAT} with a format per channel", "WRAP or SAT", "change its overflow_mode")
    alive = channels.alive
    last, bits = int(channels.frac[alive].min()), int(channels.width.max())
    lift = np.where(alive, channels.frac - last, 0)
    room = np.where(alive, bits - channels.width, 0)
    signed = bool(channels.signed[alive].any())
    # Beside signed channels an unsigned one is moved down by half of its range, and up again at the end.
    moved = (alive & ~channels.signed & signed).astype(np.int64)
    limited = FixedPoint(bits, last, signed, "TRN", node.SAT)

    factors = np.where(alive, 1 << lift, 0)
    if room.any() or moved.any():
        tensor = _scaled(draft, f"{node.name}_round", tensor, factors, 0, _rounded(draft, tensor, lift, last, node.RND))
        down = Parameter(-moved << (bits - 1), FixedPoint(bits + 1, last))
        tensor = _scaled(draft, f"{node.name}_limit", tensor, 1 << room, 0, limited, down)
    else:
        tensor = _scaled(draft, f"{node.name}_limit", tensor, factors, 0, replace(limited, rounding=node.RND))
    if node.SAT == "SAT" and room.any():  # the largest number of b bits is no multiple of 2**(b - b_c)
        kept = FixedPoint(bits, last, signed)
        tensor = _scaled(draft, f"{node.name}_drop", tensor, 1 << (room.max() - room), int(room.max()), kept)
        room = np.zeros_like(room)
    top = int((room + lift).max())
    most = int(lift.max())
    halves = moved << (channels.width.clip(1) - 1 + most - lift)
    up = Parameter(halves, FixedPoint(bits + most + 1, last + most))
    return _scaled(draft, f"{node.name}_back", tensor, 1 << (top - room - lift), top, None, up)


def _rounded(draft: Draft, tensor: str, lift: IntArray, last: int, rounding: str) -> FixedPoint:
    """A format that rounds to the common last place and never overflows."""
    source = draft.format(tensor)
    return FixedPoint(max(source.width + int(lift.max()) + last - source.frac, 0) + 2, last, True, rounding)


def _scaled(
    draft: Draft,
    name: str,
    tensor: str,
    factors: IntArray,
    frac: int,
    target: FixedPoint | None,
    shift: Parameter | None = None,
) -> str:
    """tensor * factors * 2**-frac + shift, channel by channel."""
    scale = Parameter(factors.astype(np.int64), FixedPoint(int(factors.max()).bit_length() + 1, frac))
    if shift is None or not shift.ints.any():
        shift = Parameter(np.zeros(len(factors), dtype=np.int64), FixedPoint(1, 0, False))
    return draft.add(name, "batch_norm", (tensor,), target, {"scale": scale, "shift": shift})
