# SPDX-License-Identifier: Apache-2.0
"""The shell of hls4ml networks around an emitted core is the emitted top: same integers, cycles and counters."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder

from boards.vivado import accelerator, shell
from boards.vivado.accelerator import HLS4ML
from hls import emit
from hls.dataflow import Dataflow
from hls.layers import build
from hls.rtl_compile import QUICK
from hls.rtl_sim import Run, Stalls, simulate
from hls.templates import RTL
from hwsim import serial
from hwsim.design import Design, Folding
from hwsim.fixed import FixedPoint
from hwsim.network import Network

S8 = FixedPoint(8, 4, True, "RND_CONV", "SAT")
W4 = FixedPoint(4, 3)


def design() -> tuple[Network, Dataflow]:
    """Four channels of 8 bits in and four numbers of 8 bits out: beats of exactly one word."""
    b = Builder((4, 5, 5), S8)
    t = b.add("relu", b.conv("x", 4, (3, 3), S8, W4), FixedPoint(8, 4, False, "RND_CONV", "SAT"))
    network, weights = b.build(b.dense(b.add("flatten", t, FixedPoint(8, 4, False, "RND_CONV", "SAT")), 4, S8, W4))
    folding = {"conv2d1": Folding(pe=4, simd=4), "dense4": Folding(pe=4, simd=4)}
    return network, build(network, weights, Design(network.hash, "pynq-z2", 100.0, "io_stream", "Slimfab", folding))


def behind_the_shell(emitted: Path, folder: Path, network: Network) -> None:
    """A copy of an emitted folder, with the shell in place of top and top's registers."""
    shutil.copytree(emitted, folder)
    made = replace(accelerator.from_rtl(emitted, network), flow=HLS4ML)
    head = (emitted / "top.v").read_text().partition(");\n  wire")[0]
    ports = [
        line.split()[-1].rstrip(",") for line in head.splitlines() if line.lstrip().startswith(("input", "output"))
    ]
    joined = ", ".join(f".{port}({port})" for port in ports)
    text = f"""{head});
  wire core_aresetn, in_valid, in_ready, out_valid, out_ready, unused;
  wire [{shell.data_bits(made.input) - 1}:0] in_data;
  wire [{shell.data_bits(made.output) - 1}:0] out_data;
  accelerator u_shell ({joined}, .core_aresetn(core_aresetn),
    .to_core_tdata(in_data), .to_core_tvalid(in_valid), .to_core_tready(in_ready),
    .from_core_tdata(out_data), .from_core_tvalid(out_valid), .from_core_tready(out_ready));
  core u_core (.aclk(aclk), .aresetn(core_aresetn),
    .s_axis_tdata(in_data), .s_axis_tvalid(in_valid), .s_axis_tready(in_ready),
    .m_axis_tdata(out_data), .m_axis_tvalid(out_valid), .m_axis_tlast(unused), .m_axis_tready(out_ready));
endmodule
"""
    changed = {"top.v": text, f"{shell.NAME}.v": shell.text(made)}
    names = (emitted / "files.f").read_text().split()
    changed |= {f"{name}.sv": (RTL / f"{name}.sv").read_text() for name in shell.modules(made)}
    changed["files.f"] = "".join(f"{name}\n" for name in dict.fromkeys([*changed, *names]) if name != "files.f")
    for name, content in changed.items():
        (folder / name).write_text(content)
    manifest = emit.load_manifest(emitted)
    hashes = {name: hashlib.sha256(content.encode()).hexdigest() for name, content in changed.items()}
    serial.write_json(folder / "manifest.json", replace(manifest, files={**manifest.files, **hashes}))


@pytest.mark.slow
@pytest.mark.needs("verilator", "g++")
@pytest.mark.parametrize("stalls", [Stalls(), Stalls(0.4, 0.5, 7)], ids=["smooth", "stalled"])
def test_the_shell_around_a_core_is_the_emitted_top(stalls, tmp_path, rtl_cache):
    network, dataflow = design()
    emit.write(dataflow, tmp_path / "emitted")
    behind_the_shell(tmp_path / "emitted", tmp_path / "shell", network)
    values = np.random.default_rng(0).integers(S8.min_int, S8.max_int + 1, (6, 100))
    runs: list[Run] = [
        simulate(dataflow, tmp_path / name, values, stalls, cache=rtl_cache, optimise=QUICK)
        for name in ("emitted", "shell")
    ]
    np.testing.assert_array_equal(runs[0].values, runs[1].values)
    np.testing.assert_array_equal(runs[0].out_cycles, runs[1].out_cycles)
    assert runs[0].counters == runs[1].counters
    assert runs[0].counters["frames_out"] == 6
