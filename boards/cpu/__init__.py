# SPDX-License-Identifier: Apache-2.0
"""The golden network as portable C++, for a board's own processor: what an accelerator is compared with.

layers.h     the layers, as templates
emit.py      a network and its weights as a C++ file that calls them, and a file of parameters
calls.py     how each operator is called, windows.py those with weights or windows
writer.py    number types, casts, parameters and memory while a file is written
"""
