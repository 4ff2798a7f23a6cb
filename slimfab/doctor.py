# SPDX-License-Identifier: Apache-2.0
"""``slimfab doctor``: what is installed, in which version, and what it enables."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata


@dataclass(frozen=True)
class Finding:
    """One tool or package: found or not, its version, what it enables, and what to do if it is missing."""

    name: str
    found: bool
    version: str
    enables: str
    remark: str = ""


_PACKAGES = (
    ("numpy", "the simulator and the golden executor", "slimfab"),
    ("torch", "training, pruning, import of torch modules", "slimfab[torch]"),
    ("safetensors", "saving and loading weights", "slimfab[torch]"),
    ("brevitas", "quantisation-aware training and QONNX export", "slimfab[quant]"),
    ("onnx", "import of ONNX and QONNX files", "slimfab[quant]"),
    ("qonnx", "execution of QONNX files", "slimfab[quant]"),
    ("hls4ml", "accelerator projects and C simulation", "slimfab[hls]"),
    ("da4ml", "dense layers as adder trees, fully unrolled", "slimfab[da]"),
    ("cocotb", "a bench for the streams and registers of emitted designs", "slimfab[bench]"),
    ("plotly", "plots in the report", "slimfab[report]"),
    ("jinja2", "the report", "slimfab[report]"),
    ("scikit-learn", "the embedded digits data set", "slimfab[data]"),
)


def examine() -> Sequence[Finding]:
    """Look for every package and tool slimfab can use. Nothing is imported or changed."""
    findings = [Finding("python", True, platform.python_version(), "everything")]
    for name, enables, extra in _PACKAGES:
        try:
            findings.append(Finding(name, True, metadata.version(name), enables))
        except metadata.PackageNotFoundError:
            findings.append(Finding(name, False, "", enables, f"pip install '{extra}'"))
    return [*findings, *_tools(), _meters()]


def _meters() -> Finding:
    from hwsim.meters import find_meters

    found, missing = find_meters()
    names = ", ".join(meter.name for meter in found)
    return Finding("energy meter", bool(found), names, "measured energy in 'compare --measure'", "; ".join(missing))


def _tools() -> list[Finding]:
    from hls.tools import find_tools

    return [
        Finding(tool.name, tool.found, tool.version, tool.enables, "" if tool.found else tool.remedy)
        for tool in find_tools()
    ]
