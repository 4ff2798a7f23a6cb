# SPDX-License-Identifier: Apache-2.0
"""A board without a board: the Verilated design behind registers of an AXI DMA engine and of a Zynq's clocks.

``board.py`` is the machine, numpy and ctypes alone; ``device.py`` shows it to pynq, which is not changed.
The accelerator is cycle-exact; memory and interconnect are ideal: every beat is taken when the design offers it.
"""
