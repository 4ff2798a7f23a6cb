# SPDX-License-Identifier: Apache-2.0
"""Networks measured under the runtimes of this machine, and device files made from that.

onnx_graph.py    a Network with random weights as an ONNX file, in float or with 8-bit quantisers
runtimes.py      the same network under ONNX Runtime and under torch, as a function that runs it once
timing.py        how long a call takes when nothing disturbs it
micro.py         small networks that between them use every kind of kernel
host.py          measure, fit, and describe this machine
"""
