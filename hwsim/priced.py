# SPDX-License-Identifier: Apache-2.0
"""The time of kernels on a processor whose device file states prices of work: ``cycles_per.<type>.<term>``.

Prices are in clock cycles, those of parallel work in cycles of one core, so that a file also says what more cores or
another clock would give. Where a runtime may choose, the cheaper way counts: a kernel of few input channels may be
computed as one of :data:`hwsim.kernel_terms.THIN`, and one of a single channel as a depthwise one. What int8 costs
beside fp32 is as measured: some runtimes are slower in the narrower type.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.columns import Column
from hwsim.device import Device
from hwsim.kernel_terms import PRICES, TERMS, THIN, kernel_terms
from hwsim.processor import Execution, Traffic
from hwsim.roofline import SerialTimes
from hwsim.workload import KINDS, REGISTER_TILE, Workload

SERIAL = ("kernel", "inference", "input")  # done by one core, whatever the number of cores
MEMORY = ("dense_weight", "byte", "byte_l2", "byte_memory")
GB_S = 1e3  # bytes per us
START = list(TERMS).index("kernel")


def prices_us(device: Device, dtype: str) -> Column:
    """Prices of PRICES in us per count, shape (prices,)."""
    cores, clock = device["cores"], device["clock_mhz"]
    return np.array(
        [device[f"cycles_per.{dtype}.{name}"] / clock / (1 if name in SERIAL else cores) for name in PRICES]
    )


def cycles_per(prices: Column, cores: float, clock_mhz: float) -> dict[str, float]:
    """The reverse of :func:`prices_us`: what a device file states for prices in us per count."""
    return {
        name: float(price) * clock_mhz * (1 if name in SERIAL else cores)
        for name, price in zip(PRICES, prices, strict=True)
    }  # fmt: skip


def kernel_times(device: Device, work: Workload, run: Execution, moved: Traffic, batch: int) -> SerialTimes:
    """Where the time of every kernel goes, in us."""
    count = len(work.kernels)
    best: _Way | None = None
    table = np.array([prices_us(device, dtype)[: len(TERMS)] for dtype in run.dtypes])
    for counts in _ways(device, work, run.bytes_per_element, batch):
        possible = np.asarray(np.isfinite(counts).all(axis=1))
        best = _cheaper(best, _Way(np.where(np.isfinite(counts), counts, 0.0) * table[run.dtype_index], possible))
    if best is None or not count:
        return SerialTimes(*(np.zeros(count) for _ in range(3)))
    memory = best.parts[:, [name in MEMORY for name in TERMS]].sum(axis=1)
    compute = best.parts[:, [name not in (*MEMORY, "kernel") for name in TERMS]].sum(axis=1)
    # Nothing is faster than the peak of the arithmetic and the bandwidths of cache and main memory.
    compute = np.maximum(compute, work.column("macs") * batch / run.rate)
    slowest = moved.cache / device["bandwidth_gb_s.cache"] + moved.dram / device["bandwidth_gb_s.dram"]
    memory = np.maximum(memory, slowest / GB_S - compute)
    return SerialTimes(compute, memory, best.parts[:, START])


@dataclass(frozen=True, eq=False)
class _Way:
    """Parts of the time of every kernel in one way of computing it, (kernels, terms), and where that is possible."""

    parts: Column
    possible: npt.NDArray[np.bool_]


def _cheaper(best: _Way | None, other: _Way) -> _Way:
    if best is None:
        return other
    choose = other.possible & (~best.possible | (other.parts.sum(axis=1) < best.parts.sum(axis=1)))
    return _Way(np.where(choose[:, None], other.parts, best.parts), best.possible | other.possible)


def _ways(device: Device, work: Workload, element_bytes: Column, batch: int) -> list[Column]:
    """Counts of every way to compute the kernels, (kernels, terms) each; NaN where there is no such way."""
    # Dot products of bytes take rows of any length; the others are computed in whole vectors, as the device states.
    wide = element_bytes > 1
    outputs_block = np.where(wide, device.get("block.outputs", float(REGISTER_TILE)), float(REGISTER_TILE))
    channels_block = np.where(wide, device.get("block.channels", 1.0), 1.0)
    plain = kernel_terms(work, element_bytes, batch, (outputs_block, channels_block))
    names = list(TERMS)
    channels = work.column("channels")
    gathers = work.kind_index <= KINDS.index("pointwise")
    thin, single = gathers & (channels < THIN), gathers & (channels == 1)
    padded, depthwise = plain.copy(), plain.copy()
    inputs, outputs = work.column("inputs") * batch, work.column("outputs") * batch
    whole = np.ceil(THIN / channels_block) * channels_block
    full = plain[:, names.index("thin_mac")] / np.maximum(channels, 1) * whole
    taps = np.where(work.column("taps") > 1, full, 0.0)
    gathered = inputs / np.maximum(channels, 1) * THIN
    for name, column in (("thin_mac", 0.0), ("mac", full), ("tap_mac", taps), ("gather", gathered)):
        padded[:, names.index(name)] = column
    zero = {name: 0.0 for name in ("thin_mac", "mac", "tap_mac", "ragged_mac", "result", "gather", "weight")}
    taken = {"depthwise_mac": work.column("macs") * batch, "depthwise_input": inputs, "depthwise_output": outputs}
    for name, value in (zero | taken).items():
        depthwise[:, names.index(name)] = value
    padded[~thin], depthwise[~single] = np.nan, np.nan
    return [plain, padded, depthwise]


def fixed_us(device: Device, work: Workload, run: Execution, batch: int) -> float:
    """Once per call and per element of the inputs, in the type of the first kernel, in us."""
    if not work.kernels:
        return 0.0
    counts = np.array([1.0, work.kernels[0].inputs * batch])
    return float(counts @ prices_us(device, run.dtypes[int(run.dtype_index[0])])[len(TERMS) :])
