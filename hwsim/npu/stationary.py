# SPDX-License-Identifier: Apache-2.0
"""Weight-, output- and input-stationary systolic arrays: cycles in closed form, and accesses to every level.

A layer is a matrix product per group, M positions by N output channels with K = C FY FX products each
(`hwsim/systolic.py`). One operand stays in the array, the others enter at its edges and are handed from element to
element, which is a transfer of the array's network each.
"""

import numpy as np

from hwsim.columns import Column
from hwsim.npu.accesses import Accesses, Plan, of_operand, of_sums
from hwsim.npu.problem import Problem
from hwsim.systolic import double_buffered_cycles


def plan(work: Problem, rows: int, columns: int, dataflow: str, batch: int, kept: Column) -> Plan:
    """Cycles and accesses of every kernel of a batch.

    Args:
        dataflow: "ws", "os" or "is".
        kept: share of the products that the array computes, (kernels,): the reduction is that much shorter.
    """
    loops = work.loops
    groups, n = loops["groups"], loops["k"]
    m = batch * loops["oy"] * loops["ox"]
    k = np.ceil(loops["c"] * loops["fy"] * loops["fx"] * kept)
    per_group = double_buffered_cycles(m, n, k, rows, columns, dataflow)
    uses, outputs = groups * m * n * k, groups * m * n
    windows, weights = groups * m * k, groups * n * k  # every window is read as a row of its own
    over_m, over_k = np.ceil(m / rows), np.ceil(k / rows)
    if dataflow == "ws":
        kinds = (
            of_operand(uses, weights, weights),
            of_operand(uses, windows * np.ceil(n / columns), uses),
            of_sums(outputs, k, over_k, k / over_k),
        )
    elif dataflow == "is":
        kinds = (
            of_operand(uses, weights * np.ceil(m / columns), uses),
            of_operand(uses, windows, windows),
            of_sums(outputs, k, over_k, k / over_k),
        )
    else:
        kinds = (
            of_operand(uses, weights * over_m, uses),
            of_operand(uses, windows * np.ceil(n / columns), uses),
            of_sums(outputs, k, np.ones_like(k), np.ones_like(k)),
        )
    register, noc, buffer = (np.where(work.multiplies, np.stack(level), 0.0) for level in zip(*kinds, strict=True))
    return Plan(np.where(work.multiplies, groups * per_group, 0.0), Accesses(register, noc, buffer))
