# SPDX-License-Identifier: Apache-2.0
"""A dataflow under Verilator and at token level: the same cycles for every beat, and the same most in every FIFO."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from rtl_efforts import PLAIN

from hls.dataflow import Array, Dataflow
from hls.emit import write
from hls.rtl_compile import Effort
from hls.rtl_sim import Run, Stalls, simulate
from hls.templates import RTL
from hls.tokens import pipeline
from hwsim.fpga import tokens

# A FIFO that writes down the most words it ever held, counted in every cycle behind the reset.
WATCHED = """
`default_nettype none
module watched_fifo #(
  parameter integer WIDTH = 8,
  parameter integer DEPTH = 2,
  parameter         FILE  = "peak.txt"
) (
  input  wire             aclk,
  input  wire             aresetn,
  input  wire [WIDTH-1:0] s_axis_tdata,
  input  wire             s_axis_tvalid,
  output wire             s_axis_tready,
  output wire [WIDTH-1:0] m_axis_tdata,
  output wire             m_axis_tvalid,
  input  wire             m_axis_tready
);
  fifo #(.WIDTH(WIDTH), .DEPTH(DEPTH)) words (
    .aclk(aclk), .aresetn(aresetn),
    .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready),
    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready));
  integer count, most, file;
  wire [31:0] next = count + 32'(s_axis_tvalid & s_axis_tready) - 32'(m_axis_tvalid & m_axis_tready);
  initial most = 0;
  always @(posedge aclk)
    if (!aresetn) count <= 0;
    else begin
      count <= next;
      if ($signed(next) > most) most <= next;
    end
  final begin
    file = $fopen(FILE, "w");
    $fwrite(file, "%0d", most);
    $fclose(file);
  end
endmodule
`default_nettype wire
"""


def watched(dataflow: Dataflow) -> Dataflow:
    """The same hardware, whose FIFOs write the most words they held into files."""
    sources = {name: (RTL / name).read_text() for name in ("fifo.sv", "fifo_short.sv", "fifo_memory.sv")}
    sources["watched_fifo.sv"] = WATCHED
    units = tuple(
        replace(
            unit, module="watched_fifo", sources=sources, parameters={**unit.parameters, "FILE": f'"{unit.name}.peak"'}
        )
        if unit.module == "fifo"
        else unit
        for unit in dataflow.units
    )
    return replace(dataflow, units=units)


def outside(run: Run, stalls: Stalls) -> tokens.Outside:
    """The pauses of source and sink in a run, as hls/rtl/harness.cpp drew them."""
    taken, given = run.in_cycles.ravel(), run.out_cycles.ravel()
    idle, stall = round(stalls.idle * 65536), round(stalls.stall * 65536)
    state, offered, ins, outs = stalls.seed | 1, -1, 0, 0
    gaps, ready = np.zeros(len(taken), dtype=np.int64), np.ones(max(taken[-1], given[-1]) + 1, dtype=bool)
    for cycle in range(len(ready)):
        if offered < 0 and ins < len(taken):
            state = drawn(state)
            if state & 0xFFFF >= idle:
                offered = cycle
                gaps[ins] = cycle - (taken[ins - 1] + 1 if ins else 0)
        if outs < len(given):
            state = drawn(state)
            ready[cycle] = state & 0xFFFF >= stall
        if ins < len(taken) and cycle == taken[ins]:
            offered, ins = -1, ins + 1
        outs += outs < len(given) and cycle == given[outs]
    return tokens.Outside(gaps, ready)


def drawn(state: int) -> int:
    """xorshift32"""
    state ^= state << 13 & 0xFFFFFFFF
    state ^= state >> 17
    return state ^ state << 5 & 0xFFFFFFFF


def agree(
    dataflow: Dataflow, images: int, patterns: tuple[Stalls, ...], folder: Path, cache: Path, seed: int = 0
) -> list[tokens.Flow]:
    """What the token level says about random inputs, once RTL has said the same; see :func:`compared`."""
    rng, fmt = np.random.default_rng(seed), dataflow.input.format
    values = rng.integers(fmt.min_int, fmt.max_int + 1, (images, len(dataflow.input.order)))
    return [flow for _, flow in compared(dataflow, values, patterns, folder, cache)]


def compared(
    dataflow: Dataflow,
    values: Array,
    patterns: tuple[Stalls, ...],
    folder: Path,
    cache: Path,
    effort: Effort = PLAIN,
) -> list[tuple[Run, tokens.Flow]]:
    """Run both and compare the cycle of every beat at both ends and the most words of every FIFO.

    Values are (images, values) in the order of the input stream.
    """
    design = watched(dataflow)
    write(design, folder)
    results = []
    for stalls in patterns:
        run = simulate(design, folder, values, stalls, cache=cache, optimise=effort)
        flow = same_cycles(dataflow, run, stalls)
        names = [unit.name for unit in dataflow.units if unit.module == "fifo"]
        most = {name: int((folder / f"{name}.peak").read_text()) for name in names}
        end = max(run.in_cycles[-1, -1], run.out_cycles[-1, -1])
        assert {name: until(flow, name, end) for name in names} == most
        results.append((run, flow))
    return results


def same_cycles(dataflow: Dataflow, run: Run, stalls: Stalls) -> tokens.Flow:
    """Assert that every beat passed both ends in the cycles that the token level says."""
    flow = tokens.simulate(pipeline(dataflow), len(run.values), outside(run, stalls))
    assert flow.circle == ()
    np.testing.assert_array_equal(flow.in_cycles, run.in_cycles)
    np.testing.assert_array_equal(flow.out_cycles, run.out_cycles)
    return flow


def until(flow: tokens.Flow, name: str, end: int) -> int:
    """The most in a FIFO until the simulation ended."""
    came, left = flow.queues[name]
    return tokens.peak(came[came <= end], left[left <= end])
