# SPDX-License-Identifier: Apache-2.0
"""What Vitis HLS will report for the dense layers of a design, before logic synthesis: a note beside an estimate.

An estimate states resources after synthesis. HLS's own report shows other LUTs and flip-flops of the same layers; where
the model of those reports applies (hwsim/fpga/hls4ml_dense.py), users can check theirs against it.
"""

from collections.abc import Sequence

import numpy as np

from hwsim.design import Folding
from hwsim.fpga.hls4ml_dense import DenseLayers, cost, outside, untrained_limit
from hwsim.fpga.stages import Stage

INPUT_BITS = 16  # of the designs the model was fitted to
SHOWN = ("lut", "ff", "dsp", "bram18")


def note(stages: Sequence[Stage], foldings: Sequence[Folding], io_type: str) -> str | None:
    """One line about all dense layers together, or None where there are none or their products are streamed.

    Layers that lie outside the calibrated designs are named with the parameter that does.
    """
    chosen = [(stage, folding) for stage, folding in zip(stages, foldings, strict=True)
              if stage.op == "dense" and stage.kind == "matrix" and stage.pixels_out == 1]  # fmt: skip
    if io_type != "io_parallel" or not chosen:
        return None
    numbers = [(stage.mw, stage.mh, stage.weight_bits, folding.reuse_factor) for stage, folding in chosen]
    n_in, n_out, bits, reuse = np.array(numbers, dtype=np.float64).T
    resource = np.array([folding.strategy == "resource" for _, folding in chosen])
    layers = DenseLayers(n_in, n_out, bits, untrained_limit(n_in, bits), reuse, resource)
    found = cost(layers)
    sums = [(name.upper(), *(float(part.sum()) for part in (found[name].value, found[name].low, found[name].high)))
            for name in SHOWN]  # fmt: skip
    figures = ", ".join(f"{name} {value:.0f} ({low:.0f} to {high:.0f})" for name, value, low, high in sums)
    text = f"HLS reports before logic synthesis, dense layers: {figures}"
    beyond = {name: mask.copy() for name, mask in outside(layers).items()}
    beyond["input_bits"] = np.array([stage.input_bits != INPUT_BITS for stage, _ in chosen])
    named = [f"{stage.name} ({', '.join(name for name, mask in beyond.items() if mask[index])})"
             for index, (stage, _) in enumerate(chosen) if any(mask[index] for mask in beyond.values())]  # fmt: skip
    return f"{text}; outside the calibrated range, error bars do not hold: {', '.join(named)}" if named else text
