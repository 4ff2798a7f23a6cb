# SPDX-License-Identifier: Apache-2.0
"""From a design to a bitstream: scripts for AMD's tools, what runs them, and what their reports say.

releases.py    what differs between releases of the tools
accelerator.py what is built: emitted SystemVerilog, or an hls4ml project
shell.py       the Verilog around it: registers, and words as wide as AXI DMA has them
network_cpp.py the C++ around hls4ml's network: streams of plain bits
tcl.py         Tcl words and commands
scripts.py     C synthesis, IP packaging, implementation
block_design.py  processor, DMA and accelerator, joined net by net
kernel.py      the Verilog of a kernel for cards: accelerator and data movers
link.py        its packaging, and what v++ links it to
plan.py        a folder with all of it and build.sh, which anyone can run by hand
"""
