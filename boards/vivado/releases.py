# SPDX-License-Identifier: Apache-2.0
"""What differs between the releases of AMD's tools that a build can use: 2019.2 to 2025.2.

* The hardware handoff lies under ``PROJECT.gen`` since Vivado 2020.2, under ``PROJECT.srcs`` before (AMD UG994, "Output
  Products").
* HLS is Vivado HLS until 2020.1, Vitis HLS since 2020.2, and started through vitis-run since 2023.2 (AMD UG1399).
* Vivado HLS adds ``_V`` to a stream's and again to an ap_uint's name (AMD UG902, "Interface Synthesis").
"""

import re
from dataclasses import dataclass

from hwsim.errors import ToolMissing

FIRST, LAST = (2019, 2), (2025, 2)


@dataclass(frozen=True, order=True)
class Release:
    """A release of the tools, such as 2022.2."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year}.{self.number}"

    @classmethod
    def parse(cls, text: str) -> "Release":
        """``2022.2``, ``2022.2.1`` or ``v2022.2`` as a release.

        Raises:
            ToolMissing: it is no release that is supported.
        """
        found = re.fullmatch(r"v?(\d{4})\.(\d)(\.\d+)?", text.strip())
        if found is None or not FIRST <= (int(found[1]), int(found[2])) <= LAST:
            first, last = ("{}.{}".format(*one) for one in (FIRST, LAST))
            raise ToolMissing(
                f"vivado: got version '{text}'; expected {first} to {last}; install one of these, or name one with "
                f"--tools; {ALTERNATIVES}"
            )
        return cls(int(found[1]), int(found[2]))

    @property
    def handoff_root(self) -> str:
        """The suffix of the project's folder that holds the hardware handoff."""
        return "gen" if self >= Release(2020, 2) else "srcs"

    @property
    def hls_command(self) -> tuple[str, ...]:
        """The program that runs a Tcl script of C synthesis, up to the script's name."""
        if self >= Release(2023, 2):
            return ("vitis-run", "--mode", "hls", "--tcl")
        return ("vitis_hls", "-f") if self >= Release(2020, 2) else ("vivado_hls", "-f")

    @property
    def has_vitis_hls(self) -> bool:
        """Whether its HLS is Vitis HLS rather than Vivado HLS."""
        return self >= Release(2020, 2)


ALTERNATIVES = (
    "without it: 'slimfab rtl' emits and simulates, 'slimfab synth' counts cells with yosys, and build.sh in the output"
    " folder runs by hand wherever the tools are"
)
