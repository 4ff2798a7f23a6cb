# SPDX-License-Identifier: Apache-2.0
"""Small accelerators for tests of builds: one network, emitted as SystemVerilog and as an hls4ml project."""

from pathlib import Path

import numpy as np
from hls_networks import Builder

from boards.manifest import Port
from boards.vivado import accelerator
from boards.vivado.accelerator import Accelerator
from hls import emit
from hls.legality import default_folding
from hls.lowering import lower
from hls.project import write_project
from hwsim.design import Design, Folding
from hwsim.fixed import FixedPoint
from hwsim.network import Network, Weights

S6 = FixedPoint(6, 3, True, "RND_CONV", "SAT")


def network() -> tuple[Network, Weights]:
    """Three channels of 6 bits in (beats of 18 bits), five numbers of 6 bits out (30 bits)."""
    b = Builder((3, 4, 4), S6)
    t = b.add("relu", b.conv("x", 4, (3, 3), S6, FixedPoint(4, 3)), FixedPoint(6, 3, False, "RND_CONV", "SAT"))
    return b.build(b.dense(b.add("flatten", t, FixedPoint(6, 3, False, "RND_CONV", "SAT")), 5, S6, FixedPoint(4, 3)))


def rtl(folder: Path, clock_mhz: float = 100.0, device: str = "pynq-z2") -> Accelerator:
    """The emitted design."""
    net, weights = network()
    folding = {layer.name: Folding(pe=1, simd=1) for layer in net.layers if layer.params}
    folding["conv2d1"], folding["dense4"] = Folding(pe=2, simd=3), Folding(pe=5, simd=2)
    emit.emit(net, weights, Design(net.hash, device, clock_mhz, "io_stream", "Slimfab", folding), folder)
    return accelerator.from_rtl(folder, net)


def hls4ml(folder: Path, io_type: str = "io_stream", clock_mhz: float = 100.0) -> Accelerator:
    """The hls4ml project."""
    net, weights = network()
    design = Design(net.hash, "pynq-z2", clock_mhz, io_type, "Vitis", default_folding(net))
    return accelerator.from_project(write_project(lower(net, weights, design), folder), net)


def images(count: int, seed: int = 0) -> np.ndarray:
    """(count, 3, 4, 4) integers, the format's ends among them."""
    drawn = np.random.default_rng(seed).integers(S6.min_int, S6.max_int + 1, (count, 3, 4, 4))
    drawn[0], drawn[1] = S6.min_int, S6.max_int
    return drawn


def fixed(flow: str) -> Accelerator:
    """An accelerator whose sources never change: what golden Tcl is made from."""
    port = Port("ap_fixed<8,4,AP_RND_CONV,AP_SAT>", 0.0625, (3, 8, 8), (3, 8, 8), 3, 64, 4)
    answer = Port("ap_fixed<16,8,AP_RND_CONV,AP_SAT>", 0.00390625, (10,), (10, 1, 1), 5, 2, 16)
    if flow == accelerator.RTL:
        files = {"core.sv": b"// core\n", "top.v": b"// top\n", "weights_w1.mem": b"0\n"}
        return Accelerator(flow, "0123456789abcdef", 100.0, port, answer, files, ("core.sv", "top.v"))
    files = {"firmware/net.cpp": b"// net\n", "firmware/net.h": b"// net\n"}
    return Accelerator(flow, "0123456789abcdef", 100.0, port, answer, files, ("firmware/net.cpp",))
