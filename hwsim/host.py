# SPDX-License-Identifier: Apache-2.0
"""The machine this runs on, as a device: what the operating system tells, and cautious guesses for the rest.

Nothing is measured here, so the error bar is wide; a measured calibration of the host narrows it.
"""

import os
import platform
from pathlib import Path
from typing import Any

from hwsim.device import MAC_KINDS, Device, parse

CPUINFO = Path("/proc/cpuinfo")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
FALLBACK_MHZ = 2000.0
FALLBACK_CACHE_KIB = 1024.0

# Multiply-accumulates per cycle and core by instruction set, widest first: (flag, fp32, int8).  One vector unit is
# assumed where cores of a family have one or two, since the flags do not tell.
VECTOR_UNITS = (
    ("avx512_vnni", 16, 64),  # 512-bit FMA: 16 fp32; VPDPBUSD: 64 int8 (Intel SDM vol. 2)
    ("avx_vnni", 16, 32),  # two 256-bit FMA units (Agner Fog, Instruction tables); VPDPBUSD on 256 bits
    ("avx512f", 16, 16),
    ("avx2", 16, 16),  # int8 through PMADDUBSW, PMADDWD, PADDD
    ("avx", 8, 8),
    ("asimddp", 8, 32),  # two 128-bit FMA units; SDOT: 16 int8 each (Arm ARM, C7.2)
    ("asimd", 4, 8),
    ("neon", 2, 4),
)
SCALAR = (1, 1)
BOTH = ("int8", "fp32")


def detect() -> Device:
    """Describe this machine.  Raises nothing: what cannot be found out is assumed and marked so."""
    fields = _cpuinfo()
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    flag, fp32, int8 = next(((f, a, b) for f, a, b in VECTOR_UNITS if f in flags), ("no vectors", *SCALAR))
    simd = f"detected {flag} in /proc/cpuinfo; rate per cycle from the vendor's instruction tables, one unit assumed"
    assumed = "not detected, assumed: cautious for a current desktop or server core"
    numbers: dict[str, Any] = {
        "cores": _leaf(len(os.sched_getaffinity(0)), "detected: CPU affinity of this process"),
        "clock_mhz": _leaf(_clock_mhz(fields), "detected: highest 'cpu MHz' in /proc/cpuinfo, else 2000 assumed"),
        "cache_kib": _leaf(_cache_kib(), "detected: largest cache in sysfs, else 1 MiB assumed"),
        "macs_per_cycle": {"fp32": _leaf(fp32, simd), "int8": _leaf(int8, simd)},
        "efficiency": {dtype: {kind: _leaf(_EFFICIENCY[kind], assumed) for kind in MAC_KINDS} for dtype in BOTH},
        "reduction_overhead": _leaf(20, "assumed as fitted for the Cortex-A72"),
        "bandwidth_gb_s": {"cache": _leaf(30, assumed), "dram": _leaf(8, assumed)},
        "overhead_us": {"op": _leaf(5, assumed), "inference": _leaf(30, assumed)},
        "power_w": _leaf(30, "not measured: a share of a server or a laptop, within a factor of 4", 7.5, 120),
        "error": {dtype: _leaf(3, "not calibrated on this machine: within a factor of 3") for dtype in BOTH},
    }
    title = fields.get("model name") or platform.machine() or "this machine"
    text = {"runtime": "any optimised runtime on all cores"}
    return parse({"name": "host", "kind": "cpu", "title": title, "text": text, "numbers": numbers}, "host")


_EFFICIENCY = {"conv": 0.3, "pointwise": 0.4, "depthwise": 0.05, "dense": 0.4}


def _leaf(value: float, source: str, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    leaf = {"value": value, "low": low, "high": high, "source": source}
    return {key: item for key, item in leaf.items() if item is not None}


def _cpuinfo() -> dict[str, str]:
    """First value of every field of /proc/cpuinfo; the clock is the highest of all cores."""
    fields: dict[str, str] = {}
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        return fields
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if name == "cpu MHz" and name in fields:
            value = max(value, fields[name], key=float)
            fields[name] = value
        fields.setdefault(name, value)
    return fields


def _clock_mhz(fields: dict[str, str]) -> float:
    try:
        clock = float(fields.get("cpu MHz", FALLBACK_MHZ))
    except ValueError:
        return FALLBACK_MHZ
    return clock if clock > 0 else FALLBACK_MHZ


def _cache_kib() -> float:
    sizes = []
    for path in CACHES.glob("index*/size"):
        text = path.read_text().strip()
        if text[-1:] in ("K", "M") and text[:-1].isdigit():
            sizes.append(float(text[:-1]) * (1024 if text[-1] == "M" else 1))
    return max(sizes, default=FALLBACK_CACHE_KIB)
