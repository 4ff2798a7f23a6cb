# SPDX-License-Identifier: Apache-2.0
"""The number formats of a pipeline's stages, as the numbers that formulas of units need.

A network without formats is taken as one of 8-bit weights and tensors of as many bits as it is costed with.
"""

import math
from dataclasses import dataclass

from hwsim.errors import InputError
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format, smallest_format
from hwsim.fpga.casts import CastNumbers, cast_numbers
from hwsim.fpga.dataflow import Division, is_identity
from hwsim.network import Layer, Network

MEANS = ("avg_pool2d", "global_avg_pool")
ROUNDING_CODES = {"TRN": 0, "RND": 1, "RND_CONV": 2}  # others are refused where hardware is made


@dataclass(frozen=True)
class StageFormats:
    """Formats of one stage; 0 where something does not apply.

    ``exact_bits`` are those of its result in front of the cast, ``cast_*`` the parameters of hls/rtl/cast.sv, with
    ``casts`` 0 where it would change no bit. ``term_*`` are casts in front of an addition or concatenation, ``mean_*``
    the parameters of hls/rtl/divide.sv. ``factor_*`` are those of a scale, slope or table, ``shift_bits`` of what is
    added to it.
    """

    input_signed: int = 1
    weight_signed: int = 1
    exact_bits: int = 0
    exact_signed: int = 1
    casts: int = 0
    cast_out: int = 1
    cast_left: int = 0
    cast_right: int = 0
    cast_rounding: int = 0
    cast_bits: int = 2
    cast_has_low: int = 0
    cast_has_high: int = 0
    cast_low: int = 0
    cast_high: int = 0
    terms: int = 1
    term_casts: int = 0
    term_left: int = 0
    term_bits: int = 2
    mean_divisor: int = 0
    mean_bits: int = 1
    mean_offset: int = 0
    sum_bits: int = 0
    factor_bits: int = 0
    factor_signed: int = 1
    shift_bits: int = 0
    steps: int = 0
    most_channels: int = 1


def stage_formats(network: Network, layer: Layer) -> StageFormats:
    """The formats of a layer's stage; every tensor of the network has one."""
    source, target = _format(network, layer.inputs[0]), _format(network, layer.output)
    try:
        exact = source if layer.op in (*MEANS, *_SAME_BITS) else exact_format(network, layer)
    except InputError:  # a function without an exact result: a table of its values
        exact = target
    if layer.op in _ACCUMULATED:
        exact = FixedPoint(exact.width + (not exact.signed), exact.frac)
    numbers: dict[str, int] = {}
    clip = None
    if layer.op in MEANS:
        exact, numbers = _mean(network, layer, source, target)
    elif layer.op in ("relu", "clip"):
        exact, clip = source, _clip(layer, source)
    elif layer.op in ("add", "concat"):
        into = exact if layer.op == "add" else target
        numbers = _terms(network, layer, into)
        exact = into if layer.op == "add" or numbers["term_casts"] else source
    cast = cast_numbers(exact, target, clip)
    weight = network.tensors.get(layer.params.get("weight", ""))
    return StageFormats(
        input_signed=int(source.signed),
        weight_signed=int(weight is None or weight.format is None or weight.format.signed),
        exact_bits=exact.width,
        exact_signed=int(exact.signed),
        casts=int(clip is not None or not is_identity(exact, target)),
        cast_out=target.width,
        **_cast_fields(cast, target),
        **numbers,
        **_parameters(network, layer),
        most_channels=max(network.tensors[tensor].shape[0] for tensor in layer.inputs),
    )


_ACCUMULATED = ("dense", "conv2d", "add", "batch_norm", "threshold")  # in signed numbers
_SAME_BITS = ("max_pool2d", "global_max_pool", "pad2d", "upsample2d")  # values come out as they are


def _format(network: Network, tensor: str) -> FixedPoint:
    fmt = network.tensors[tensor].format
    assert fmt is not None
    return fmt


def _cast_fields(cast: CastNumbers, target: FixedPoint) -> dict[str, int]:
    return {
        "cast_left": cast.left, "cast_right": cast.right, "cast_rounding": ROUNDING_CODES.get(target.rounding, 2),
        "cast_bits": cast.width, "cast_has_low": int(cast.has_low), "cast_has_high": int(cast.has_high),
        "cast_low": cast.low, "cast_high": cast.high,
    }  # fmt: skip


def _mean(network: Network, layer: Layer, source: FixedPoint, target: FixedPoint) -> tuple[FixedPoint, dict[str, int]]:
    """What is cast, and the division of the sum where it is no shift."""
    kernel = layer.attrs.get("kernel", network.tensors[layer.inputs[0]].shape[1:])
    count = math.prod(int(size) for size in kernel)
    total = smallest_format(min(source.min_int * count, -1), source.max_int * count, source.frac)
    if count & (count - 1) == 0:
        return FixedPoint(total.width, total.frac + count.bit_length() - 1), {"sum_bits": total.width}
    found = Division.of(total, count, target)
    return found.quotient, {
        "sum_bits": total.width, "mean_divisor": found.denominator, "mean_bits": found.width,
        "mean_offset": found.offset,
    }  # fmt: skip


def _clip(layer: Layer, source: FixedPoint) -> tuple[int, int, int]:
    """Bounds as integers; those of a clip rounded to the source's grid, which is near enough for a cost."""
    if layer.op == "relu":
        return 0, max(source.max_int, 0), source.frac
    low, high = (round(float(layer.attrs[name]) * 2.0**source.frac) for name in ("low", "high"))
    return max(low, source.min_int), min(max(high, low), source.max_int), source.frac


def _terms(network: Network, layer: Layer, into: FixedPoint) -> dict[str, int]:
    """Casts of what is added or joined; all of them as wide as the widest."""
    sources = [_format(network, tensor) for tensor in layer.inputs]
    if layer.op == "concat" and all(is_identity(source, sources[0]) for source in sources):
        return {"terms": len(sources), "term_casts": 0}
    casts = [cast_numbers(source, into) for source in sources if not is_identity(source, into)]
    widest = max(casts, key=lambda cast: cast.width - cast.left, default=None)
    return {
        "terms": len(sources),
        "term_casts": len(casts),
        "term_left": 0 if widest is None else widest.left,
        "term_bits": 2 if widest is None else widest.width,
    }


def _parameters(network: Network, layer: Layer) -> dict[str, int]:
    """Scale and shift, slope and start, or table."""
    roles = {"batch_norm": ("scale", "shift"), "threshold": ("slope", "start"), "lookup": ("table", "table")}
    if layer.op not in roles:
        return {}
    factor, shift = (_format(network, layer.params[role]) for role in roles[layer.op])
    steps = network.tensors[layer.params["thresholds"]].shape[1] if layer.op == "threshold" else 0
    return {
        "factor_bits": factor.width, "factor_signed": int(factor.signed), "shift_bits": shift.width, "steps": steps,
    }  # fmt: skip
