# SPDX-License-Identifier: Apache-2.0
"""How often each level of the memory hierarchy is accessed, from how often a datum is reused at each level.

Chen, Emer, Sze, "Eyeriss: a spatial architecture for energy-efficient dataflow for convolutional neural networks", ISCA
2016, section VI-C: of ``a b c d`` uses of a datum, it is read ``a`` times from DRAM, ``a b`` times from the buffer,
``a b c`` times through the array's network and ``a b c d`` times from a register file. A partial sum of ``a b c d``
products is read and written ``2 a (b - 1)`` times in the buffer, moved ``a b (c - 1)`` times between elements and read
and written ``2 a b c (d - 1)`` times in register files. A level without reuse (d = 1) is passed by and not accessed.
"""

from dataclasses import dataclass

import numpy as np

from hwsim.columns import Column

OPERANDS = ("weights", "inputs", "sums")
LEVELS = ("register", "noc", "buffer", "dram")


@dataclass(frozen=True, eq=False)
class Accesses:
    """Numbers of accesses on chip for a batch, each of shape (3, kernels): weights, inputs, partial sums."""

    register: Column
    noc: Column
    buffer: Column


@dataclass(frozen=True, eq=False)
class Plan:
    """What a dataflow makes of every kernel: cycles without waiting for DRAM, (kernels,), and the accesses."""

    cycles: Column
    accesses: Accesses


def of_operand(uses: Column, from_buffer: Column, into_registers: Column) -> tuple[Column, Column, Column]:
    """(register, noc, buffer) accesses of weights or inputs.

    Args:
        uses: products the operand enters.
        from_buffer: reads of the buffer, ``a b`` of all data.
        into_registers: deliveries to elements, ``a b c`` of all data; as many as there are uses: no register file.
    """
    return np.where(uses > into_registers, uses, 0.0), into_registers, from_buffer


def of_sums(outputs: Column, products: Column, rounds: Column, spatial: Column) -> tuple[Column, Column, Column]:
    """(register, noc, buffer) accesses of partial sums.

    Args:
        outputs: sums to be computed.
        products: what each adds up, ``b c d``.
        rounds: how often a sum returns to the array, ``b``.
        spatial: elements that add to it in each round, ``c``.
    """
    in_registers = np.maximum(products - rounds * spatial, 0.0)
    return 2 * outputs * in_registers, outputs * rounds * (spatial - 1), 2 * outputs * (rounds - 1)
