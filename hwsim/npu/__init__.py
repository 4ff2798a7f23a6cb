# SPDX-License-Identifier: Apache-2.0
"""Accelerators with an array of processing elements, and a level of memory each for elements, array and chip."""

from hwsim.npu.estimate import DATAFLOWS, Cost, cost, estimate

__all__ = ["DATAFLOWS", "Cost", "cost", "estimate"]
