# SPDX-License-Identifier: Apache-2.0
"""hwsim: what a network is, what it computes, and what it costs on CPU, GPU and FPGA."""

from hwsim.errors import SlimfabError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor
from hwsim.reference import execute, trace

__all__ = ["FixedPoint", "Layer", "Network", "SlimfabError", "Tensor", "execute", "trace"]
