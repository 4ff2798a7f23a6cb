# SPDX-License-Identifier: Apache-2.0
"""Synthesis of emitted designs without vendor tools: resources, delays of cells, and a clock after place and route.

    synthesise               LUT, FF, DSP, BRAM per layer and unit           yosys: 7 series, UltraScale+, ECP5
    cell_timing              longest path through cells, without wires       yosys: 7 series
    place_and_route_ecp5     highest clock between registers                 yosys and nextpnr: ECP5-85

Every result carries a ``label``: which tool and version, which family, and what the number is not.
"""

from hls.synthesis.place import Placement, place_and_route_ecp5
from hls.synthesis.report import Synthesis, synthesise
from hls.synthesis.timing import CellTiming, cell_timing

__all__ = ["CellTiming", "Placement", "Synthesis", "cell_timing", "place_and_route_ecp5", "synthesise"]
