# SPDX-License-Identifier: Apache-2.0
"""Lists of a network's layers in a JSON file as the kernels that processors run.

    {"mobilenet-v1-1.0-224-quantized": {"layers": [{"op": "conv", "in_hw": 224, "cin": 3, "cout": 32, "k": 3, …}, …]}}

Activations and batch norms are part of the layer before them, as runtimes fuse them; what has no products is a move.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwsim.errors import InputError
from hwsim.workload import REGISTER_TILE, Kernel, Workload

TOPOLOGIES = "edge_topologies.json"
BITS = {"int8": 8, "uint8": 8, "fp32": 32}
# The same network by another submitter's name: mobilenet-v1-precision_uint8-0.5-160 is …-v1-0.5-160-quantized.
OTHER_NAME = re.compile(r"(mobilenet-v\d)-precision_(float|uint8)-(.+)")
# Operators of such files, and the kind of kernel each is.
KINDS_OF = {"conv": "conv", "dwconv": "depthwise", "fc": "dense", "add": "move", "avgpool": "move", "maxpool": "move"}
ENDINGS = {"float": "non-quantized", "uint8": "quantized"}


def read_topologies(folder: Path) -> Mapping[str, list[dict[str, Any]]]:
    """The layers of every network of the file TOPOLOGIES in `folder`, by the network's name.

    Raises:
        InputError: no such file, or it is not what the head of this file shows.
    """
    path = folder / TOPOLOGIES
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): list(entry["layers"]) for name, entry in data.items()}
    except OSError as error:
        raise InputError(
            f"{path}: cannot read ({error.strerror}); expected the layers of the table's networks; put it beside the "
            "table"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: got {type(error).__name__} {error}; expected {{network: {{layers: [...]}}}}; check the file"
        ) from None


def canonical(name: str) -> str:
    """The name under which a network's layers are listed."""
    other = OTHER_NAME.fullmatch(name)
    return f"{other[1]}-{other[3]}-{ENDINGS[other[2]]}" if other else name


def uncovered(layers: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The share of the listed products that every operator unknown here has, by operator; empty if none is unknown."""
    total = sum(float(layer.get("macs", 0)) for layer in layers) or 1.0
    shares: dict[str, float] = {}
    for layer in layers:
        op = str(layer.get("op", "nothing"))
        if op not in KINDS_OF:
            shares[op] = shares.get(op, 0.0) + float(layer.get("macs", 0)) / total
    return shares


def workload_of(layers: list[dict[str, Any]], dtype: str, where: str = "network") -> Workload:
    """The kernels of a list of layers, every number in `dtype` of BITS.

    Raises:
        InputError: an unknown operator, or a layer without one of its sizes.
    """
    kernels = []
    for index, layer in enumerate(layers):
        try:
            kernels.append(_kernel(f"layer{index}", layer, BITS[dtype]))
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{where}: layer {index}: got {layer!r} without {error}; expected op, in_hw, out_hw, cin, cout, k"
            ) from None
    first, last = kernels[0], kernels[-1]
    return Workload(tuple(kernels), first.inputs * BITS[dtype], last.outputs * BITS[dtype])


def _kernel(name: str, layer: Mapping[str, Any], bits: int) -> Kernel:
    op = str(layer["op"])
    channels, columns = int(layer["cin"]), int(layer["cout"])
    side = int(layer.get("in_hw", 1))
    out = int(layer.get("out_hw", side))
    taps = int(layer["k"]) ** 2 if op in ("conv", "dwconv", "maxpool") else 1
    if op == "maxpool":
        side = out * int(layer["stride"])
    kind = "pointwise" if op == "conv" and taps == 1 else KINDS_OF[op]
    rows = {"fc": 1, "avgpool": 1}.get(op, out * out)
    inputs = (1 if op == "fc" else side * side) * channels * (2 if op == "add" else 1)
    groups = channels if op == "dwconv" else 1
    products = kind != "move"
    per_group, reduction = columns // groups, channels // groups
    macs = rows * columns * reduction * taps if products else 0
    tiled = columns if op == "dwconv" else per_group
    return Kernel(
        name=name, op=op, kind=kind, fused=(), macs=macs,
        padded_macs=round(macs * -(-tiled // REGISTER_TILE) * REGISTER_TILE / tiled),
        rows=rows if products else 1, columns=per_group if products else 1, channels=reduction if products else 1,
        taps=taps if products else 1, groups=groups if products else 1,
        weights=columns * reduction * taps if products else 0, weight_bits=bits,
        inputs=inputs, input_bits=bits, outputs=rows * columns, output_bits=bits,
    )  # fmt: skip
