# SPDX-License-Identifier: Apache-2.0
"""This machine's processor under one runtime, measured and described as a device file.

Random networks (micro.py) are timed, as a whole and node by node; efficiency surfaces of the runtime's nodes are fitted
to that, and prices of work for what the networks do not have. Error bars are those of networks that had no part in the
fit. Power is not measured here: it stays the guess of hwsim/host.py, and its source says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hwsim import calibrate_cpu, surface_fit
from hwsim.calibrate_cpu import Calibrated
from hwsim.columns import Column
from hwsim.device import load
from hwsim.errors import InputError
from hwsim.kernel_fit import Measurements
from hwsim.kernel_terms import BLOCKS, Blocks, network_terms
from hwsim.network import Network
from hwsim.processor import BITS
from hwsim.surface_fit import Runs
from hwsim.surfaces import Surfaces
from hwsim.workload import REGISTER_TILE, workload
from slimfab.measure import micro, runtimes
from slimfab.measure.nodes import lowering, node_times
from slimfab.measure.timing import time_call

FEWEST = 20  # networks that prices can be fitted to
SECONDS = 0.03  # per network, number type and pass, once for the whole and once for its nodes
PASSES = 2
COPY_BYTES = {"cache": 256 * 1024, "dram": 64 * 1024 * 1024}  # of a copy within L2, and of one through memory
COPIES = 20

Listen = Callable[[float, str], None]


def vector() -> int:
    """Numbers in a vector of this machine in fp32, which are a block of channels too."""
    return int(load("host")["macs_per_cycle.fp32"])


def blocks(dtype: str) -> Blocks:
    """Output and input channels that this machine's kernels compute together: in fp32, those of its vectors."""
    lanes = float(vector())
    return (lanes, lanes) if dtype == "fp32" and lanes > REGISTER_TILE else BLOCKS


def counts_of(networks: Sequence[Network], dtype: str) -> Any:
    """Counts of work of networks in one number type, (networks, prices)."""
    rows = []
    for network in networks:
        work = workload(network)
        rows.append(network_terms(work, np.full(len(work.kernels), BITS[dtype] / 8), blocks=blocks(dtype)))
    return np.array(rows)


def latencies(
    networks: Sequence[Network], runtime: str, dtype: str, threads: int, listen: Listen = lambda share, text: None
) -> Column:
    """Latency of every network in one number type in us, (networks,): the shortest of PASSES over all of them.

    Raises:
        InputError, UnsupportedError, ToolMissing: see :func:`slimfab.measure.runtimes.prepare`.
    """
    found = np.full(len(networks), np.inf)
    for step, index in enumerate(_turns(len(networks))):
        call = runtimes.prepare(networks[index], runtime, dtype, threads)
        found[index] = min(found[index], time_call(call, threads, SECONDS).best_us)
        listen((step + 1) / (PASSES * len(networks)), f"{networks[index].name}: {found[index]:.0f} us")
    return found


def measure(
    networks: Sequence[Network], runtime: str, threads: int, listen: Listen = lambda share, text: None
) -> dict[str, Runs]:
    """Time every network and every node of it in every number type of a runtime, types from narrow to wide.

    Of PASSES over all of them, the shortest time counts, and the nodes of the pass in which they add up to least.

    Raises:
        InputError, UnsupportedError, ToolMissing: see :func:`slimfab.measure.runtimes.prepare`.
    """
    dtypes = runtimes.RUNTIMES.get(runtime, ("fp32",))
    works = [workload(network) for network in networks]
    totals = {dtype: np.full(len(networks), np.inf) for dtype in dtypes}
    inside: dict[str, list[Column]] = {dtype: [np.array([np.inf])] * len(networks) for dtype in dtypes}
    for step, index in enumerate(_turns(len(networks))):
        network, work = networks[index], works[index]
        for dtype in dtypes:
            call = runtimes.prepare(network, runtime, dtype, threads)
            totals[dtype][index] = min(totals[dtype][index], time_call(call, threads, SECONDS).best_us)
            nodes = node_times(network, work, runtime, dtype, threads, vector(), SECONDS)
            inside[dtype][index] = min(inside[dtype][index], nodes, key=np.nansum)
        share = (step + 1) / (PASSES * len(networks))
        listen(share, f"{network.name}: {totals[dtypes[-1]][index]:.0f} us")
    return {dtype: Runs(works, totals[dtype], inside[dtype]) for dtype in dtypes}


def _turns(count: int) -> list[int]:
    """All networks, and all again: neighbours that fill a shared cache are busy for seconds rather than minutes."""
    return [*range(count)] * PASSES


def calibrate(
    runtime: str, threads: int, count: int, seed: int = 0, listen: Listen = lambda share, text: None
) -> tuple[dict[str, Any], Surfaces, Mapping[str, Calibrated]]:
    """The content of a device file for this machine under a runtime, its surfaces, and the prices by number type.

    Raises:
        InputError: too few networks, or no such number of threads.
    """
    if count < FEWEST:
        raise InputError(f"networks: got {count}; expected at least {FEWEST}, for 16 prices; use the default")
    if threads < 1:
        raise InputError(f"threads: got {threads}; expected at least 1; use the number of cores")
    networks = micro.networks(count, seed)
    runs = measure(networks, runtime, threads, listen)
    names = np.array([network.name for network in networks], dtype=np.str_)
    totals = {dtype: Measurements(counts_of(networks, dtype), one.total_us, names) for dtype, one in runs.items()}
    source = f"{runtimes.version(runtime)}, {threads} threads, {count} random networks, slimfab calibrate"
    surfaces, errors = surface_fit.calibrate(runs, lowering(runtime, threads), vector(), source)
    found = {dtype: replace(one, error=errors[dtype]) for dtype, one in calibrate_cpu.calibrate(totals, {}).items()}
    macs = np.array([network.macs() for network in networks], dtype=np.float64)
    fastest = {dtype: float((macs / one.total_us).max()) for dtype, one in runs.items()}
    return describe(runtime, threads, found, fastest, copy_gb_s()), surfaces, found


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
