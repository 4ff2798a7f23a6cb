# SPDX-License-Identifier: Apache-2.0
"""This machine's processor under one runtime, measured and described as a device file.

Random networks (micro.py) are timed and prices of work fitted to them; error bars are those of networks that had no
part in the fit. Power is not measured here: it stays the guess of hwsim/host.py, and its source says so.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hwsim import calibrate_cpu
from hwsim.calibrate_cpu import Calibrated
from hwsim.device import load
from hwsim.errors import InputError
from hwsim.kernel_fit import Measurements
from hwsim.kernel_terms import BLOCKS, Blocks, network_terms
from hwsim.network import Network
from hwsim.processor import BITS
from hwsim.workload import REGISTER_TILE, workload
from slimfab.measure import micro, runtimes
from slimfab.measure.timing import time_call

FEWEST = 20  # networks that prices can be fitted to
SECONDS = 0.1  # per network and number type, and at least 15 repetitions
COPY_BYTES = {"cache": 256 * 1024, "dram": 64 * 1024 * 1024}  # of a copy within L2, and of one through memory
COPIES = 20

Listen = Callable[[float, str], None]


def blocks(dtype: str) -> Blocks:
    """Output and input channels that this machine's kernels compute together: in fp32, those of its vectors."""
    lanes = load("host")["macs_per_cycle.fp32"]
    return (lanes, lanes) if dtype == "fp32" and lanes > REGISTER_TILE else BLOCKS


def counts_of(networks: Sequence[Network], dtype: str) -> Any:
    """Counts of work of networks in one number type, (networks, prices)."""
    rows = []
    for network in networks:
        work = workload(network)
        rows.append(network_terms(work, np.full(len(work.kernels), BITS[dtype] / 8), blocks=blocks(dtype)))
    return np.array(rows)


def measure(
    networks: Sequence[Network], runtime: str, threads: int, listen: Listen = lambda share, text: None
) -> dict[str, Measurements]:
    """Time every network in every number type of a runtime, types from narrow to wide.

    Raises:
        InputError, UnsupportedError, ToolMissing: see :func:`slimfab.measure.runtimes.prepare`.
    """
    dtypes = runtimes.RUNTIMES.get(runtime, ("fp32",))
    times: dict[str, list[float]] = {dtype: [] for dtype in dtypes}
    for index, network in enumerate(networks):
        for dtype in dtypes:
            call = runtimes.prepare(network, runtime, dtype, threads)
            times[dtype].append(time_call(call, threads, SECONDS).best_us)
        listen((index + 1) / len(networks), f"{network.name}: {times[dtypes[-1]][-1]:.0f} us")
    names = np.array([network.name for network in networks], dtype=np.str_)
    return {dtype: Measurements(counts_of(networks, dtype), np.array(found), names) for dtype, found in times.items()}


def calibrate(
    runtime: str, threads: int, count: int, seed: int = 0, listen: Listen = lambda share, text: None
) -> tuple[dict[str, Any], Mapping[str, Calibrated]]:
    """The content of a device file for this machine under a runtime, and the prices in it by number type.

    Raises:
        InputError: too few networks, or no such number of threads.
    """
    if count < FEWEST:
        raise InputError(f"networks: got {count}; expected at least {FEWEST}, for 16 prices; use the default")
    if threads < 1:
        raise InputError(f"threads: got {threads}; expected at least 1; use the number of cores")
    networks = micro.networks(count, seed)
    runs = measure(networks, runtime, threads, listen)
    found = calibrate_cpu.calibrate(runs, {})
    macs = np.array([network.macs() for network in networks], dtype=np.float64)
    fastest = {dtype: float((macs / one.time_us).max()) for dtype, one in runs.items()}
    return describe(runtime, threads, found, fastest, copy_gb_s()), found


def describe(
    runtime: str, threads: int, found: Mapping[str, Calibrated], fastest: Mapping[str, float], gb_s: Mapping[str, float]
) -> dict[str, Any]:
    """What a device file says of this machine.

    Args:
        runtime, threads: what was measured.
        found: prices by number type; a runtime without int8 computes such networks in fp32.
        fastest: the highest MAC/us seen, by number type.
        gb_s: bandwidth of copies by level.
    """
    host = load("host")
    every = {dtype: found.get(dtype, found["fp32"]) for dtype in ("int8", "fp32")}
    source = f"{runtimes.version(runtime)}, {threads} threads, random networks, slimfab calibrate"

    def leaf(value: float, text: str) -> dict[str, Any]:
        return {"value": value, "source": text}

    def same(key: str) -> dict[str, Any]:
        one = host.quantity(key)
        return {"value": one.value, "low": one.low, "high": one.high, "source": one.source}

    peak = {
        dtype: max(
            host[f"macs_per_cycle.{dtype}"],
            max(fastest.get(dtype, 0.0), fastest["fp32"]) / (threads * host["clock_mhz"]),
        )
        for dtype in ("int8", "fp32")
    }
    known = {
        "name": f"host-{runtime}", "kind": "cpu", "title": host.title,
        "text": {"runtime": f"{runtimes.version(runtime)}, {threads} threads"},
        "numbers": {
            "cores": leaf(threads, "threads of the calibration"),
            "clock_mhz": same("clock_mhz"),
            "cache_kib": same("cache_kib"),
            "macs_per_cycle": {
                dtype: leaf(value, "the higher of what the vectors allow and what was measured")
                for dtype, value in peak.items()
            },
            "bandwidth_gb_s": {
                level: leaf(max(value * threads, 1e-3), "measured: numpy copies of one thread, times threads")
                for level, value in gb_s.items()
            },
            "power_w": same("power_w"),
            "block": {
                name: leaf(size, "lanes of the machine's vectors in fp32, /proc/cpuinfo")
                for name, size in zip(("outputs", "channels"), blocks("fp32"), strict=True)
            },
        },
    }  # fmt: skip
    return calibrate_cpu.describe(known, every, source, {})


def copy_gb_s() -> dict[str, float]:
    """Bytes read and written per ns by copies within the cache and through main memory."""
    found = {}
    for level, size in COPY_BYTES.items():
        source, target = np.zeros(size // 16, dtype=np.float64), np.zeros(size // 16, dtype=np.float64)
        timing = time_call(lambda a=source, b=target: np.copyto(b, a), 1, 0.0, fewest=COPIES)  # type: ignore[misc]
        found[level] = size / timing.best_us / 1e3
    # Copies through memory are never the faster ones; a busy machine may make it seem so.
    return found | {"cache": max(found.values())}
