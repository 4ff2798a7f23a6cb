# SPDX-License-Identifier: Apache-2.0
"""The module control: registers behind AXI4-Lite, counters and a checksum, around every design."""

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Parameters, Parts, counter, number

STAMP_BITS = 32.0  # hls/rtl/stream_monitor.sv
WORD_BYTES = 4.0  # hls/rtl/crc32.sv


def control(parameters: Parameters) -> Parts:
    """Registers and counters, which are always the same; the stamps of frames; the checksum of a beat's bytes."""
    beats, width, stamps = (number(parameters, name) for name in ("BEATS_IN", "OUT_BYTES", "STAMPS"))
    held = memory.single_bank(np.full_like(stamps, STAMP_BITS), stamps)
    one, further = np.ones_like(beats), np.maximum(np.ceil(width / WORD_BYTES) - 1, 0.0)
    return Parts(
        lut={
            "control": one,
            "beats": counter(beats),
            "stamps": counter(stamps),
            "bytes": 8 * width,
            "state": 8 * np.minimum(width, WORD_BYTES),
            "words": 32 * further,
            "choice": held.lut,
        },
        ff={
            "control": one,
            "beats": counter(beats),
            "stamps": counter(stamps),
            "held": held.ff,
            "bytes": 8 * width,
            "words": 32 * further,
        },
        lutram=held.lutram,
        bram18=held.bram18,
    )
