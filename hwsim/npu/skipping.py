# SPDX-License-Identifier: Apache-2.0
"""Which zeros an array of processing elements can leave out.

An array computes a fold of its size at a time. What it can leave out is work that all its elements would do on zeros:

    ws, os   the columns hold outputs: a product for all of them, where a block of zeros spans as many outputs
    is       the rows hold inputs: an output passing by, where a block of zeros spans as many inputs
    rs       elements hold rows of different filters, and a pass is as long as its longest row: nothing

Smaller blocks and single zeros leave holes. Patterns of n in m need multiplexers in front of the elements, which a
device states by ``sparsity.n`` and ``sparsity.m``; the reduction shrinks to n / m then, as in SCALE-Sim v3.
"""

from collections.abc import Mapping

import numpy as np

from hwsim.columns import Column
from hwsim.device import Device
from hwsim.network import Network
from hwsim.npu.problem import Problem
from hwsim.sparsity import Pattern, check_layers, unused


def kept_share(
    network: Network, work: Problem, device: Device, dataflow: str, sparsity: Mapping[str, Pattern]
) -> tuple[Column, list[str]]:
    """The share of its products that every kernel computes, (kernels,), and a line per pattern that saves nothing.

    Raises:
        UnknownNameError: a layer of ``sparsity`` is not in the network.
    """
    check_layers(network, sparsity)
    kept = np.ones(len(work.kernels))
    idle: dict[str, list[Pattern]] = {}
    position = {kernel.name: index for index, kernel in enumerate(work.kernels)}
    for name, pattern in sparsity.items():
        why = _obstacle(pattern, device, dataflow)
        if why:
            idle.setdefault(why, []).append(pattern)
        else:
            # Multiplexers select n of every m, also where fewer are left.
            selected = device["sparsity.n"] / device["sparsity.m"] if pattern.kind == "n:m" else pattern.density
            kept[position[name]] = selected
    return kept, [unused(patterns, f"npu:{device.name}", why) for why, patterns in idle.items()]


def _obstacle(pattern: Pattern, device: Device, dataflow: str) -> str:
    """Why the device computes the zeros of a pattern too; empty if it does not."""
    if pattern.kind == "block" and dataflow == "rs":
        return "elements hold rows of different filters"
    if pattern.kind == "block":
        spans, side, what = (pattern.columns, "rows", "inputs") if dataflow == "is" else (
            pattern.rows, "columns", "outputs")  # fmt: skip
        wide = int(device[side])
        return "" if spans % wide == 0 else f"blocks must span {wide} {what}, the {side} of the array"
    if pattern.kind == "pattern":
        return "filters of a fold keep different positions"
    if pattern.kind == "unstructured":
        return "elements of a column work in step"
    has = (int(device.get("sparsity.n", 0)), int(device.get("sparsity.m", 0)))
    if 0 not in has and pattern.m % has[1] == 0 and pattern.density <= has[0] / has[1] * (1 + 1e-9):
        return ""
    return f"the array selects {has[0]} of {has[1]}" if 0 not in has else "the array has no multiplexers for n in m"
