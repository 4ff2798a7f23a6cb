# SPDX-License-Identifier: Apache-2.0
"""Which zeros an array of processing elements can leave out.

An array computes a fold of its size at a time, in which all elements of a column hold weights of one output. It leaves
out whole rows of a fold where a block of zeros is as wide as the array: the reduction gets shorter for all columns at
once. Narrower blocks and single zeros leave holes. Patterns of n in m need multiplexers in front of the elements,
which a device states by ``sparsity.n`` and ``sparsity.m``; the reduction shrinks to n / m then, as in SCALE-Sim v3.
"""

from collections.abc import Mapping

import numpy as np

from hwsim.columns import Column
from hwsim.device import Device
from hwsim.network import Network
from hwsim.npu.problem import Problem
from hwsim.sparsity import Pattern, check_layers, unused


def kept_share(
    network: Network, work: Problem, device: Device, sparsity: Mapping[str, Pattern]
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
        why = _obstacle(pattern, device)
        if why:
            idle.setdefault(why, []).append(pattern)
        else:
            kept[position[name]] = pattern.density
    return kept, [unused(patterns, f"npu:{device.name}", why) for why, patterns in idle.items()]


def _obstacle(pattern: Pattern, device: Device) -> str:
    """Why the device computes the zeros of a pattern too; empty if it does not."""
    width = int(device["columns"])
    if pattern.kind == "block":
        return "" if pattern.rows % width == 0 else f"blocks must span {width} outputs, the width of the array"
    if pattern.kind == "unstructured":
        return "elements of a column work in step"
    has = (int(device.get("sparsity.n", 0)), int(device.get("sparsity.m", 0)))
    if 0 not in has and pattern.m % has[1] == 0 and pattern.density <= has[0] / has[1] * (1 + 1e-9):
        return ""
    return f"the array selects {has[0]} of {has[1]}" if 0 not in has else "the array has no multiplexers for n in m"
