# SPDX-License-Identifier: Apache-2.0
"""Resources of whole networks as estimates have them beside what yosys maps their units to, layer by layer.

    python benchmarks/network_resources.py [--bits 8] [--interval-us 20] [--board pynq-z2] [NETWORK ...]

NETWORK is one of the zoo, jet_mlp by default, with random weights, quantised after calibration on random inputs and
folded for the fewest LUTs at that interval. Per layer: predicted and counted LUTs, flip-flops, DSP blocks and 18-kbit
block RAMs, then what stands between and around the layers, and the sums. Every unit is counted by itself; counts are
kept in build/unit_counts (unit_counts.py). Exit code 1 if a sum of LUTs is off by more than 10 %.
"""

import argparse
import os
import sys
from collections import defaultdict

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import numpy as np
from folding_rtl import quantised
from unit_counts import counted, tool

from hls.dataflow import Dataflow
from hls.layers import build
from hls.synthesis.counts import Counts
from hls.templates.unit import Unit
from hls.verilog import data_bytes, frames_on_the_way
from hwsim import device
from hwsim.fpga.dataflow import Timing
from hwsim.fpga.folded import COUNTED
from hwsim.fpga.folding import Goal, choose, cost_of
from hwsim.fpga.folding.joints import joints_of_design
from hwsim.fpga.stages import pipeline

BESIDE = "(between and around)"
MOST_ERROR = 0.10
CONVERTERS = ("width_converter", "control")


def main() -> int:
    """See the head of this file."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", default=["jet_mlp"])
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--interval-us", type=float, default=20.0)
    parser.add_argument("--board", default="pynq-z2")
    given = parser.parse_args()
    errors = [compared(name, given.bits, given.interval_us, given.board) for name in given.networks]
    print(f"{tool()}, synth_xilinx -family xc7, every unit by itself")
    return 0 if max(errors) <= MOST_ERROR else 1


def compared(name: str, bits: int, interval_us: float, board: str) -> float:
    """Print a network's layers; the relative error of all LUTs."""
    network, weights = quantised(name, bits)
    design = choose(network, device.load(board), "folded", goal=Goal("lut", {"interval_us": interval_us})).design
    stages = pipeline(network)
    foldings = tuple(design.folding[stage.name] for stage in stages.stages)
    cost = cost_of(stages, np.arange(len(foldings)), foldings, "folded", "io_stream", design.fifo_depths)
    guess = {
        stage.name: [float(getattr(cost, kind)[index]) for kind in COUNTED] for index, stage in enumerate(stages.stages)
    }
    guess[BESIDE] = joints_of_design(network, stages, foldings).cells(np.arange(len(foldings))).tolist()
    dataflow = build(network, weights, design, skip_zeros=False)
    real: dict[str, Counts] = defaultdict(Counts)
    for unit in (*dataflow.units, *around(dataflow)):
        layer = unit.layer if unit.layer in guess and unit.module not in CONVERTERS else BESIDE
        real[layer] += counted(unit)
    print(f"\n{name}, {bits} bits, {len(dataflow.units)} units   predicted and counted LUT, FF, DSP, BRAM18")
    for layer, numbers in guess.items():
        line(layer, numbers, [float(getattr(real[layer], kind)) for kind in COUNTED])
    sums = np.sum(list(guess.values()), axis=0)
    total = [float(sum(getattr(one, kind) for one in real.values())) for kind in COUNTED]
    line("all", sums.tolist(), total)
    pairs = [pair for pair in zip(COUNTED, sums, total, strict=True) if pair[2]]
    print("error: " + ", ".join(f"{kind} {one / other - 1:+.1%}" for kind, one, other in pairs))
    return abs(float(sums[0]) / total[0] - 1)


def around(dataflow: Dataflow) -> tuple[Unit, Unit]:
    """The units that hls/verilog.py puts around those of a dataflow."""
    result = dataflow.output
    control = {
        "NETWORK": f"64'h{dataflow.network_hash}", "BEATS_IN": dataflow.input.beats, "OUT_BYTES": data_bytes(result),
        "STAMPS": frames_on_the_way(dataflow),
    }  # fmt: skip
    last = {"WIDTH": 8 * data_bytes(result), "BEATS": result.beats}
    timing = Timing(1, 1, 1, 1)
    return Unit("control", "control", "", control, timing, (), ()), Unit("last", "frame_last", "", last, timing, (), ())


def line(name: str, guess: list[float], real: list[float]) -> None:
    """Predictions beside counts."""
    print(f"{name:24.24}" + "".join(f"{one:10,.0f}{other:8,.0f}" for one, other in zip(guess, real, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
